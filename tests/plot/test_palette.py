"""Colors are told apart, and letters are read."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otgan.plot import palette
from otgan.plot.palette import BLUE, CYCLE, GRAY, GREEN, INK, ORANGE, PAPER, contrast, readable_on

# What red, green and blue become for an eye without red or green cones (Viénot, Brettel and Mollon 1999), of linear light.
BLINDNESS = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


def linear(color):
    values = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(light):
    """Return a color of linear sRGB in the coordinates of CIELAB, whose distances are those that are seen."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ratio = np.array(to_xyz) @ light.clip(0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
def test_colors_are_told_apart_by_color_blind_eyes(blindness):
    seen = np.eye(3) if blindness is None else np.array(BLINDNESS[blindness])
    for one, other in combinations(CYCLE, 2):
        assert np.linalg.norm(lab(seen @ linear(one)) - lab(seen @ linear(other))) > 10, (one, other)


def test_contrasts_are_those_of_the_guidelines():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.005
    )  # the usual example of just too little
    assert contrast("#123456", "#123456") == 1


def test_letters_and_lines_are_read_on_paper():
    assert contrast(INK, PAPER) >= 4.5
    for color in (BLUE, ORANGE, GREEN, GRAY):
        assert contrast(color, PAPER) >= 3


@given(st.integers(0, 0xFFFFFF))
def test_there_are_letters_for_every_ground(number):
    ground = f"#{number:06x}"
    assert contrast(readable_on(ground), ground) >= 4.5


def test_everything_that_is_said_to_be_there_is():
    assert all(hasattr(palette, name) for name in palette.__all__)
