import pytest

from otgan.gan import OptionError
from otgan.gan.features.autoencoder import CodeGenerator
from otgan.gan.systems import SYSTEMS
from otgan.gan.systems.coded import Coded
from tests.gan.features.data import start

CODED = [name for name in SYSTEMS if issubclass(SYSTEMS[name], Coded)]


@pytest.mark.parametrize("name", CODED)
def test_the_autoencoder_learns_first_and_then_stays_as_it_is(name):
    system, state = start("digits", name, features="autoencoder:3", n_features=2)
    generator = state.nets["generator"]
    assert isinstance(generator, CodeGenerator)
    assert system.prelude == 2
    moved = []
    for _ in range(4):
        before = [
            [p.detach().clone() for p in net.parameters()] for net in (generator.decoder, generator.codes)
        ]
        system.step(state.nets, state.optimizers, state.batches)
        after = [list(net.parameters()) for net in (generator.decoder, generator.codes)]
        moved.append(
            [
                any(not p.equal(q) for p, q in zip(*pair, strict=True))
                for pair in zip(before, after, strict=True)
            ]
        )
    assert moved == [[True, False]] * 2 + [[False, True]] * 2
    assert system.steps_done(state.nets) == 4


@pytest.mark.parametrize("name", CODED)
def test_images_without_codes_have_defaults_of_their_own(name):
    kind = SYSTEMS[name]
    assert kind.for_data("images").autoencoder is not None
    without = kind.for_data("images", {"features": "samples"})
    assert without.autoencoder is None
    assert without.batch == kind.presets["images without codes"]["batch"]


@pytest.mark.parametrize("name", CODED)
def test_images_in_color_have_no_codes_unless_these_are_asked_for(name):
    kind = SYSTEMS[name]
    assert kind.for_data("color images").autoencoder is None
    assert kind.for_data("color images", {"features": "samples"}).features == "samples"
    plain = kind.for_data("color images")
    assert kind.for_data("color images", {"features": str(plain.features)}) == plain
    coded = kind.for_data("color images", {"features": "autoencoder:64"})
    assert coded == kind.for_data("images", {"features": "autoencoder:64"})


@pytest.mark.parametrize("name", CODED)
def test_batches_that_are_too_small_for_the_autoencoder_are_refused(name):
    with pytest.raises(OptionError, match="takes batches of at least 2, got batch=1"):
        SYSTEMS[name](features="wae:4", batch=1)
