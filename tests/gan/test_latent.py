import numpy as np

from otgan.gan import train

POINTS = np.random.default_rng(0).normal(size=(60, 2))


def test_codes_of_samples_become_samples_again():
    run = train("vae", POINTS, 2, options={"batch": 8, "width": 4})
    codes = run.encode(POINTS[:5])
    assert codes.shape == (5, 2)
    assert np.array_equal(run.reconstruct(POINTS[:5]), run.decode(codes))
    assert np.array_equal(run.reconstruct(POINTS[:5], seed=1), run.decode(run.encode(POINTS[:5], seed=1)))
    path = run.traverse(POINTS[0], steps=3)
    moved = np.repeat(codes[:1], 3, 0)
    moved[:, 1] = [-2, 0, 2]
    assert np.allclose(path[1], run.decode(moved), atol=1e-6)
