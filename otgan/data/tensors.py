"""Tensors of other frameworks: .pt through torch's restricted loader, and .safetensors."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otgan.data.arrays import BROKEN_ZIP, choose_key
from otgan.data.errors import DataError, SpecError, first_line, listed, require, short
from otgan.data.sources import Source, Stored, check_fits, stack

__all__ = ["open_pt", "open_safetensors"]


def open_pt(path: Path, key: str | None) -> Source:
    """Open what ``torch.save`` wrote: a tensor, or a dict of tensors from which ``key`` picks one.

    Nothing but tensors in plain containers is read, by ``torch.load(weights_only=True)``. The archive is
    checked here; torch is imported when the tensor is read.
    """
    _check_archive(path)

    def read() -> Stored:
        import torch

        content = _loaded(path)
        name = str(path)
        if isinstance(content, dict):
            chosen, content = _picked(path, content, key)
            name = f"{path}#{chosen}"
        elif key is not None:
            raise SpecError(f"{path} has no array {key!r}: it holds one {type(content).__name__}")
        if not isinstance(content, torch.Tensor):
            raise DataError(
                f"{path}: holds a {type(content).__name__}: expected a tensor, or a dict of tensors"
            )
        return stack(name, _to_numpy(content, name, path.stat().st_size))

    return Source(str(path), read)


def _check_archive(path: Path) -> None:
    """Raise unless a file is an archive as torch.save writes it."""
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
    # Members may overlap in an archive made to burst when it is read.
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise DataError(f"{path}: its members claim more bytes than the file has: damaged?")


def _loaded(path: Path) -> Any:
    """Return what torch's restricted loader makes of a file."""
    import torch

    try:
        # torch warns of kinds of tensors that are to go, of which some are refused here anyway; as errors, warnings would
        # look like objects that the loader does not take.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"{path}: does not hold tensors alone, and Python objects are never unpickled: "
            "save the tensor by itself, torch.save(tensor, path)"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can stop its parser anywhere
        raise DataError(f"{path}: damaged: {first_line(error)}") from error


def _picked(path: Path, content: dict[Any, Any], key: str | None) -> tuple[str, Any]:
    """Return the name and the tensor that ``key`` picks from a dict, or the only one there is."""
    import torch

    found = [(_key(k), v) for k, v in content.items() if isinstance(v, torch.Tensor)]
    tensors = dict(found)
    if not tensors:
        raise DataError(f"{path}: a dict without tensors: expected a tensor")
    if len(tensors) < len(found):
        raise DataError(f"{path}: two of its tensors have one name: {listed(tensors)}: rename them apart")
    chosen = choose_key(path, key, list(tensors))
    return chosen, tensors[chosen]


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
        except MemoryError:
            raise
        except Exception as error:  # a type that torch has not, among others
            raise DataError(
                f"{name}: damaged, or of a type that cannot be read: {first_line(error)}"
            ) from error
        return stack(name, _to_numpy(tensor, name, path.stat().st_size))

    return Source(name, read)


def _key(key: object) -> str:
    """Return a key of a dict as text; one that is no text or number, and may be long, by its type."""
    return (
        str(key)
        if isinstance(key, (str, float)) or (isinstance(key, int) and abs(key) < 2**63)
        else (f"<{type(key).__name__}>")
    )


def _to_numpy(tensor: Any, name: str, file_size: int) -> NDArray[Any]:
    """Return a tensor as an array; the file must hold all its values."""
    import torch

    if tensor.is_nested:
        raise DataError(f"{name}: a nested tensor, whose parts have shapes of their own: save one tensor")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise DataError(f"{name}: a sparse or quantized tensor: save it dense")
    if tensor.device.type != "cpu":
        raise DataError(
            f"{name}: a tensor on the device {tensor.device}, whose values are not in the file: save it on the CPU"
        )
    if tensor.is_complex():
        raise DataError(f"{name}: expected real numbers, found complex numbers")
    try:
        claimed, there = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        if not claimed <= there <= file_size:
            shape = short(str(tuple(tensor.shape)), 60)
            raise DataError(f"{name}: claims the shape {shape}, more than its file holds")
        tensor = tensor.detach()
        tensor = (
            tensor.resolve_neg()
        )  # a view such as the imaginary part of a conjugate: minus is yet to be taken
        narrow = tensor.is_floating_point() and tensor.dtype not in {
            torch.float16,
            torch.float32,
            torch.float64,
        }
        if narrow:
            check_fits(4 * tensor.numel(), name)
        return np.asarray((tensor.float() if narrow else tensor).numpy())
    except (DataError, MemoryError):
        raise
    except Exception as error:  # types and kinds of tensors that torch knows and NumPy does not
        raise DataError(
            f"{name}: a tensor of {tensor.dtype} that cannot be read as numbers: save it as float32: {first_line(error)}"
        ) from error
