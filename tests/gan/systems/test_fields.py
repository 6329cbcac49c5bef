from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import numpy as np
import pytest

from otgan.gan.errors import OptionError
from otgan.gan.systems.fields import Choice, Count, Positive, Rate, Share, Updates, checked


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("64", Count, 64),
        (np.int64(3), Count, 3),
        (4.0, Count, 4),
        ("1e-4", Rate, 1e-4),
        (0, Rate, 0.0),
        (0, Updates, 0),
        (0.0, Share, 0.0),
        ("TRUE", bool, True),
        (np.bool_(False), bool, False),
        ("red", Color, Color.RED),
        ("a", Annotated[str, Choice(("a", "b"))], "a"),
        ("none", Rate | None, None),
        (None, Rate | None, None),
        ("0.5", Rate | None, 0.5),
        ({"x": 1}, Mapping[str, int], {"x": 1}),
    ],
)
def test_values_get_the_type_of_their_field(value, hint, expected):
    found = checked("it", value, hint)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        (0, Count, "it must be at least 1, got 0"),
        (2**31, Count, "it must be less than 2147483648, got 2147483648"),
        (2**31, Updates, "it must be less than 2147483648"),
        (-1, Updates, "it must be a number of updates, or 0 for none, got -1"),
        (-1e-9, Rate, "it must not be negative, got -1e-09"),
        (-1, Rate | None, "it must not be negative, got -1"),
        (1, Share, r"it must be in \[0, 1\), got 1"),
        (0, Positive, "it must be a positive number, got 0"),
        (1e31, Rate, r"it must be between -1e\+30 and 1e\+30, got 1e\+31"),
        (float("nan"), float, "option it takes float, got nan"),
        (True, Count, "option it takes int, got True"),
        (1.5, Count, "option it takes int, got 1.5"),
        ("perhaps", bool, "option it takes bool, got 'perhaps'"),
        (3, str, "option it takes str, got 3"),
        ("green", Color, "it must be one of red, blue, got 'green'"),
        (3, Color, "it must be one of red, blue, got 3"),
        ("c", Annotated[str, Choice(("a", "b"))], "it must be one of a, b, got 'c'"),
        (None, Count, "option it needs a value"),
        ("none", Count, "option it needs a value"),
    ],
)
def test_others_are_one_sentence(value, hint, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        checked("it", value, hint)
