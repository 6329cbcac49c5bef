import pytest

from otgan.gan.networks import Kind, Space


@pytest.mark.parametrize(
    ("shape", "dim", "kind"),
    [
        ((5,), 5, Kind.POINTS),
        ((784,), 784, Kind.POINTS),
        ((1, 16, 16), 256, Kind.SMALL),
        ((1, 16, 17), 272, Kind.IMAGES),
        ((3, 32, 32), 3072, Kind.COLOR),
    ],
)
def test_kinds_of_data(shape, dim, kind):
    assert (Space(shape).dim, Space(shape).kind) == (dim, kind)
