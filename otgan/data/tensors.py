"""Tensors of other frameworks: .pt through torch's restricted loader, and .safetensors."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data.arrays import BROKEN_ZIP, choose_key
from otgan.data.errors import DataError, SpecError, first_line, require
from otgan.data.stored import Source, Stored, stack

__all__ = ["open_pt", "open_safetensors"]


def open_pt(path: Path, key: str | None) -> Source:
    """Open what ``torch.save`` wrote: a tensor, or a dict of tensors from which ``key`` picks one.

    Nothing but tensors in plain containers is read, by ``torch.load(weights_only=True)``. The archive is
    checked here; torch is imported when the tensor is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except BROKEN_ZIP as error:
        raise DataError(
            f"{path}: not an archive of torch.save (torch ≥ 1.6), or a truncated one: {first_line(error)}"
        ) from error
    if not any(member.filename.endswith("/data.pkl") for member in members):
        raise DataError(f"{path}: a zip archive, but not one of torch.save")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise DataError(f"{path}: a compressed archive, which torch.save does not write")

    def read() -> Stored:
        import torch

        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise DataError(
                f"{path}: does not hold tensors alone, and Python objects are never unpickled: "
                "save the tensor by itself, torch.save(tensor, path)"
            ) from error
        except Exception as error:  # a damaged pickle can stop its parser anywhere
            raise DataError(f"{path}: damaged: {first_line(error)}") from error
        name = str(path)
        if isinstance(content, dict):
            tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
            if not tensors:
                raise DataError(f"{path}: a dict without tensors: expected a tensor")
            chosen = choose_key(path, key, list(tensors))
            name, content = f"{path}#{chosen}", tensors[chosen]
        elif key is not None:
            raise SpecError(f"{path} has no array {key!r}: it holds one {type(content).__name__}")
        if not isinstance(content, torch.Tensor):
            raise DataError(
                f"{path}: holds a {type(content).__name__}: expected a tensor, or a dict of tensors"
            )
        return stack(name, _to_numpy(content, name, path.stat().st_size))

    return Source(str(path), read)


def open_safetensors(path: Path, key: str | None) -> Source:
    """Open one tensor of a .safetensors file: the one called ``key``, or the only one."""
    safetensors = require("safetensors", f"{path}: reading safetensors")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            chosen = choose_key(path, key, list(file.keys())) if file.keys() else None
    except (safetensors.SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a readable safetensors file: {first_line(error)}") from error
    if chosen is None:
        raise DataError(f"{path}: no tensor in it")
    name = f"{path}#{chosen}"

    def read() -> Stored:
        # NumPy has no bfloat16 and no 8-bit floats, so that torch reads the tensor.
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                tensor = file.get_tensor(chosen)
        except (safetensors.SafetensorError, OSError) as error:
            raise DataError(f"{name}: damaged: {first_line(error)}") from error
        return stack(name, _to_numpy(tensor, name, path.stat().st_size))

    return Source(name, read)


def _to_numpy(tensor: Any, name: str, file_size: int) -> NDArray[Any]:
    """Return a tensor as an array; the file must hold all its values."""
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized:
        raise DataError(f"{name}: a sparse or quantized tensor: save it dense")
    stored = min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
    if tensor.numel() * tensor.element_size() > stored or stored > file_size:
        raise DataError(f"{name}: claims the shape {tuple(tensor.shape)}, more than its file holds")
    if tensor.is_complex():
        raise DataError(f"{name}: expected real numbers, found complex numbers")
    tensor = tensor.detach()
    narrow = tensor.is_floating_point() and tensor.dtype not in {torch.float16, torch.float32, torch.float64}
    return np.asarray((tensor.float() if narrow else tensor).numpy())
