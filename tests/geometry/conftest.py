"""Where there is no GPU, the kernels of Triton run in its interpreter, which must be chosen before Triton is imported."""

import os
import sys

import pytest
import torch

from otgan.geometry.compiled import visited

if "triton" not in sys.modules and not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture
def many_pieces(monkeypatch):
    """Cut every visit into as many pieces as there are threads, of which there are three."""
    monkeypatch.setattr(visited, "_WORTH", 1)
    monkeypatch.setattr(visited, "count", lambda: 3)
