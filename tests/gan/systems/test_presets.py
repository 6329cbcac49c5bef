"""What the defaults of several systems have in common are hyperparameters of all of these."""

import dataclasses

import pytest

from otgan.gan.systems import presets
from otgan.gan.systems.sinkhorn import Sinkhorn
from otgan.gan.systems.smoothed_ot import SmoothedOT


@pytest.mark.parametrize("name", presets.__all__)
@pytest.mark.parametrize("system", [Sinkhorn, SmoothedOT])
def test_both_transport_systems_take_them(name, system):
    shared = getattr(presets, name)
    assert set(shared) <= {field.name for field in dataclasses.fields(system)}
    made = system(**shared)
    assert all(getattr(made, option) == value for option, value in shared.items() if option != "features")
    assert str(made.features) == shared.get("features", "samples")
