"""Parts of compiled functions: made machine code only within the functions that call them.

numba optimizes every function, makes machine code of it and keeps it on disk, and does so again with all that the function
calls in whatever calls it, to any depth; of loops in many small functions, that is most of the time that compiling takes. A
part is typed and lowered, and left at that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

__all__ = ["Part"]


class _Code(JITCodeLibrary):
    """Code that is optimized by the libraries that it is linked into."""

    def _optimize_final_module(self) -> None:
        """Leave it as it is, but for the passes over each function alone, which make it smaller to link."""

    def _finalize_final_module(self) -> None:
        """Take it for finished, without machine code."""
        self._finalize_dynamic_globals()
        self._finalized = True


class _Pipeline(Compiler):
    """The steps of numba without those that end in something that can be called."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        flags = self.state.flags
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        self.state.library = _Code(self.state.targetctx.codegen(), "part")


class Part(CPUDispatcher):
    """A function that others call once compiled, and are compiled together with.

    Parameters
    ----------
    py_func : callable
    locals : dict, optional
    targetoptions : dict, optional
        As numba has them; the options are those of ``numba.njit``.
    """

    def __init__(
        self,
        py_func: Callable[..., Any],
        locals: dict[str, Any] | None = None,
        targetoptions: dict[str, Any] | None = None,
    ) -> None:
        options = {"nopython": True, **(targetoptions or {})}
        super().__init__(py_func, locals or {}, options, pipeline_class=_Pipeline)

    def __call__(self, *arguments: Any) -> Any:
        """Call it from Python, by way of a compiled function that does nothing else."""
        return self._alone(*arguments)

    def add_overload(self, cres: Any) -> None:
        """Have callers find the code, which they look up by the address of what Python would call.

        Parameters
        ----------
        cres : numba.core.compiler.CompileResult
            Of types of arguments for which there was none.
        """
        stand_in = object()
        self.targetctx.insert_user_function(stand_in, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres._replace(entry_point=stand_in)

    @cached_property
    def _alone(self) -> Any:
        part = self

        def alone(*arguments: Any) -> Any:
            return part(*arguments)

        return numba.njit(alone)
