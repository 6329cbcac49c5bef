"""The state of the entropic solver within one stage: potentials held as scalings of an absorbed kernel."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from otgan.entropic.problem import Problem
from otgan.geometry.base import Geometry
from otgan.geometry.kernel import Kernel, Turn

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
    u, v : Tensor, shapes (B, n) and (B, m)
    ratio : Tensor, shape (B, m)
    error : Tensor, shape (B,)
        L1 error of the column sums; that of the row sums is zero to rounding.
    passes : float
        Products with K and Kᵀ so far, a pair counting as one pass.
    parts : bool
        Whether the kernel has the entries apart that hold nearly all of the plan, if it can.
    """

    def __init__(
        self, problem: Problem, f: Tensor, g: Tensor, tol: float, least: float | None = None
    ) -> None:
        self._whole = problem.geometry
        self._index: Tensor | None = None
        self.a, self.b, self.epsilon, self.tol = problem.a, problem.b, problem.epsilon, tol
        self.passes, self.rescues = 0.0, 0
        self.no_x, self.no_y = self.a == 0, self.b == 0
        self.least, self.parts, self.dense = least, least is not None, False
        self._absorb(f, g)
        self.ratio = torch.ones_like(self.b)
        self.error = torch.full_like(self.epsilon, torch.inf)

    def _absorb(self, f: Tensor, g: Tensor) -> None:
        # Without mass on either side, f + g is not bounded by C: such points would overflow the kernel.
        f, g = f.masked_fill(self.no_x, -torch.inf), g.masked_fill(self.no_y, -torch.inf)
        parted = self._parted(f, g) if self.parts else None
        if parted is None:
            self._begin(f, g, *self.geometry.kernels(self.epsilon, f, g, self.tol))
        else:
            self._begin(f, g, parted, parted)

    def _begin(self, f: Tensor, g: Tensor, kernel: Kernel, rough: Kernel) -> None:
        """Begin at potentials that a kernel has absorbed."""
        self.f, self.g, self.kernel, self.rough = f, g, kernel, rough
        self.u, self.v = torch.ones_like(f), torch.ones_like(g)
        self.passes += 0.5

    def _parted(self, f: Tensor, g: Tensor) -> Kernel | None:
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
        f, g = self.potentials()
        f, g = f.masked_fill(self.no_x, -torch.inf), g.masked_fill(self.no_y, -torch.inf)
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

    def take(self, keep: Tensor) -> Iterate:
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

    def sweep(self) -> Tensor:
        """Make the row sums exact for the present v and measure the column sums, in one pass."""
        self.passes += 1
        sums, back = self.kernel.through(self.b * self.v, Turn(self.a, divides=True))
        self.u = sums.reciprocal().masked_fill_(self.no_x, 1.0)
        self.ratio = (self.v * back).masked_fill_(self.no_y, 1.0)
        self.error = torch.linalg.vecdot(self.b, (self.ratio - 1).abs_())
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

    def semi_dual(self) -> Tensor:
        """Dual value ⟨a, f⟩ + ⟨b, g⟩ relative to the absorbed potentials and in units of ε, the row sums exact."""
        return torch.linalg.vecdot(self.a, self.u.log()) + torch.linalg.vecdot(self.b, self.v.log())

    def extent(self) -> float:
        """Largest |log| of the scalings: infinity or NaN where one is not positive and finite."""
        least, largest = map(float, torch.aminmax(torch.cat((self.u, self.v, self.ratio), 1)))
        if not (least > 0 and math.isfinite(largest)):
            return math.inf
        return max(abs(math.log(least)), abs(math.log(largest)))

    def broken(self) -> Tensor:
        """Tell which problems have a scaling that is not positive and finite, shape (B,)."""
        least, largest = torch.aminmax(torch.cat((self.u, self.v, self.ratio), 1), dim=1)
        return ~((least > 0) & torch.isfinite(largest))

    def rescue(self) -> None:
        """Go back to the absorbed potentials and make both exact in the log-domain, where nothing overflows."""
        self.rescues += 1
        scale = self.epsilon[:, None]
        f = self.geometry.softmin(self.epsilon, self.g + scale * self.b.log(), 1)
        g = self.geometry.softmin(self.epsilon, f + scale * self.a.log(), 0)
        f = self.geometry.softmin(self.epsilon, g + scale * self.b.log(), 1)
        self.passes += 1.5
        self._absorb(f, g)

    def absorb(self) -> None:
        """Absorb the potentials anew."""
        self._absorb(*self.potentials())

    def potentials(self) -> tuple[Tensor, Tensor]:
        """The potentials f and g; the absorbed ones where a scaling is broken."""
        scale, broken = self.epsilon[:, None], self.broken()[:, None]
        u, v = self.u.masked_fill(broken, 1.0), self.v.masked_fill(broken, 1.0)
        return self.f + scale * u.log(), self.g + scale * v.log()
