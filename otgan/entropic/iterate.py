"""The state of the entropic solver within one stage: potentials held as scalings of an absorbed kernel."""

from __future__ import annotations

import copy
import math

from otgan.entropic.problem import Problem
from otgan.geometry.base import Geometry
from otgan.geometry.kernel import Kernel, Turn
from otgan.namespace import Array, namespace

__all__ = ["Iterate", "least_of"]

_LIGHT, _LIGHTEST = 1e-7, 1e-13
"""Entries of the plan, relative to the lighter of their two weights, that Newton directions may do without, at most and at
least: the sums of float64 do not see them."""

_LOSS = 0.1
"""The same as a share of the marginal error to be reached: what is left out in sum should be less than that."""


def least_of(goal: float) -> float:
    """Share of the lighter of two weights above which an entry of the plan is heavy, for a marginal error of `goal`."""
    return max(_LIGHTEST, min(_LIGHT, _LOSS * goal))


class Iterate:
    """Potentials f = f₀ + ε log u and g = g₀ + ε log v around an absorbed kernel K = exp((f₀ + g₀ − C)/ε).

    The plan is diag(a u) K diag(b v). After :meth:`sweep` its row sums are a, and ``ratio`` holds its column sums
    divided by b. Points of weight 0 take no part: their scalings stay 1.

    Attributes
    ----------
    u, v : Array, shapes (B, n) and (B, m)
    ratio : Array, shape (B, m)
    error : Array, shape (B,)
        L1 error of the column sums; that of the row sums is zero to rounding.
    passes : float
        Products with K and Kᵀ so far, a pair counting as one pass.
    parts : bool
        Whether the kernel has the entries apart that hold nearly all of the plan, if it can.
    """

    def __init__(self, problem: Problem, f: Array, g: Array, tol: float, least: float | None = None) -> None:
        self._whole = problem.geometry
        self._index: Array | None = None
        self.a, self.b, self.epsilon, self.tol = problem.a, problem.b, problem.epsilon, tol
        self.xp = namespace(self.a)
        self.passes, self.rescues = 0.0, 0
        self.no_x, self.no_y = self.a == 0, self.b == 0
        self.least, self.parts, self.dense = least, least is not None, False
        self._absorb(f, g)
        self.ratio = self.xp.ones_like(self.b)
        self.error = self.xp.full_like(self.epsilon, math.inf)

    def _absorb(self, f: Array, g: Array) -> None:
        f, g = self._left_out(f, g)
        parted = self._parted(f, g) if self.parts else None
        if parted is None:
            self._begin(f, g, *self.geometry.kernels(self.epsilon, f, g, self.tol))
        else:
            self._begin(f, g, parted, parted)

    def _left_out(self, f: Array, g: Array) -> tuple[Array, Array]:
        """Leave the points without mass out of potentials: their f + g is not bounded by C, and would overflow."""
        return self.xp.where(self.no_x, -math.inf, f), self.xp.where(self.no_y, -math.inf, g)

    def _begin(self, f: Array, g: Array, kernel: Kernel, rough: Kernel) -> None:
        """Begin at potentials that a kernel has absorbed."""
        self.f, self.g, self.kernel, self.rough = f, g, kernel, rough
        self.u, self.v = self.xp.ones_like(f), self.xp.ones_like(g)
        self.passes += 0.5

    def _parted(self, f: Array, g: Array) -> Kernel | None:
        least = _LIGHT if self.least is None else self.least
        found = self.geometry.parted(self.epsilon, f, g, self.a, self.b, least)
        self.parts = found is not None
        return found

    def part(self) -> bool:
        """Absorb the potentials anew in a kernel that has the entries apart that hold nearly all of the plan.

        Returns
        -------
        bool
            False where there is none, and nothing was done.
        """
        if self.dense:
            return False
        f, g = self._left_out(*self.potentials())
        parted = self._parted(f, g)
        if parted is None:
            # It is not tried again: at one ε plans hardly change in that.
            self.dense = True
            return False
        self._begin(f, g, parted, parted)
        self.sweep()
        return True

    @property
    def geometry(self) -> Geometry:
        """The geometry of the problems that are left, made when asked for: few need it again."""
        if self._index is not None:
            self._whole, self._index = self._whole.take(self._index), None
        return self._whole

    def take(self, keep: Array) -> Iterate:
        """Return the state of the problems whose indices are in `keep`; the whole state where that is all."""
        if keep.shape[0] == self.b.shape[0]:
            return self
        part = copy.copy(self)
        for name in ("a", "b", "epsilon", "f", "g", "u", "v", "ratio", "error", "no_x", "no_y"):
            setattr(part, name, getattr(self, name)[keep])
        part._index = keep if self._index is None else self._index[keep]
        part.kernel = self.kernel.take(keep)
        part.rough = part.kernel if self.rough is self.kernel else self.rough.take(keep)
        return part

    def sweep(self) -> Array:
        """Make the row sums exact for the present v and measure the column sums, in one pass."""
        self.passes += 1
        sums, back = self.kernel.through(self.b * self.v, Turn(self.a, divides=True))
        self.u = self.xp.where(self.no_x, 1.0, 1 / sums)
        self.ratio = self.xp.where(self.no_y, 1.0, self.v * back)
        self.error = self.xp.linalg.vecdot(self.b, abs(self.ratio - 1))
        return self.error

    def balanced(self) -> bool:
        """Whether every point, however light, receives its mass to within a factor of e.

        The L1 error does not see light points. What they lack must be made up before ε falls, while it takes a
        shift of a few ε; later it takes a hundred times as many.
        """
        return bool(((self.ratio < math.e) & (self.ratio > 1 / math.e)).all())

    def plain_step(self) -> None:
        """Take a Sinkhorn step in v: make the column sums exact."""
        self.v = self.v / self.ratio

    def semi_dual(self) -> Array:
        """Dual value ⟨a, f⟩ + ⟨b, g⟩ relative to the absorbed potentials and in units of ε, the row sums exact."""
        xp = self.xp
        return xp.linalg.vecdot(self.a, xp.log(self.u)) + xp.linalg.vecdot(self.b, xp.log(self.v))

    def extent(self) -> float:
        """Largest |log| of the scalings: infinity or NaN where one is not positive and finite."""
        scalings = self.xp.concat((self.u, self.v, self.ratio), axis=1)
        least, largest = float(scalings.min()), float(scalings.max())
        if not (least > 0 and math.isfinite(largest)):
            return math.inf
        return max(abs(math.log(least)), abs(math.log(largest)))

    def broken(self) -> Array:
        """Tell which problems have a scaling that is not positive and finite, shape (B,)."""
        xp = self.xp
        scalings = xp.concat((self.u, self.v, self.ratio), axis=1)
        return ~((xp.min(scalings, axis=1) > 0) & xp.isfinite(xp.max(scalings, axis=1)))

    def rescue(self) -> None:
        """Go back to the absorbed potentials and make both exact in the log-domain, where nothing overflows."""
        self.rescues += 1
        scale, xp = self.epsilon[:, None], self.xp
        f = self.geometry.softmin(self.epsilon, self.g + scale * xp.log(self.b), 1)
        g = self.geometry.softmin(self.epsilon, f + scale * xp.log(self.a), 0)
        f = self.geometry.softmin(self.epsilon, g + scale * xp.log(self.b), 1)
        self.passes += 1.5
        self._absorb(f, g)

    def absorb(self) -> None:
        """Absorb the potentials anew."""
        self._absorb(*self.potentials())

    def potentials(self) -> tuple[Array, Array]:
        """The potentials f and g; the absorbed ones where a scaling is broken."""
        scale, broken, xp = self.epsilon[:, None], self.broken()[:, None], self.xp
        u, v = xp.where(broken, 1.0, self.u), xp.where(broken, 1.0, self.v)
        return self.f + scale * xp.log(u), self.g + scale * xp.log(v)
