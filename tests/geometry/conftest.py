"""Where there is no GPU, the kernels of Triton run in its interpreter, which must be chosen before Triton is imported."""

import os
import sys

import torch

if "triton" not in sys.modules and not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
