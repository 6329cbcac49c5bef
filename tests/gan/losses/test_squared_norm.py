import itertools

import numpy as np

from otgan.gan.losses import squared_norm
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.squared_norm import SquaredNorm
from tests.gan.losses.batches import clouds


def test_l2_plan_is_the_solution_of_its_quadratic_program():
    # Optimality conditions of min <P, C> + lam E rho^2: rho = (phi + psi - c)_+ / 2 lam with both marginals; compare
    # with an independent solution by projected alternating corrections (Dykstra) of -C / 2 lam onto the polytope.
    x, y = clouds(6, 7)
    cost, lam = ground_cost(x, y, 2), 0.4
    rho = (-cost / (2 * lam)).numpy()
    correction = np.zeros_like(rho)
    for _ in range(20000):
        rho = rho + (1 - rho.mean(1, keepdims=True))
        rho = rho + (1 - rho.mean(0, keepdims=True))
        raised = rho + correction
        rho = np.maximum(raised, 0)
        correction = raised - rho
    phi, psi = SquaredNorm(lam).solve(x, y, 2, 1e-12)
    found = SquaredNorm(lam).density(phi, psi, cost).numpy()
    assert np.abs(found - rho).max() < 1e-6


def test_newtons_steps_rise_and_end_at_the_tolerance(monkeypatch):
    x, y = clouds(40, 50)
    cost, smoothing, values = ground_cost(x, y, 2), SquaredNorm(0.05), []
    real = squared_norm._rising

    def rising(at, after):
        values.append((float(at.value), float(after.value)))
        return real(at, after)

    monkeypatch.setattr(squared_norm, "_rising", rising)
    for tol in (1e-2, 1e-10):
        values.clear()
        density = smoothing.density(*smoothing.solve(x, y, 2, tol), cost)
        assert float((density.mean(0) - 1).abs().mean() + (density.mean(1) - 1).abs().mean()) <= tol
        taken = [after for (_, after), (at, _) in itertools.pairwise(values) if at == after]
        assert taken == sorted(taken)
        assert 0 < len(values) < 60


def test_a_step_that_would_fall_is_not_taken(monkeypatch):
    """With the damping of an undamped method the first steps overshoot: they are tried again with more of it."""
    x, y = clouds(40, 50)
    tried = []
    real = squared_norm._newton_step
    monkeypatch.setattr(squared_norm, "_TUNING", squared_norm._Tuning(damping=1e-9))
    monkeypatch.setattr(
        squared_norm, "_newton_step", lambda *given: (tried.append(given[2]), real(*given))[1]
    )
    phi, psi = SquaredNorm(0.01).solve(x, y, 2, 1e-10)
    assert len(tried) > 1
    density = SquaredNorm(0.01).density(phi, psi, ground_cost(x, y, 2))
    assert np.abs(density.mean(0).numpy() - 1).max() < 1e-8
    assert max(tried) > 1e-9
