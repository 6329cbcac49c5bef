import inspect

import pytest

from otgan.gan.systems import SYSTEMS
from otgan.gan.systems.capabilities import Encoding, LikelihoodBound

ENCODING = {"wae-gan", "wae-mmd", "aae", "vae", "avb"}
BOUNDED = {"vae", "avb"}


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_say_what_they_can_do_and_can_do_it(name):
    system = SYSTEMS[name]()
    for found, protocol, having in (
        (system.encoding, Encoding, ENCODING),
        (system.likelihood_bound, LikelihoodBound, BOUNDED),
    ):
        assert (found is not None) == (name in having)
        if found is None:
            continue
        for part, promised in vars(protocol).items():
            if part.startswith("_"):
                continue
            there = getattr(found, part)
            if inspect.isfunction(promised):
                wanted = list(inspect.signature(promised).parameters)[1:]
                assert list(inspect.signature(there).parameters) == wanted
