"""What a run shows of itself; its page has tests of its own."""

import numpy as np
import pytest

from otgan.gan import RunError, train

SMALL = {"batch": 8, "width": 4, "depth": 1, "latent": 2}


def test_without_a_folder_there_is_no_page():
    points = np.random.default_rng(0).normal(size=(80, 2))
    with pytest.raises(RunError, match="has no folder"):
        train("gan", points, 1, options=SMALL).write_report()


def test_the_course_is_a_figure():
    points = np.random.default_rng(0).normal(size=(80, 2))
    panels = train("gan", points, 3, options=SMALL).plot().axes
    assert panels[0].get_ylabel() == "EM"
    assert panels[-1].get_xlabel() == "generator updates"
