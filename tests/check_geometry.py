"""The seam that every geometry fills, of arrays or of tensors, held to formulas written out in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from torch import Tensor

from otgan.geometry import Geometry
from otgan.geometry.kernel import Turn
from otgan.namespace import beside


@dataclass(frozen=True)
class Case:
    """A batch of problems with everything that a geometry is asked about."""

    x: Tensor
    y: Tensor
    p: float
    epsilon: Tensor
    f: Tensor
    g: Tensor
    a: Tensor
    b: Tensor

    @property
    def cost(self) -> Tensor:
        """Costs from differences, by SciPy."""
        pairs = zip(self.x.double().numpy(), self.y.double().numpy(), strict=True)
        return torch.from_numpy(np.stack([cdist(x, y) ** self.p for x, y in pairs]))

    @property
    def plan(self) -> Tensor:
        """a b exp((f + g − C)/ε), a pair without weight on either side having no mass."""
        scale = self.epsilon[:, None, None]
        exponent = (self.f[..., None] + self.g[:, None] - self.cost) / scale
        weights = self.a[..., None] * self.b[:, None]
        return torch.where(weights > 0, weights * exponent.exp(), 0.0)


def make_case(
    p: float,
    *,
    batch: int = 2,
    n: int = 7,
    m: int = 5,
    d: int = 3,
    epsilon: tuple[float, ...] = (0.3, 2.0),
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Case:
    """Draw a case: some coincident points, some zero weights, potentials near those of a solution."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((batch, n, d)), rng.standard_normal((batch, m, d))
    y[:, :2] = x[:, 1:3]
    a, b = rng.uniform(0.1, 1, (batch, n)), rng.uniform(0.1, 1, (batch, m))
    if n > 3:
        a[:, 3] = 0
    b[:, -1] = 0
    f, g = rng.standard_normal((batch, n)), rng.standard_normal((batch, m))
    tensors = [torch.from_numpy(v) for v in (f, g, a / a.sum(1, keepdims=True), b / b.sum(1, keepdims=True))]
    strength = torch.tensor(epsilon[:batch], dtype=torch.float64)
    points = [torch.from_numpy(v).to(dtype) for v in (x, y)]
    return Case(points[0], points[1], p, strength, *tensors)


def close(actual: Any, expected: Any, rtol: float) -> None:
    """Assert equality to a share of the largest entry."""
    actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
    assert actual.shape == expected.shape
    largest = float(expected.abs().amax()) if expected.numel() else 0.0
    np.testing.assert_allclose(actual.double(), expected, rtol=rtol, atol=rtol * max(largest, 1e-300))


def check_geometry(geometry: Geometry, case: Case, *, rtol: float = 1e-12) -> None:
    """Assert everything that the solver, the certificates and the gradients rely on."""
    cost, scale = case.cost, case.epsilon[:, None, None]
    epsilon = beside(case.epsilon, geometry.x)
    assert geometry.shape == tuple(cost.shape)
    for axis, potential, weights in ((1, case.g, case.b), (0, case.f, case.a)):
        h = potential + case.epsilon[:, None] * weights.log()  # −inf where there is no weight
        spread = h[:, None] if axis == 1 else h[..., None]
        direct = -case.epsilon[:, None] * torch.from_numpy(
            logsumexp(((spread - cost) / scale).numpy(), axis=1 + axis)
        )
        close(geometry.softmin(epsilon, beside(h, geometry.x), axis), direct, rtol)
        masked = potential.masked_fill(weights == 0, -torch.inf)
        spread = masked[:, None] if axis == 1 else masked[..., None]
        close(geometry.c_transform(beside(masked, geometry.x), axis), (cost - spread).amin(1 + axis), rtol)
    check_plan(geometry, case, rtol=rtol)


def check_plan(geometry: Geometry, case: Case, *, rtol: float) -> None:
    """Assert what a geometry says about the plan of given potentials."""
    cost, plan = case.cost, case.plan
    state = [beside(each, geometry.x) for each in (case.epsilon, case.f, case.g, case.a, case.b)]
    close(geometry.plan(*state), plan, rtol)
    row_sums, column_sums = geometry.marginals(*state)
    close(row_sums, plan.sum(2), rtol)
    close(column_sums, plan.sum(1), rtol)
    rng = np.random.default_rng(9)
    for axis, matrix in ((1, plan), (0, plan.mT)):
        v = torch.from_numpy(rng.standard_normal((*matrix.shape[::2], 3)))
        close(geometry.apply(*state, beside(v, geometry.x), axis), matrix @ v, rtol)
    close(geometry.linear_cost(*state), (plan * cost).sum((1, 2)), rtol)
    close(geometry.outer_cost(*state[3:]), torch.einsum("bi,bij,bj->b", case.a, cost, case.b), rtol)

    difference = case.x.double()[:, :, None] - case.y.double()[:, None]
    apart = cost > 0
    slope = torch.where(apart, case.p * torch.where(apart, cost, 1.0) ** (1 - 2 / case.p), 0.0)
    pull = (plan * slope)[..., None] * difference
    in_x, in_y = geometry.point_gradients(*state)
    close(in_x, pull.sum(2), rtol)
    close(in_y, -pull.sum(1), rtol)


def check_kernel(geometry: Geometry, case: Case, tol: float, *, rtol: float) -> None:
    """Assert that a kernel multiplies by exp((f + g − C)/ε), −inf in f or g leaving a point out."""
    f, g = case.f.masked_fill(case.a == 0, -torch.inf), case.g.masked_fill(case.b == 0, -torch.inf)
    matrix = ((f[..., None] + g[:, None] - case.cost) / case.epsilon[:, None, None]).exp()
    rng = np.random.default_rng(8)
    v, w = (torch.from_numpy(rng.uniform(0.5, 1, size)) for size in (case.b.shape, case.a.shape))
    state = [beside(each, geometry.x) for each in (case.epsilon, f, g)]
    here_v, here_w, a = (beside(each, geometry.x) for each in (v, w, case.a))
    for kernel in (geometry.kernel(*state, tol), *geometry.kernels(*state, tol)[:1]):
        close(kernel(here_v, 1), (matrix @ v[..., None])[..., 0], rtol)
        close(kernel(here_w, 0), (matrix.mT @ w[..., None])[..., 0], rtol)
        assert kernel(here_v, 1).dtype == here_v.dtype

        direct = (matrix @ v[..., None])[..., 0]
        for divides in (False, True):
            turn = Turn(a, divides=divides)
            sums, back = kernel.through(here_v, turn)
            close(sums, direct, rtol)
            turned = (case.a / direct).masked_fill(case.a == 0, 0.0) if divides else case.a * direct
            close(back, (matrix.mT @ turned[..., None])[..., 0], 3 * rtol)
        gram = kernel.gram(here_w)
        if gram is not None:
            close(gram, matrix.mT @ (w[..., None] * matrix), 3 * rtol)

    keep = torch.tensor([len(case.x) - 1])
    rough = geometry.kernels(*state, tol)[1]
    close(rough(here_v, 1), (matrix @ v[..., None])[..., 0], max(rtol, 2e-2))
    here = beside(keep, geometry.x)
    part = geometry.kernel(*state, tol).take(here)
    close(part(here_v[here], 1), (matrix[keep] @ v[keep][..., None])[..., 0], rtol)
    assert geometry.take(here).shape == (len(keep), *geometry.shape[1:])
