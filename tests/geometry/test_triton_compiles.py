"""The interpreter takes Python that Triton's compiler does not: every kernel is also compiled, for a chip not at hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import otgan

pytest.importorskip("triton", reason="needs triton, which there is for Linux")

CODE = """
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from otgan.geometry.triton import kernels, program

HOPPER = GPUTarget("cuda", 90, 32)
INTEGERS = {"n", "m", "k", "problems", "row_blocks", "width", "height", "limit", "row_stride", "column_stride"}
TYPES = {"epsilon": "*fp64", "first": "*fp64", "lengths": "*i32", "out_g": "*fp64", "out_passes": "*i32", "tol": "fp32"}


def compiled(kernel, warps=4, real="fp32", **constants):
    types = {name: "i32" if name in INTEGERS else TYPES.get(name, "*" + real) for name in kernel.arg_names}
    types |= dict.fromkeys(constants, "constexpr")
    # Pointers are those of torch's allocations, aligned to 16 bytes.
    aligned = {(k,): [["tt.divisibility", 16]] for k, name in enumerate(kernel.arg_names) if types[name][0] == "*"}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants, attrs=aligned)
    binary = triton.compile(source, target=HOPPER, options={"num_warps": warps})
    print(kernel.__name__, len(binary.asm["cubin"]), "wgmma" in binary.asm["ptx"])


tile = {"BLOCK_M": 64, "BLOCK_N": 64}
direct = {"D": 2, "DOT": "", **tile, "BLOCK_D": 32}
inner = {"D": 64, "P": 2.0, **tile, "BLOCK_D": 32}
single = {"DTYPE": tl.float32}
compiled(kernels.product_kernel, P=1.5, **direct, **single)
compiled(kernels.product_kernel, DOT="bf16x3", **inner, **single)
compiled(kernels.product_kernel, DOT="tf32x3", **inner, **single)
compiled(kernels.log_sums_kernel, real="fp64", P=1.0, HARD=False, DTYPE=tl.float64, **direct)
compiled(kernels.log_sums_kernel, DOT="tf32", HARD=True, **inner, **single)
compiled(kernels.multiply_kernel, P=1.0, FORCE=True, BLOCK_K=16, **direct)
compiled(kernels.fill_kernel, P=2.0, EXP=True, **direct, **single)
compiled(kernels.stored_product_kernel, real="bf16", BLOCK_M=16, BLOCK_N=128)
compiled(program.resident_kernel, HELD=True, PADDED=64, **tile)
compiled(program.resident_kernel, warps=8, HELD=False, PADDED=256, BLOCK_M=64, BLOCK_N=256)
"""


def test_every_kernel_compiles_for_hopper_and_inner_products_use_its_matrix_units(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    script = tmp_path / "compile_all.py"  # Triton reads the source of what it compiles
    script.write_text(CODE)
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment | {"PYTHONPATH": str(Path(otgan.__file__).parent.parent)},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 10
    assert all(int(size) > 0 for _, size, _ in lines)
    assert [flag for _, _, flag in lines[:5]] == ["False", "True", "True", "False", "True"]
