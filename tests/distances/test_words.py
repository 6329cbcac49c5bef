"""Numbers and lists as sentences show them."""

from otgan.distances.words import listed, number


def test_numbers():
    assert [number(v) for v in (1 / 3, float("inf"), float("-inf"), None)] == ["0.333333", "∞", "−∞", "–"]
    assert number(123.456, 2) == "1.2e+02"


def test_lists_name_everything_once():
    assert listed(["JS"]) == "JS"
    assert listed(["JS", "KL", "JS"]) == "JS and KL"
    assert listed(["JS", "KL", "TV"]) == "JS, KL and TV"
