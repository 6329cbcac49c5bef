"""Resolutions and channels of convolutional networks."""

import pytest

from otgan.gan.networks import Space
from otgan.gan.networks.resolutions import channels_at, halvings, strides


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ((3, 32, 32), 3),
        ((1, 28, 28), 2),
        ((3, 32, 64), 3),
        ((1, 12, 20), 2),
        ((3, 64, 64), 4),
        ((1, 4, 20), 0),
    ],
)
def test_both_sides_are_halved_while_three_pixels_are_left(shape, times):
    assert halvings(Space(shape)) == times
    assert strides(Space(shape)) == max(times, 2)


def test_channels_double_up_to_eight_times_those_next_to_the_pixels():
    assert [channels_at(16, times) for times in range(6)] == [16, 32, 64, 128, 128, 128]
