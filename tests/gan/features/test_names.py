import numpy as np
import pytest

from otgan.gan.errors import OptionError
from otgan.gan.features import FEATURES, FeatureNames
from otgan.gan.systems import SYSTEMS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "samples"),
        ("0", "samples"),
        ("pixels", "samples"),
        ("samples", "samples"),
        (64, "adversarial:64"),
        (np.int64(8), "adversarial:8"),
        ("64", "adversarial:64"),
        ("adversarial", "adversarial:64"),
        ("autoencoder:8 + random", "autoencoder:8+random:256"),
        ("wae:4+samples+adversarial:2", "wae:4+samples+adversarial:2"),
    ],
)
def test_names_in_full(value, expected):
    found = FeatureNames.read("features", value)
    assert found == expected
    assert FeatureNames.read("features", found) == found
    assert [each.name for each in found.maps()] == [part.split(":")[0] for part in expected.split("+")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "vgg",
            "features has no map 'vgg'; there are samples, adversarial:64, lipschitz:16, autoencoder:16, ",
        ),
        ("", "has no map ''"),
        ("random+", "has no map ''"),
        (-1, "has no map '-1'"),
        (True, "takes names of features, got True"),
        (1.5, "takes names of features, got 1.5"),
        (None, "option features needs a value"),
        ("samples:3", "samples takes no size, got 'samples:3'"),
        ("random:0", "the size of random must be a number from 1 to"),
        ("random:x", "the size of random must be a number from 1 to 1048576, got 'x'"),
        ("random:²", "the size of random must be a number from 1 to"),
        ("random+random:3", "names random twice"),
        ("wae+autoencoder", "takes one map that learns first, got wae and autoencoder"),
    ],
)
@pytest.mark.parametrize("system", ["sinkhorn", "smoothed-ot"])
def test_others_are_one_sentence(system, value, message):
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        SYSTEMS[system](features=value)


def test_every_map_is_named_by_itself():
    assert [kind.name for kind in FEATURES.values()] == list(FEATURES)
