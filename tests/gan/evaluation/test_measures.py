"""The numbers of an evaluation: every one that is named is one that a judge finds."""

from otgan.gan import train
from otgan.gan.evaluation.measures import MEASURES

SMALL = {"batch": 8, "width": 4, "depth": 1, "latent": 2}


def test_every_name_is_found_by_a_judge_with_its_floor():
    points = train("gan", "8gaussians", 1, options=SMALL).evaluate(n=50)
    images = train("gan", "digits", 1, options=SMALL, conditional=True).evaluate(n=50)
    assessed = train("smoothed-ot", "8gaussians", 1, options=SMALL).history[-1]["evaluation"]
    for each in MEASURES:
        if each.name in {"gap", "gradient_error_bound"}:  # of the training, not of samples
            assert each.name in assessed
            continue
        assert {each.name, f"{each.name}_floor"} <= set(points) | set(images), each.name
    assert len({each.name for each in MEASURES}) == len(MEASURES)
