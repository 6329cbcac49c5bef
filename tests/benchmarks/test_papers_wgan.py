"""The cores of what `benchmarks.papers` measures of the Wasserstein GAN papers, on tiny settings."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from benchmarks.papers import __main__ as papers
from benchmarks.papers import (
    architectures,
    figures,
    gan_against_wgan,
    parallel_lines,
    random_architectures,
    value_surfaces,
)
from benchmarks.papers.checks import verdict
from benchmarks.papers.parallel_lines import Estimate
from benchmarks.papers.random_architectures import Architecture, Outcome
from otgan.data.toy import build
from otgan.gan.systems import SYSTEMS


def test_the_programs_are_listed(capsys):
    assert papers.main(["--list"]) == 0
    listed = capsys.readouterr().out.split()
    assert {"parallel_lines", "gan_against_wgan", "architectures", "value_surfaces"} <= set(listed)
    assert "__main__" not in listed


def test_programs_are_handed_on_with_their_options(monkeypatch):
    started = []
    monkeypatch.setattr(papers.benchmarks, "main", lambda argv: started.extend(argv) or 0)
    assert papers.main(["parallel_lines", "--quick"]) == 0
    assert started == ["papers.parallel_lines", "--quick"]


def test_an_unknown_program_is_refused(capsys):
    with pytest.raises(SystemExit):
        papers.main(["no-such"])
    assert "no program no-such; there are" in capsys.readouterr().err


def test_a_verdict_says_so():
    assert verdict("it does.", True) == "Holds: it does."
    assert verdict("it does.", False).startswith("**Does not hold here**")


# Parallel lines


@pytest.mark.parametrize("way", ["draws", "shared draws"])
def test_the_gradient_of_em_is_that_of_its_values(way, monkeypatch):
    monkeypatch.setattr(parallel_lines, "N", 40)
    emd, theta, step = Estimate("emd", way), 0.3, 1e-6
    slope = (emd.value(theta + step, 0) - emd.value(theta - step, 0)) / (2 * step)
    assert emd.gradient(theta, 0) == pytest.approx(slope, abs=1e-6)


def test_divergences_have_no_slope_to_descend():
    assert Estimate("js", "draws").gradient(0.3, 0) == 0
    assert Estimate("tv", "bins").gradient(0.55, 0) == 0
    assert Estimate("js", "bins").gradient(0.1, 0) > 10
    assert math.isnan(Estimate("kl", "draws").gradient(0.3, 0))


def test_only_em_leads_to_the_data(monkeypatch):
    monkeypatch.setattr(parallel_lines, "N", 30)
    arrived = Estimate("emd", "draws").descend(0, steps=60)
    assert abs(arrived[-1]) < 0.05
    assert len(arrived) == 61
    assert Estimate("js", "bins").descend(0, steps=5) == [1.0] * 6
    assert Estimate("kl", "closed form").descend(0) == [1.0]


def test_numbers_as_text():
    shown = [parallel_lines.number(value) for value in (math.nan, math.inf, -1e-9, 0.5)]
    assert shown == ["–", "∞", "0.000", "0.500"]


# A discriminator beside critics


def test_the_derivative_of_a_loss_in_its_points():
    points = torch.linspace(-3, 3, 7)[:, None]
    found = gan_against_wgan.derivative(nn.Flatten(0), lambda d: -softplus(d), points)
    assert torch.allclose(found, points.sigmoid())


def test_the_discriminators_gradient_vanishes_and_the_critics_does_not():
    judges = gan_against_wgan.line_of_judges(0, 150)
    saturating, critic = judges["saturating"], judges["clipped critic"]
    assert saturating.at_fakes[-1] < 0.01 * judges["non-saturating"].at_fakes[-1]
    assert saturating.at_fakes[-1] < 0.1 * saturating.at_fakes[0]
    assert critic.at_fakes[-1] > 0.1 * critic.largest
    assert critic.values[0] > critic.values[-1]
    assert len(critic.steps) == len(critic.at_fakes)


def test_js_on_disjoint_lines_nears_its_ceiling_from_below():
    assert 0.6 < gan_against_wgan.js_on_lines(0, 60) <= math.log(2)


def test_the_clip_holds():
    assert 0.09 < gan_against_wgan.largest_weight(0, 2) <= np.float32(0.1)


# Value surfaces


def test_the_slope_over_layers_is_that_of_the_logarithm():
    assert value_surfaces.slope([math.exp(-2 * k) for k in range(5)]) == pytest.approx(-2)
    assert value_surfaces.slope([0.0, 0.0, 0.0]) == pytest.approx(0, abs=1e-9)


def test_weights_at_the_bound_are_counted():
    assert value_surfaces.at_the_bound(np.array([-0.1, 0.0995, 0.05, 0.0]), 0.1) == 0.5


def test_peaks_are_local_maxima_near_modes():
    first, second = np.meshgrid(value_surfaces.SIDE, value_surfaces.SIDE)
    centers = build("8gaussians").modes.centers
    hills = sum(np.exp(-20 * ((first - a) ** 2 + (second - b) ** 2)) for a, b in centers)
    assert value_surfaces._peaks(hills, "8gaussians") == 8
    assert value_surfaces._peaks(-np.hypot(first, second), "8gaussians") == 0
    assert value_surfaces._peaks(first, "8gaussians") == 0


@pytest.mark.parametrize("rule", [0.01, None])
def test_no_critic_explains_more_than_the_distance(rule, monkeypatch):
    monkeypatch.setattr(value_surfaces, "JUDGED", 100)
    found = value_surfaces.surface("25gaussians", rule, 0, 20)
    assert found.explained <= 1
    assert found.values.shape == (101, 101)
    if rule is not None:
        assert np.abs(found.weights).max() <= np.float32(rule)
        assert found.explained > 0.2


def test_gradients_vanish_in_a_deep_clipped_critic():
    clipped, penalized = (value_surfaces.deep_critic(rule, 0, 2) for rule in (0.01, None))
    assert len(clipped.norms) == 12
    assert abs(value_surfaces.slope(clipped.norms)) > 10 * abs(value_surfaces.slope(penalized.norms))


# Architectures


def fake(frechet, classes):
    found = {
        "classifier_frechet": frechet,
        "classifier_frechet_floor": 4.0,
        "class_tv": 0.2,
        "class_tv_floor": 0.1,
        "classes": classes,
        "classes_total": 10,
    }
    return architectures.Outcome(found, np.zeros((16, 1, 8, 8), np.float32))


def test_claims_about_architectures_are_judged_by_medians():
    outcomes = {
        (kind, system): [
            fake(frechet + k, 10 if system != "wgan" or k else 9) for k, frechet in enumerate(values)
        ]
        for kind in architectures.GENERATORS
        for system, values in {"gan": (30, 30, 30), "wgan": (20, 20, 90), "wgan-gp": (10, 90, 90)}.items()
    }
    said = architectures.verdicts(outcomes)
    assert [words.startswith("Holds") for words in said] == [True, False, True, False, False]
    assert "15 of 18" in said[-1]
    assert architectures.row("DCGAN", "gan", outcomes["DCGAN", "gan"])[3:5] == ("30, 31, 32", 4.0)


@pytest.mark.parametrize("kind", architectures.GENERATORS)
@pytest.mark.parametrize("system", architectures.SYSTEMS)
def test_every_system_can_be_made_as_it_is_asked_for(kind, system, monkeypatch):
    asked = {}

    def train(name, data, steps, seed, *, options, modules, **_):
        asked.update(system=SYSTEMS[name].for_data("small", options), steps=steps, modules=modules)
        raise StopIteration

    monkeypatch.setattr(architectures.otgan.gan, "train", train)
    with pytest.raises(StopIteration):
        architectures.trained(kind, system, 0, 100)
    assert asked["steps"] * asked["system"].n_critic == 100
    assert asked["system"].norm is (kind != "DCGAN without batch norm")
    assert (asked["modules"] is not None) is (kind == "MLP of 4 layers")


def test_the_mlp_makes_digits():
    made = architectures.mlp(0)(torch.zeros(3, architectures.LATENT))
    assert made.shape == (3, 1, 8, 8)


def test_random_architectures_are_always_the_same():
    drawn = random_architectures.draw(24)
    assert drawn == random_architectures.draw(24)
    assert {each.activation for pair in drawn for each in pair} == {"relu", "softplus", "tanh"}
    assert 3 not in {each.depth for pair in drawn for each in pair}


def test_successes_are_shared_out():
    good, bad = Outcome(1.6, 0.2, 8), Outcome(math.nan, math.inf, 0)
    poor = Outcome(1.6, 0.7, 2)
    outcomes = {
        "gan": [good, good, bad, poor],
        "wgan": [bad, bad, bad, bad],
        "wgan-gp": [good, bad, good, good],
    }
    found = {
        name: random_architectures.counts(outcomes, passes)
        for name, passes in random_architectures.THRESHOLDS.items()
    }
    judged = found[random_architectures.JUDGED]
    assert judged == {
        "gan": 2,
        "wgan": 0,
        "wgan-gp": 3,
        "only gan": 1,
        "only wgan-gp": 2,
        "both": 1,
        "neither": 0,
    }
    assert found["W1 below half of the first"]["gan"] == 3
    assert all(words.startswith("Holds") for words in random_architectures.verdicts(found))


def test_a_random_architecture_is_trained_from_its_own_weights():
    pair = (Architecture(1, 16, "tanh"), Architecture(2, 16, "softplus"))
    again = [random_architectures.networks(pair, 0)["critic"][0].weight for _ in range(2)]
    assert torch.equal(*again)
    found = random_architectures.trained("wgan-gp", pair, 0, 2)
    assert found.before > 0.5
    assert found.after != found.before


# Pictures


def test_a_picture_of_samples_is_small_and_repeatable(tmp_path):
    outcomes = {("MLP", "gan"): (np.full((16, 1, 8, 8), 0.5), {"classifier_frechet": 7.0})}
    first, second = (
        figures.save(figures.architectures(outcomes), name, tmp_path).read_bytes() for name in ("a", "b")
    )
    assert first.startswith(b"\x89PNG")
    assert len(first) < 120_000
    assert first == second


def test_runs_that_diverged_are_drawn_at_the_edge():
    figure = figures.random_architectures({"gan": [0.1, math.inf], "wgan": [0.2, 0.3], "wgan-gp": [0.3, 0.1]})
    _, scatter = figure.axes
    x, y = scatter.lines[-1].get_data()
    assert np.isfinite(x).all()
    assert list(y) == [0.3, 0.1]
