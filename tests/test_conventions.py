"""Each row of the table of conversions in docs/choose.md, held to the library that it names."""

import geomloss
import geomloss.ot
import numpy as np
import ot
import pytest
import torch

import otgan

EPSILON, BLUR = 0.5, 0.4
POT = {"max_iter": 100_000, "tol": 1e-12}


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(50, 2)) + 1
    return x, y


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(1)
    return tuple(w / w.sum() for w in (rng.uniform(0.5, 1.5, 40), rng.uniform(0.5, 1.5, 50)))


@pytest.fixture(scope="module")
def ours(sets, weights):
    return otgan.transport(*sets, *weights, epsilon=EPSILON, tol=1e-11)


def entropies(a, b):
    return -(a @ np.log(a) + b @ np.log(b))


def as_torch(arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_pot_exact(sets, weights):
    theirs = ot.emd2(*weights, ot.dist(*sets))
    assert otgan.transport(*sets, *weights).value == pytest.approx(theirs, rel=1e-12)
    assert otgan.emd(*sets, *weights, p=2) == pytest.approx(theirs**0.5, rel=1e-12)


def test_pot_solve_sample(sets, weights, ours):
    theirs = ot.solve_sample(*sets, *weights, reg=EPSILON, **POT)
    np.testing.assert_allclose(ours.plan, theirs.plan, atol=1e-11)
    assert ours.value == pytest.approx(theirs.value, abs=1e-9)
    assert ours.value_linear == pytest.approx(theirs.value_linear, abs=1e-9)


def test_pot_solve_with_the_entropy(sets, weights, ours):
    theirs = ot.solve(ot.dist(*sets), *weights, reg=EPSILON, reg_type="entropy", **POT)
    np.testing.assert_allclose(ours.plan, theirs.plan, atol=1e-11)
    assert ours.value - EPSILON * entropies(*weights) == pytest.approx(theirs.value, abs=1e-9)


def test_pot_sinkhorn2(sets, weights, ours):
    theirs = ot.sinkhorn2(*weights, ot.dist(*sets), EPSILON, numItermax=100_000, stopThr=1e-12)
    assert ours.value_linear == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("debias", [True, False])
def test_geomloss_samples_loss(sets, weights, p, debias):
    (x, y), (a, b) = as_torch(sets), as_torch(weights)
    loss = geomloss.SamplesLoss(
        "sinkhorn", p=p, blur=BLUR, scaling=0.999, debias=debias, backend="tensorized"
    )
    function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
    assert function(x, y, a, b, p=p, blur=BLUR).item() == pytest.approx(p * loss(a, x, b, y).item(), rel=2e-4)


def test_pot_unbalanced(sets, weights):
    a, b = weights[0], 1.5 * weights[1]
    theirs = ot.solve_sample(*sets, a, b, reg=EPSILON, unbalanced=2.0, **POT)
    ours = otgan.transport(*sets, a, b, epsilon=EPSILON, reach=1.0, tol=1e-10)
    np.testing.assert_allclose(ours.plan, theirs.plan, atol=1e-9)


@pytest.mark.parametrize("p", [1, 2])
def test_geomloss_unbalanced(sets, weights, p):
    (x, y), (a, b) = as_torch(sets), as_torch((weights[0], 1.5 * weights[1]))
    loss = geomloss.SamplesLoss("sinkhorn", p=p, blur=BLUR, reach=1.0, scaling=0.99, backend="tensorized")
    ours = otgan.sinkhorn_divergence(x, y, a, b, p=p, blur=BLUR, reach=1.0)
    assert ours.item() == pytest.approx(p * loss(a, x, b, y).item(), rel=1e-3)


@pytest.mark.parametrize("strength", [{"reg": EPSILON}, {"blur": BLUR}])
@pytest.mark.parametrize("debias", [True, False])
def test_geomloss_solve_sample(sets, weights, strength, debias):
    theirs = geomloss.ot.solve_sample(*sets, *weights, debias=debias, max_iter=400, **strength)
    function = otgan.sinkhorn_divergence if debias else otgan.sinkhorn
    ours = function(*sets, *weights, epsilon=strength.get("reg"), blur=strength.get("blur"))
    assert ours == pytest.approx(float(theirs.value), rel=1e-4)


def test_ott(sets, weights, ours):
    jax = pytest.importorskip("jax", reason="needs OTT-JAX: pip install otgan[bench]")
    pytest.importorskip("ott", reason="needs OTT-JAX: pip install otgan[bench]")
    from ott.geometry.pointcloud import PointCloud
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn

    with jax.enable_x64(True):
        problem = LinearProblem(PointCloud(*sets, epsilon=EPSILON), *weights)
        theirs = Sinkhorn(threshold=1e-11, max_iterations=20_000)(problem)
        assert ours.value == pytest.approx(float(theirs.reg_ot_cost), abs=1e-9)
        assert ours.value_linear == pytest.approx(float(theirs.primal_cost), abs=1e-9)
        assert ours.value - EPSILON * entropies(*weights) == pytest.approx(
            float(theirs.ent_reg_cost), abs=1e-9
        )


def test_ott_defaults(sets):
    jax = pytest.importorskip("jax", reason="needs OTT-JAX: pip install otgan[bench]")
    pytest.importorskip("ott", reason="needs OTT-JAX: pip install otgan[bench]")
    from ott.geometry.pointcloud import PointCloud

    with jax.enable_x64(True):
        by_mean = float(PointCloud(*sets, epsilon=0.05, relative_epsilon="mean").epsilon)
        by_default = float(PointCloud(*sets).epsilon)
    default = otgan.sinkhorn(*sets, tol=1e-10)
    assert otgan.sinkhorn(*sets, epsilon=by_mean, tol=1e-10) == pytest.approx(default, rel=1e-10)
    assert by_default == pytest.approx(0.05 * ot.dist(*sets).std(), rel=1e-10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="FlashSinkhorn needs a CUDA device")
@pytest.mark.parametrize("half_cost", [True, False])
def test_flash_sinkhorn(sets, weights, half_cost):
    flash = pytest.importorskip("flash_sinkhorn", reason="needs FlashSinkhorn: pip install otgan[flash]")
    x, y, a, b = (array.cuda().float() for array in as_torch((*sets, *weights)))
    options = {"blur": BLUR, "debias": True, "half_cost": half_cost, "scaling": 0.99, "allow_tf32": False}
    theirs = flash.SamplesLoss("sinkhorn", **options)(a, x, b, y).item()
    strength = {"blur": BLUR} if half_cost else {"epsilon": BLUR**2}
    factor = 2 if half_cost else 1
    assert otgan.sinkhorn_divergence(x, y, a, b, **strength).item() == pytest.approx(
        factor * theirs, rel=1e-3
    )
