"""
Ten digits, all pairs
=====================

Which of several sets are near each other? The earth mover's distance between all pairs of the ten handwritten digits, as a
heat map in the order of a tree, and the digits as points in the plane; then which of them a test tells apart.
"""

import numpy as np

import otgan

digits = {str(k): otgan.data.load(f"digits:{k}", n=100) for k in range(10)}

# %%
# A DataFrame, since the sets have names. Every pair is measured once, many in one batch.

distances = otgan.pairwise(digits)
print(distances.round(2).to_string())

# %%
# Near digits stand together: 3 and 9 are nearest, 5 and 8 beside them; 0, 4 and 6 stand apart.

figure = otgan.plot.pairwise(distances)

# %%
# Two halves of each digit make twenty sets, of which ten pairs are draws of one population. The level is that of all 190
# tests together.

halves = {
    f"{name}{half}": rows
    for name, points in digits.items()
    for half, rows in zip("ab", np.split(points, 2), strict=True)
}
tests = otgan.pairwise_tests(halves, distance="energy", permutations=4999)
different = tests.different()
same = [f"{name}a {name}b" for name in digits if not different.loc[f"{name}a", f"{name}b"]]
print(tests)
print(f"not told apart, of halves of one digit: {', '.join(same)}")
