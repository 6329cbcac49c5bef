"""Two batches, near each other."""

import numpy as np
import torch


def clouds(n=24, m=30, d=2, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), 0.7 * rng.normal(size=(m, d)) + 0.4
    return torch.tensor(x), torch.tensor(y)
