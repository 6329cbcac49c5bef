"""References that prove themselves: an interval that holds the least transport cost, however well a solver did.

HiGHS meets constraints to 1e-7 only, and which of the vertices within that it ends at is up to rounding. So nothing
that it says is believed: it proposes, and what is proposed is made feasible.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Floats = NDArray[np.float64]


def enclosure(cost: Floats, a: Floats, b: Floats, plan: Floats, f: Floats) -> tuple[float, float]:
    """Return a lower and an upper bound of min <P, C> over plans with marginals a and b.

    Below is the value of potentials made feasible from `f`, above the cost of `plan` once it is given the marginals;
    both are widened by the rounding of their sums. They are near each other where plan and f are nearly optimal.
    """
    g = (cost - f[:, None]).min(0)
    f = (cost - g).min(1)

    least = np.finfo(float).tiny
    plan = np.maximum(plan, 0.0)
    plan = plan * np.minimum(1.0, a / np.maximum(plan.sum(1), least))[:, None]
    plan = plan * np.minimum(1.0, b / np.maximum(plan.sum(0), least))
    missing_a, missing_b = np.maximum(a - plan.sum(1), 0.0), np.maximum(b - plan.sum(0), 0.0)
    if missing_a.sum() > 0:
        plan = plan + np.outer(missing_a, missing_b) / missing_a.sum()

    rounding = 4 * np.finfo(float).eps * sum(cost.shape) * (np.abs(f).max() + np.abs(g).max() + cost.max())
    return float(a @ f + b @ g) - rounding, float((plan * cost).sum()) + rounding


def least_cost(cost: Floats, a: Floats, b: Floats) -> tuple[float, float]:
    """Enclose min <P, C> by what HiGHS makes of the linear program."""
    n, m = cost.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    solved = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([a, b]))
    assert solved.success, solved.message
    assert solved.x is not None
    lower, upper = enclosure(cost, a, b, solved.x.reshape(n, m), solved.eqlin.marginals[:n])
    assert upper - lower <= 1e-6 * upper
    return lower, upper
