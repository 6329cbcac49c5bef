"""One checker of every invariant of a Transport, and of the forms in which a problem may arrive."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import otgan

Floats = NDArray[np.float64]

SCALARS = ("value", "value_linear", "distance", "lower", "upper", "marginal_error")


def as_array(value: Any) -> Floats:
    """Return a result as a float64 array, whatever it is."""
    return np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value, dtype=np.float64)


def normalized(weights: Any, n: int) -> Floats:
    """Weights of total 1, uniform for None."""
    w = np.ones(n) if weights is None else as_array(weights)
    return w / w.max() / (w / w.max()).sum()


def check_transport(
    t: otgan.Transport, x: Any, y: Any, a: Any = None, b: Any = None, *, rtol: float = 1e-9
) -> None:
    """Assert everything that holds for the solution of one problem, exact or entropic.

    Parameters
    ----------
    rtol : float
        Accuracy relative to the largest cost, beyond what the marginal error explains.
    """
    torch_in = isinstance(x, torch.Tensor)
    _check_kinds(t, torch_in, len(x), len(y))
    x, y = as_array(x), as_array(y)
    x, y = (v[:, None] if v.ndim == 1 else v for v in (x, y))
    mass = tuple(1.0 if w is None else as_array(w).sum() for w in (a, b))
    np.testing.assert_allclose([float(m) for m in t.mass], mass, rtol=1e-6)
    a, b = normalized(a, len(x)), normalized(b, len(y))
    cost = cdist(x, y) ** t.p
    scale = max(cost.max(), np.finfo(float).tiny)
    f, g, plan = as_array(t.f), as_array(t.g), as_array(t.plan)
    value, linear, lower, upper = (float(getattr(t, k)) for k in ("value", "value_linear", "lower", "upper"))
    error = float(t.marginal_error)
    slack = rtol * scale

    assert np.isfinite(f).all()
    assert np.isfinite(g).all()
    np.testing.assert_allclose(a @ f, b @ g, atol=slack)
    assert (plan >= 0).all()
    measured = np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum()
    assert abs(measured - error) <= rtol
    np.testing.assert_allclose((plan * cost).sum(), linear, atol=slack)
    np.testing.assert_allclose(float(t.distance), max(linear, 0) ** (1 / t.p), rtol=1e-6, atol=1e-300)
    assert lower <= upper
    if t.epsilon is None:
        assert value == linear
        assert error <= rtol
        assert lower <= value <= upper
        assert value - lower <= slack
        assert (f[:, None] + g - cost).max() <= slack
        np.testing.assert_allclose(a @ f + b @ g, value, atol=slack)
        assert (np.abs(f[:, None] + g - cost) * (plan > rtol)).max() <= slack  # complementary slackness
    else:
        epsilon = float(t.epsilon)
        with np.errstate(over="ignore"):
            rebuilt = a[:, None] * b * np.exp((f[:, None] + g - cost) / epsilon)
        np.testing.assert_allclose(plan, rebuilt, atol=rtol + 20 * rtol * scale / epsilon)
        np.testing.assert_allclose(
            a @ f + b @ g - epsilon * (plan.sum() - 1), value, atol=slack + epsilon * rtol
        )
    _check_products(t, x, y, plan, rtol)
    _check_dict(t)


def _check_kinds(t: otgan.Transport, torch_in: bool, n: int, m: int) -> None:
    """Types, shapes and immutability."""
    for name in SCALARS:
        value = getattr(t, name)
        assert isinstance(value, torch.Tensor) if torch_in else type(value) is float
        assert np.ndim(value.detach() if torch_in else value) == 0
    for name, shape in (("f", (n,)), ("g", (m,)), ("plan", (n, m))):
        array = getattr(t, name)
        assert isinstance(array, torch.Tensor if torch_in else np.ndarray)
        assert tuple(array.shape) == shape
        if torch_in:
            assert array.dtype == t.value.dtype
            assert not array.requires_grad
        else:
            assert array.dtype == np.float64
            assert not array.flags.writeable
    assert isinstance(t.status, otgan.Status)
    assert t.converged is (t.status is otgan.Status.CONVERGED) or bool(t.converged) == (
        t.status is otgan.Status.CONVERGED
    )
    assert str(t.status) == t.status.name
    assert int(t.iterations) >= 0


def _check_products(t: otgan.Transport, x: Floats, y: Floats, plan: Floats, rtol: float) -> None:
    """apply and the barycentric map are products with the plan."""
    rng = np.random.default_rng(0)
    for axis, matrix in ((1, plan), (0, plan.T)):
        for v in (rng.standard_normal(matrix.shape[1]), rng.standard_normal((matrix.shape[1], 3))):
            np.testing.assert_allclose(as_array(t.apply(v, axis)), matrix @ v, atol=max(rtol, 1e-12) * 10)
    sums = plan.sum(1)
    heavy = sums > 1e-12
    mean = as_array(t.barycentric_map())
    assert mean.shape == x.shape
    spread = np.abs(y).max() + 1
    expected = plan[heavy] @ y / sums[heavy, None]
    np.testing.assert_allclose(mean[heavy], expected, atol=100 * rtol * spread, rtol=1e-5)


def _check_dict(t: otgan.Transport) -> None:
    """to_dict() is strict JSON and says what the attributes say."""
    plain = json.loads(json.dumps(t.to_dict(), allow_nan=False))
    for name in SCALARS:
        assert plain[name] == float(getattr(t, name))
    assert plain["status"] == str(t.status)
    assert plain["backend"] == t.backend
    assert plain["f"] == as_array(t.f).tolist()


def check_batch(
    xs: list[Floats],
    ys: list[Floats],
    a: list[Floats] | None = None,
    b: list[Floats] | None = None,
    *,
    atol: float = 1e-12,
    **options: Any,
) -> otgan.Transport:
    """Assert that a batch, ragged if the sizes differ, gives what a loop over its problems gives."""
    ragged = len({len(x) for x in xs}) > 1 or len({len(y) for y in ys}) > 1
    together = otgan.transport(
        xs if ragged else np.stack(xs),
        ys if ragged else np.stack(ys),
        a if ragged or a is None else np.stack(a),
        b if ragged or b is None else np.stack(b),
        **options,
    )
    assert isinstance(together.status, tuple)
    for k, (x, y) in enumerate(zip(xs, ys, strict=True)):
        alone = otgan.transport(x, y, None if a is None else a[k], None if b is None else b[k], **options)
        assert together.status[k] is alone.status
        assert bool(together.converged[k]) == alone.converged
        for name in (*SCALARS, "f", "g", "plan"):
            np.testing.assert_allclose(
                getattr(together, name)[k], getattr(alone, name), atol=atol, err_msg=name
            )
        np.testing.assert_allclose(together.barycentric_map()[k], alone.barycentric_map(), atol=atol)
    json.dumps(together.to_dict(), allow_nan=False)
    return together


def forms_of(x: Floats) -> dict[str, Any]:
    """Return the same numbers in every form in which float64 samples may arrive."""
    strided = np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2]
    frozen = x.copy()
    frozen.flags.writeable = False
    return {
        "list": x.tolist(),
        "tuple": tuple(map(tuple, x.tolist())),
        "fortran": np.asfortranarray(x),
        "strided": strided,
        "reversed": np.ascontiguousarray(x[::-1])[::-1],
        "read-only": frozen,
        "big-endian": x.astype(">f8"),
        "torch": torch.from_numpy(x),
        "torch-strided": torch.from_numpy(x.T.copy()).mT,
    }
