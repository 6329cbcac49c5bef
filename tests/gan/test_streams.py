"""The streams are those of before they had names: equal draws, for every seed."""

import numpy as np
import pytest
import torch

from otgan.gan import train
from otgan.gan.datasets.training_data import TrainingData
from otgan.gan.streams import Stream, seeded
from otgan.gan.systems.gan import GAN
from otgan.gan.systems.vae import VAE
from otgan.gan.training.state import State

CPU = torch.device("cpu")
POINTS = np.random.default_rng(0).normal(size=(60, 2))
SMALL = {"batch": 8, "width": 4, "depth": 1, "latent": 2}

# Seeds of torch's generators by the seed of a run and the number of a stream, as release 0.1 made them.
BEFORE = {
    Stream.WEIGHTS: (7896617691693857887, 2928257276527721483),
    Stream.TRAINING: (2918264622725855778, 5896758501046453172),
    Stream.SAMPLES: (2494635221133837528, 9025417012241738128),
    Stream.CLASSIFIER_WEIGHTS: (6102389744414414618, 6115078806220436902),
    Stream.CLASSIFIER_ORDER: (3656545308831359172, 9029518716393091990),
    Stream.MOMENTS: (3656545308831359172, 9029518716393091990),
    Stream.DIVISIONS: (4625441644015172652, 5460462557673540225),
    Stream.CODES: (71300412144211962, 7007962837068195542),
    Stream.EVALUATION: (5949034261645103510, 7803246205537461390),
}


@pytest.mark.parametrize("stream", BEFORE)
def test_named_streams_are_those_that_had_numbers(stream):
    found = tuple(seeded(CPU, seed, stream).initial_seed() for seed in (0, 12345678901234567890123))
    assert found == BEFORE[stream]


def test_each_epoch_has_its_own_order():
    found = [seeded(CPU, 3, Stream.ORDER, epoch).initial_seed() for epoch in (0, 1, 70000)]
    assert found == [5737856171534892084, 4404663168949438663, 7548101374619269388]


def test_every_stream_is_held():
    since = {Stream.LABELS}  # a generator of NumPy draws by it
    assert {*BEFORE, Stream.ORDER} | since == set(Stream)


def by_number(*key):
    """Return the generator that release 0.1 made of numbers."""
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator("cpu").manual_seed(int(state) >> 1)


def test_training_draws_from_the_streams_of_its_seed():
    """Weights, order and noise of a state, to the bit, by the numbers 0, 1 and 2."""
    data = TrainingData.of(POINTS, 0)
    state = State.start(GAN(**SMALL), data, 5, CPU)
    rng = by_number(5, 0)
    for name in ("generator", "critic"):
        for layer in state.nets[name]:
            if isinstance(layer, torch.nn.Linear):
                gain = 1.0 if layer is [m for m in state.nets[name] if hasattr(m, "weight")][-1] else 2.0
                shape = layer.weight.shape
                expected = torch.randn(shape, generator=rng) * (gain / shape[1]) ** 0.5
                assert torch.equal(layer.weight, expected)
    order = torch.randperm(48, generator=by_number(5, 2, 0))
    assert torch.equal(state.batches.real(), state.batches.points[order[:8]])
    assert torch.equal(state.batches.noise(), torch.randn(8, 2, generator=by_number(5, 1)))


def test_a_model_draws_from_the_streams_of_the_seed_that_it_is_given():
    """Samples by the number 4, codes by 8."""
    run = train(VAE(**SMALL), POINTS, 2, 5)
    noise = torch.randn(7, 2, generator=by_number(9, 4))
    assert np.array_equal(run.sample(7, seed=9), run.decode(noise))
    x = run.in_units(POINTS)
    expected = run.system.encode(run.networks, x, torch.randn(60, 2, generator=by_number(9, 8)))
    assert np.array_equal(run.encode(POINTS, seed=9), expected.detach().numpy())
