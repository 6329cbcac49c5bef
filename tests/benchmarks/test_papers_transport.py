"""The cores of what `benchmarks.papers` measures of regularized and penalized transport, on tiny settings."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import otgan
import otgan.gan
from benchmarks.papers import autoencoders, blur, duals, sinkhorn, smoothed_ot, vegan
from benchmarks.papers.checks import Checks
from benchmarks.papers.encoders import Discrete, gan_discrepancy, relaxed, total_variation
from otgan.data import DataError, open_spec
from otgan.gan.losses.ground_cost import ground_cost
from otgan.gan.losses.regularizers import KL, SquaredNorm


@pytest.fixture(scope="module")
def problem():
    return Discrete.draw(0, n=12, k=15, images=9)


def test_a_check_is_judged_by_its_median_and_a_quantity_is_not(capsys):
    checks = Checks("x", quick=True)
    checks.at_most("low", 1, [0.5, 0.9, 7])
    checks.at_least("high", 1, [0.5, 0.9, 7])
    checks.show("beside", [3], floor=2)
    assert [row[-1] for row in checks.rows] == [True, False, None]
    assert checks.rows[2] == ("beside", None, "3", 2, None)
    assert "FAILS  high: required >= 1" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [KL, SquaredNorm])
def test_gradient_errors_fall_with_the_gap_and_stay_below_their_bound(kind):
    found = duals.gradient_errors(kind, 0, (1, 60))
    assert found[1].gap < found[0].gap / 4
    assert all(0 < at.error <= at.bound for at in found)
    assert found[1].error < found[0].error


def test_the_last_layer_has_the_gradient_and_the_curvature_it_says():
    problem = duals.LastLayer.draw(3, n=10, k=4)
    theta = problem.start.clone().requires_grad_()
    density = torch.rand(10, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def cost(at):
        return (density * ground_cost(problem.x, problem.units @ at, 2)).mean()

    (expected,) = torch.autograd.grad(cost(theta), theta)
    torch.testing.assert_close(problem.gradient(density, problem.units @ problem.start), expected)
    # Under a plan whose second marginal is exact, L bounds the Hessian of the cost.
    density = density / density.mean(0)
    hessian = torch.autograd.functional.hessian(cost, problem.start).reshape(8, 8)
    assert torch.linalg.eigvalsh(hessian)[-1] == pytest.approx(problem.curvature())


def test_the_slope_of_a_power_law_is_its_exponent():
    found = [duals.Approximation(1, gap**0.5, 1.0, gap) for gap in (1.0, 0.1, 0.01)]
    assert duals.log_slope(found) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", [KL, SquaredNorm])
def test_the_bias_falls_inside_its_bounds(kind):
    strengths = (0.3, 0.03)
    found = duals.bias(kind, 0, strengths, n=8)
    assert found[0] > found[1]
    for bias, strength in zip(found, strengths, strict=True):
        low, high = duals.bias_bounds(kind, strength, n=8)
        assert low - 1e-7 <= bias <= high + 1e-7


def test_descents_keep_their_guarantee_and_better_duals_come_nearer_to_stationary():
    exact, fine, coarse = (duals.descent(0, enough, 12) for enough in (0.0, 0.01, 1.0))
    for run in (exact, fine, coarse):
        assert run.mean <= run.guarantee
    assert fine.passes > coarse.passes > exact.passes == 0
    assert fine.late == pytest.approx(exact.late, rel=0.2)
    assert coarse.late > 2 * exact.late


def test_transport_is_the_least_cost_over_encoders_with_the_prior_as_their_law(problem):
    for p in (1, 2):
        assert problem.constrained(p) == pytest.approx(problem.transport(p), abs=1e-10)
    # Codes that share a point are one point to transport.
    points, place = np.unique(problem.decoded, axis=0, return_inverse=True)
    assert len(points) == 9
    assert problem.transport(1) == pytest.approx(
        otgan.emd(problem.x, points, problem.a, np.bincount(place.ravel(), problem.b)), abs=1e-12
    )


def test_the_relaxed_optimum_lies_below_and_its_encoder_bounds_from_above(problem):
    exact = problem.transport(1)
    values = []
    for penalty in (0.1, 1.0, 10.0):
        found = relaxed(problem, penalty)
        assert found.lower <= found.upper * (1 + 1e-9)
        assert found.upper - found.lower <= 1e-7 * found.upper
        assert found.upper < exact <= found.cost + problem.between_models(found.codes) + 1e-9
        assert found.codes.sum() == pytest.approx(1)
        values.append(found.upper)
    assert values == sorted(values)
    assert relaxed(problem, 10.0, total_variation).upper == pytest.approx(exact, abs=1e-9)


def test_discrepancies_have_the_values_and_slopes_they_say():
    rng = np.random.default_rng(0)
    q, b = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    grid = np.arange(6)[:, None].astype(float)
    assert gan_discrepancy(q, b)[0].sum() == pytest.approx(2 * otgan.js(grid, grid, q, b))
    assert total_variation(q, b)[0].sum() == pytest.approx(otgan.tv(grid, grid, q, b))
    for discrepancy in (gan_discrepancy, total_variation):
        ahead, behind = (discrepancy(q + h, b)[0] for h in (1e-7, -1e-7))
        np.testing.assert_allclose(discrepancy(q, b)[1], (ahead - behind) / 2e-7, atol=1e-6)


def test_the_adversarial_autoencoder_is_penalized_transport():
    loss, gradient = autoencoders.aae_against_pot(0)
    assert loss <= 1e-13
    assert gradient <= 1e-12


class Slope(nn.Module):
    def forward(self, x):
        return 3 * x[:, 0]


def test_a_critic_over_its_steepest_slope_bounds_from_below():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40, 2))
    y[:, 0] += 2
    bound = autoencoders.critic_bound(Slope(), torch.tensor(y), torch.tensor(x))
    assert 0.5 < bound <= otgan.emd(x, y)
    shifted = autoencoders.critic_bound(Slope(), torch.tensor(x) + torch.tensor([1.5, 0.0]), torch.tensor(x))
    assert shifted == pytest.approx(1.5)  # along its slope the critic is the best one


def small_run(system, steps):
    data = open_spec("8gaussians", 600, dtype=np.float32)
    return otgan.gan.train(system, data, steps, options={**vegan.SHARED, "width": 16})


def test_a_bracket_holds_w1():
    run = small_run("wae-mmd", 5)
    found = autoencoders.enclose(run, 0, 5, n=100)
    assert found.exact > 0
    assert found.lower <= found.exact <= found.upper
    assert found.cost < found.upper
    assert autoencoders.decoder_error(run, n=100) > 0
    modes = run.judge().held_out.modes
    assert autoencoders.far(run, np.vstack([modes.centers, 0 * modes.centers])) == 0.5


def test_the_true_posterior_has_two_equal_modes():
    draws = autoencoders.true_posterior(1.25, n=1000)
    assert (draws > 0).mean() == 0.5
    # |z| is drawn towards 0 by the prior: its mean under the Gaussian factor of one mode.
    assert np.abs(draws).mean() == pytest.approx(1.25 / (1 + autoencoders.NOISE**2), abs=1e-2)
    assert autoencoders.true_density(np.linspace(-6, 6, 2001), 1.25).sum() * 0.006 == pytest.approx(1)


@pytest.mark.parametrize("system", ["vae", "avb"])
def test_encoders_learn_a_decoder_that_is_given(system):
    run = autoencoders.fold_run(system, 0, 3)
    drawn = autoencoders.codes(run, 1.25, n=50)
    assert drawn.shape == (50, 1)
    assert 0 <= autoencoders.rarer_sign(run, 1.25) <= 0.5
    np.testing.assert_allclose(run.decode(drawn), np.abs(drawn) - math.sqrt(2 / math.pi), atol=1e-6)


def test_plain_transport_shrinks_and_the_divergence_does_not():
    plain, debiased = sinkhorn.least_variances(1.0, 0)
    assert plain == pytest.approx(sinkhorn.shrunk(1.0), abs=0.03)
    assert debiased == pytest.approx(1, abs=0.01)


def test_the_figures_are_drawn_from_what_is_measured():
    errors = {kind: [duals.gradient_errors(kind, 0, (1, 2))] for kind in (KL, SquaredNorm)}
    biases = {kind: [duals.bias(kind, 0, smoothed_ot.STRENGTHS)] for kind in (KL, SquaredNorm)}
    descents = [[duals.descent(0, enough, 2)] for enough in smoothed_ot.ACCURACIES]
    run = small_run("vae", 2)
    names = [*(f"smoothed-ot, n_dual {n}" for n in smoothed_ot.N_DUAL), "wgan-gp, n_critic 5"]
    regularized = smoothed_ot.draw(errors, biases, descents, {name: [run] for name in names})
    assert len(regularized.axes) == 4

    variances = np.ones((2, len(sinkhorn.EPSILONS), 1))
    assert len(sinkhorn.draw(variances, {"biased": [run], "debiased": [run]}).axes) == 3

    penalties = vegan.penalized(Discrete.draw(0, n=6, k=6, images=5), vegan.PENALTIES)
    bracket = autoencoders.Bracket(0.5, 0.8, 1.0, 0.2)
    blurred = {name: [run] for name in ("vae", "wae-mmd", "wae-gan")}
    folds = {name: [autoencoders.fold_run(name, 0, 1)] for name in ("vae", "avb")}
    figure = vegan.draw(penalties, [bracket], blurred, folds)
    assert len(figure.axes) == 6
    figure.draw_without_rendering()


def test_sharpness_is_the_variance_of_the_laplacian_and_blind_to_slopes():
    across, down = np.meshgrid(np.arange(8.0), np.arange(8.0))
    slope, wave, board = 3 * across - down, (across % 2) + 0 * down, (across + down) % 2
    # The Laplacian of the wave is ±2, that of the board ±4.
    found = [blur.sharpness(image[None, None]) for image in (slope, wave, board)]
    assert found == pytest.approx([0.0, 4.0, 16.0])


def test_without_images_to_blur_the_program_says_so(monkeypatch, capsys):
    def train(*_, **__):
        raise DataError("mnist is not here")

    monkeypatch.setattr(Checks, "train", train)
    blur.main(["--quick"])
    assert capsys.readouterr().out == "nothing is measured: mnist is not here\n"
