"""Transport on NVIDIA GPUs by Triton kernels: large clouds streamed, batches of small ones resident on the chip."""

from __future__ import annotations

from otgan.geometry.triton.geometry import TritonGeometry

__all__ = ["TritonGeometry"]
