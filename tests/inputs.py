"""What tests of distances are given: tensors, weighted clouds that hypothesis draws; and slopes by finite differences."""

import numpy as np
import torch
from hypothesis import strategies as st


def as_tensors(*arrays):
    return [torch.from_numpy(np.array(v)).requires_grad_() for v in arrays]


def finite_differences(function, inputs, step=1e-5):
    """Central differences of a function in every entry of every input, all of them in one batch."""
    count = sum(v.size for v in inputs)
    steps = step * np.concatenate([np.eye(count), -np.eye(count)])
    ends = np.cumsum([v.size for v in inputs])[:-1]
    moved = [
        v + part.reshape(-1, *v.shape) for v, part in zip(inputs, np.split(steps, ends, axis=1), strict=True)
    ]
    values = function(*moved)
    slopes = np.split((values[:count] - values[count:]) / (2 * step), ends)
    return [slope.reshape(v.shape) for slope, v in zip(slopes, inputs, strict=True)]


COORDINATE = st.floats(-100, 100, allow_subnormal=False)


@st.composite
def measures(draw, count, size=5):
    """Draw `count` weighted clouds in one dimension d of 1 to 3."""
    d = draw(st.integers(1, 3))
    point = st.lists(COORDINATE, min_size=d, max_size=d)
    clouds = []
    for _ in range(count):
        n = draw(st.integers(1, size))
        points = np.array(draw(st.lists(point, min_size=n, max_size=n)))
        weights = np.array(draw(st.lists(st.integers(1, 5), min_size=n, max_size=n)), float)
        clouds.append((points, weights))
    return clouds


POWER = st.sampled_from([1, 1.5, 2, 3])
