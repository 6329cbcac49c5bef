# Kernels are typed by Triton when they are compiled.
# mypy: disallow-untyped-defs=False
"""Where Triton's kernels can run: on CUDA, or anywhere under Triton's own interpreter."""

from __future__ import annotations

import torch
import triton
from triton.runtime.interpreter import InterpretedFunction

from otgan.mistakes import WrongValueError

__all__ = ["INTERPRETED", "require_device"]


@triton.jit
def _probe():
    pass


INTERPRETED = isinstance(_probe, InterpretedFunction)
"""Whether kernels are interpreted: TRITON_INTERPRET=1 stood in the environment when triton was imported."""


def require_device(device: torch.device, backend: str = "triton") -> None:
    """Raise unless tensors on this device can be handed to the kernels of a backend."""
    if device.type == "cuda" or INTERPRETED:
        return
    raise WrongValueError(
        f"backend {backend!r} needs samples on a CUDA device, got {device}: move them with .to('cuda'), take "
        "backend='dense' or 'streamed', or set TRITON_INTERPRET=1 before triton is imported, which runs the kernels "
        "on the CPU, slowly, for tests"
    )
