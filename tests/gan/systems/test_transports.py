import logging

import pytest
import torch
from torch import nn

from otgan.gan import OptionError, train
from otgan.gan.systems import SYSTEMS
from otgan.gan.systems.sinkhorn import Sinkhorn
from tests.gan.features.data import SMALL, start


def test_generator_goes_on_from_codes_to_samples():
    system, state = start("digits", features="autoencoder:3+adversarial:4", n_features=2, n_codes=2)
    in_codes, decoder = [], state.nets["generator"].decoder
    for _ in range(6):
        weights = torch.cat([p.detach().flatten() for p in decoder.parameters()])
        rivals = torch.cat([p.detach().flatten() for p in state.nets["features"].parameters()])
        in_codes.append(system.in_codes(state.nets))
        system.step(state.nets, state.optimizers, state.batches)
        after = torch.cat([p.detach().flatten() for p in decoder.parameters()])
        taught = torch.cat([p.detach().flatten() for p in state.nets["features"].parameters()])
        step = len(in_codes)
        assert torch.equal(weights, after) == (step in {3, 4})
        assert torch.equal(rivals, taught) == (step <= 4)
    assert in_codes == [True, True, True, True, False, False]


def test_rows_of_the_data_are_made_once_and_again_for_samples():
    system, state = start("8gaussians", features="autoencoder:2", n_features=1, n_codes=1)
    system.step(state.nets, state.optimizers, state.batches)
    codes = system.data_rows(state.nets, state.batches)
    assert codes.shape == (len(state.batches.points), 2)
    assert system.data_rows(state.nets, state.batches) is codes
    system.step(state.nets, state.optimizers, state.batches)
    assert system.data_rows(state.nets, state.batches) is not codes


def test_an_evaluation_apart_takes_nothing_from_the_training():
    system, state = start("digits", features="autoencoder:2", n_features=1)
    system.step(state.nets, state.optimizers, state.batches)
    before = state.batches.state_dict()
    other = state.batches.apart(7)
    first = [other.real(), other.noise()]
    again = state.batches.apart(7)
    assert all(torch.equal(a, b) for a, b in zip(first, [again.real(), again.noise()], strict=True))
    assert not torch.equal(first[1], state.batches.apart(8).noise())
    after = state.batches.state_dict()
    assert (before["epoch"], before["position"]) == (after["epoch"], after["position"])
    assert torch.equal(before["rng"], after["rng"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_codes": 3}, "n_codes counts steps in the space of codes, and features=samples has none"),
        ({"features": "autoencoder:4+random:5"}, "compares nothing but codes unless n_codes says"),
        ({"features": "wae:4", "batch": 1}, "takes batches of at least 2, got batch=1"),
        ({"features": "autoencoder:4", "n_features": 0}, "n_features must be at least 1"),
        ({"features": "adversarial:1"}, "the size of adversarial must be a number from 2 to"),
    ],
)
@pytest.mark.parametrize("name", ["sinkhorn", "smoothed-ot"])
def test_what_does_not_go_together_is_refused(name, options, message):
    with pytest.raises(OptionError, match=message):
        SYSTEMS[name](**options)


def test_networks_of_the_users_own_stand_where_there_are_no_codes():
    with pytest.raises(OptionError, match="makes its own generator and encoder: with those of your own take"):
        train(
            "sinkhorn",
            "8gaussians",
            1,
            options={**SMALL, "features": "autoencoder:2"},
            modules={"generator": nn.Linear(2, 2)},
        )
    train("sinkhorn", "8gaussians", 1, options=SMALL, modules={"generator": nn.Linear(2, 2)})


@pytest.mark.parametrize("batch", [1, 2, 129])
@pytest.mark.parametrize("size", [1, 2])
def test_batches_and_codes_of_any_size_learn(batch, size):
    options = {"features": f"autoencoder:{size}", "n_features": 2, "batch": batch, "width": 4}
    run = train("sinkhorn", "digits", 3, options={**SMALL, **options})
    assert run.sample(2, seed=0).shape == (2, 1, 8, 8)


def test_a_run_that_ends_before_its_generator_learns_says_so(caplog):
    options = {**SMALL, "features": "autoencoder:2", "n_features": 4}
    with caplog.at_level(logging.WARNING, "otgan"):
        train("sinkhorn", "8gaussians", 4, options=options)
    assert "the generator learns from step 5 on: 4 steps are for what it learns by" in caplog.text
    caplog.clear()
    train("sinkhorn", "8gaussians", 5, options=options)
    assert caplog.text == ""


def test_images_have_other_defaults_where_no_codes_are_compared():
    assert (Sinkhorn.for_data("images").features, Sinkhorn.for_data("images").form) == (
        "autoencoder:32",
        "two-batch",
    )
    for features in (0, 8, "samples+random"):
        system = Sinkhorn.for_data("images", {"features": features})
        assert (system.form, system.epsilon, system.batch) == ("debiased", 1.0, 100)
