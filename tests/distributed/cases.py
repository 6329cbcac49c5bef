"""What ranks of a group compute in the tests, and the same by one process."""

import contextlib
import math
import os
import tempfile
import time

import numpy as np
import torch
import torch.distributed as dist

import otgan
import otgan.distances.splits
import otgan.distributed.ranks
import otgan.distributed.search
import otgan.inference.table
from otgan.mistakes import OtganError
from tests.distributed import shards as of_shards

N, M, D = 90, 71, 3


def inputs():
    """Two clouds with weights, the same in every process."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(N, D)), 1.2 * rng.normal(size=(M, D)) + 0.5
    a, b = rng.uniform(0.2, 1.0, N), rng.uniform(0.2, 1.0, M)
    return x, y, a, b


def rows_of(rank, size):
    """The rows of x and of y of a rank: uneven ones, of x none on the second of many, of y none on the first of several."""
    cuts = [0, *np.cumsum([N // 3, *[0, *[7] * (size - 3)][: size - 2]]), N] if size > 1 else [0, N]
    own = np.arange(cuts[rank], cuts[rank + 1])
    others = np.array_split(np.arange(M), max(1, size - 1))
    return own, np.arange(M) if size == 1 else (np.arange(0) if rank == 0 else others[rank - 1])


def cityblock_by_numpy(u, v):
    """A cost that is a function."""
    return np.abs(u[:, None] - v[None]).sum(2)


VALUES = {
    "squared": {"epsilon": 0.5},
    "default": {},
    "p1": {"p": 1, "epsilon": 0.3},
    "reach": {"reach": 1.5, "epsilon": 0.5},
    "dense": {"epsilon": 0.2, "backend": "dense"},
    "streamed": {"epsilon": 0.2, "backend": "streamed", "tol": 1e-5},
    "newton": {"epsilon": 0.01, "backend": "dense", "tol": 1e-9},
    "cityblock": {"cost": "cityblock", "epsilon": 1.0},
    "cosine": {"cost": "cosine", "epsilon": 0.2},
    "function": {"cost": cityblock_by_numpy, "p": 1, "epsilon": 0.5},
    "diffuse": {"epsilon": 1e4},
}
"""Options of calls whose values are compared."""

BY_FOUR = ("squared", "function")
"""Those that four ranks solve too: what is told takes the most time where they share a processor."""

SPLIT = {"sinkhorn_divergence": {}, "emd": {"p": 2}, "energy": {}, "tv": {"time_limit": 60.0}}
"""Tests whose splits are shared out: in batches, by one product, and one by one."""

SAME_STEPS = {"epsilon": 0.5, "backend": "streamed", "tol": 1e-9}
"""Those of a solve that takes the same steps on one process and on several: no kernel solves it whole, or in float32."""


def group_of_two(rank):
    """The group of the first two ranks, which all ranks must make."""
    pair = dist.new_group([0, 1])
    return pair if rank < 2 else None


def value(name, rank, size, group):
    """A divergence on the rows of a rank; of the default case OT_ε, without weights."""
    x, y, a, b = inputs()
    of_x, of_y = rows_of(rank, size)
    if name == "p1":  # all of x on one rank
        of_x = np.arange(N) if rank == size - 1 else np.arange(0)
    weighted = name != "default"
    weights = (a[of_x], b[of_y]) if weighted else (None, None)
    function = otgan.sinkhorn_divergence if weighted else otgan.sinkhorn
    return function(x[of_x], y[of_y], *weights, group=group, **VALUES[name])


def solution(dtype, rank, size, group, **options):
    """Everything that a transport of tensors has, on the rows of a rank."""
    whole = [torch.tensor(each, dtype=dtype if each.ndim > 1 else torch.float64) for each in inputs()]
    of_x, of_y = rows_of(rank, size)
    x, y, a, b = (
        each[rows].requires_grad_() for each, rows in zip(whole, (of_x, of_y, of_x, of_y), strict=True)
    )
    found = otgan.transport(x, y, a, b, group=group, **options)
    (2.0 * found.value).backward()
    numbers = {
        "value": found.value,
        "linear": found.value_linear,
        "f": found.f,
        "g": found.g,
        "lower": found.lower,
        "upper": found.upper,
        "error": found.marginal_error,
        "plan": found.plan,
        "map": found.barycentric_map(),
        "product": found.apply(y.detach()),
        "product of x": found.apply(x.detach()[:, 0], axis=0),
        "x": x.grad,
        "y": y.grad,
        "a": a.grad,
        "b": b.grad,
    }
    plain = {name: number.detach().double().numpy() for name, number in numbers.items()}
    return plain | {
        "status": str(found.status),
        "iterations": int(found.iterations),
        "backend": found.backend,
    }


def loss_gradient(rank, size, group):
    """Gradients of a generator under DistributedDataParallel with the loss of the batch of all ranks."""
    x, y, _, _ = inputs()
    of_x, of_y = rows_of(rank, size)
    torch.manual_seed(3)
    generator = torch.nn.Linear(D, D).double()
    loss = otgan.SinkhornLoss(p=2, blur=0.5, group=group)
    model = (
        generator if size == 1 else torch.nn.parallel.DistributedDataParallel(generator, process_group=group)
    )
    # DistributedDataParallel averages what the ranks have, of which the gradient is the sum.
    (size * loss(model(torch.tensor(x[of_x])), torch.tensor(y[of_y]))).backward()
    return generator.weight.grad.numpy()


class Shift(torch.nn.Module):
    """A cost with a parameter."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.3, dtype=torch.float64))

    def forward(self, u, v):
        return self.scale * torch.cdist(u, v, p=1.0)


def parameter_gradient(rank, size, group):
    """The gradient in the parameter of a cost."""
    x, y, a, b = (torch.tensor(each) for each in inputs())
    of_x, of_y = rows_of(rank, size)
    cost = Shift()
    otgan.sinkhorn(x[of_x], y[of_y], a[of_x], b[of_y], cost=cost, epsilon=0.3, group=group).backward()
    return float(cost.scale.grad)


def precomputed(rank, size, group):
    """Costs that are given, of which a rank has rows."""
    x, y, a, b = inputs()
    of_x, _ = rows_of(rank, size)
    matrices = [((u[:, None] - v[None]) ** 2).sum(2) for u, v in ((x, y), (x, x), (y, y))]
    cross = torch.tensor(matrices[0][of_x]).requires_grad_()
    found = otgan.transport(
        cross, a=torch.tensor(a[of_x]), b=torch.tensor(b), cost="precomputed", epsilon=0.4, group=group
    )
    found.value.backward()
    divergence = otgan.sinkhorn_divergence(
        (matrices[0][of_x], matrices[1][of_x], matrices[2]),
        a=a[of_x],
        b=b,
        cost="precomputed",
        epsilon=0.4,
        group=group,
    )
    return {
        "value": found.value.item(),
        "f": found.f.detach().numpy(),
        "g": found.g.detach().numpy(),
        "gradient": cross.grad.numpy(),
        "product": found.apply(torch.tensor(y)).numpy(),
        "divergence": divergence,
    }


def batch(rank, size, group):
    """A batch of three problems, two points of which have no weight, and one of which is far from the others."""
    x, y, a, _ = inputs()
    of_x, of_y = rows_of(rank, size)
    stack = np.stack([x, 1.5 * x, x + 40.0])
    weights = np.stack([a, a * (np.arange(N) != 40), a])
    found = otgan.transport(
        stack[:, of_x], np.stack([y] * 3)[:, of_y], weights[:, of_x], epsilon=[0.5, 1.0, 2.0], group=group
    )
    return {"value": found.value, "f": found.f, "g": found.g, "lower": found.lower, "upper": found.upper}


def continued(rank, size, group):
    """A solve from the potentials of another one."""
    x, y, _, _ = inputs()
    of_x, of_y = rows_of(rank, size)
    first = otgan.transport(x[of_x], y[of_y], epsilon=0.3, group=group)
    again = otgan.transport(x[of_x], y[of_y], epsilon=0.3, init=first, group=group)
    return {"value": again.value, "fewer": bool(again.iterations < first.iterations)}


@contextlib.contextmanager
def small(entries):
    """Share problems that have more costs than this."""
    ranks, search = otgan.distributed.ranks, otgan.distributed.search
    limits = [
        (ranks, "_SMALL"),
        (ranks, "_FEWEST"),
        (search, "_SMALL"),
        (search, "_SMALL_PART"),
        (search, "_FEWEST"),
    ]
    before = [getattr(*limit) for limit in limits]
    for limit in limits:
        setattr(*limit, 1 if limit[1] == "_FEWEST" else entries)
    try:
        yield
    finally:
        for limit, value in zip(limits, before, strict=True):
            setattr(*limit, value)


def everything(rank, size, group):
    """Results of all cases on the rows of a rank."""
    return {
        **{name: value(name, rank, size, group) for name in VALUES},
        "same steps": solution(torch.float64, rank, size, group, **SAME_STEPS),
        "tight": solution(torch.float64, rank, size, group, epsilon=0.5, tol=1e-11),
        "single": solution(torch.float32, rank, size, group, epsilon=0.5),
        "unbalanced": solution(torch.float64, rank, size, group, epsilon=0.5, reach=1.0, tol=1e-11),
        "loss": loss_gradient(rank, size, group),
        "parameter": parameter_gradient(rank, size, group),
        "precomputed": precomputed(rank, size, group),
        "batch": batch(rank, size, group),
        "continued": continued(rank, size, group),
    }


def raised(call):
    """The class and the text of what a call raises."""
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error)
    return None


def mistakes(rank, size, group):
    """What every rank raises where one of them, or a pair of them, makes a mistake."""
    x, y, a, _ = inputs()
    of_x, of_y = rows_of(rank, size)
    x, y, a, last = x[of_x], y[of_y], a[of_x], rank == size - 1
    broken = np.where(np.arange(len(x))[:, None] == 2, math.nan, x) if last else x

    def fails(u, v):
        if last and len(u) < N:
            raise ValueError("this cost is broken")
        return np.abs(u[:, None] - v[None]).sum(2)

    calls = {
        "nan": lambda: otgan.sinkhorn(broken, y, group=group),
        "word": lambda: otgan.sinkhorn("x" if last else x, y, group=group),
        "epsilon": lambda: otgan.sinkhorn(x, y, epsilon=0.2 if last else 0.1, group=group),
        "function": lambda: (otgan.sinkhorn_divergence if last else otgan.sinkhorn)(x, y, group=group),
        "cost": lambda: otgan.sinkhorn(x, y, cost=fails, group=group),
        "dimension": lambda: otgan.sinkhorn(x[:, :2] if last else x, y, group=group),
        "weights": lambda: otgan.sinkhorn(x, y, None if last else a, group=group),
        "misaligned": lambda: otgan.sinkhorn(x, y, a[:-1] if last else a, group=group),
        "library": lambda: otgan.sinkhorn(torch.tensor(x) if last else x, y, group=group),
        "negative": lambda: otgan.sinkhorn(x, y, -a if last else a, group=group),
        "backend": lambda: otgan.sinkhorn(x, y, backend="nothing", group=group),
        "list": lambda: otgan.sinkhorn([x, x], [y, y], group=group),
        "product": lambda: otgan.transport(x, y, epsilon=1.0, group=group).apply(np.ones((len(y), 2 + last))),
    }
    found = {name: raised(call) for name, call in calls.items()}
    # The group is as it was.
    return found | {"after": otgan.sinkhorn(x, y, epsilon=0.5, group=group)}


def refused(rank, size, group):
    """What a result of a group does not have."""
    x, y, _, _ = inputs()
    of_x, of_y = rows_of(rank, size)
    points = torch.tensor(x[of_x]).requires_grad_()
    found = otgan.transport(points, torch.tensor(y[of_y]), epsilon=0.5, group=group)
    (gradient,) = torch.autograd.grad(found.value, points, create_graph=True)
    return {
        "second derivative": raised(lambda: gradient.square().sum().backward()),
        "plot": raised(found.plot),
        "shown": repr(found),
    }


def settled(rank, size):
    """Numbers that differ in their last bit become those of the first rank, before anything is computed from them."""
    from otgan.distributed.ranks import Ranks

    ranks = Ranks(dist.group.WORLD, torch.device("cpu"))
    own = np.full(3, 1.0 + rank * 2.0**-52)
    found, _ = ranks.together("a step", lambda v: v.copy(), own)
    product, _ = ranks.product(
        "a product", lambda v: (v[:, :1], None), own[None], counts=[1] * size, columns=None
    )
    return np.concatenate([found, product[0]])


def outsider(rank, pair):
    """What a rank is told that asks for a group that it is not in."""
    if rank < 2:
        return None
    group = pair if pair is not None else dist.GroupMember.NON_GROUP_MEMBER
    return raised(lambda: otgan.sinkhorn([0.0], [1.0], epsilon=1.0, group=group))


def out_of_time(rank, size, group):
    """A solve whose time is over, at the same step for all."""
    x, y, _, _ = inputs()
    of_x, of_y = rows_of(rank, size)
    found = otgan.transport(
        x[of_x], y[of_y], epsilon=0.01, tol=1e-12, time_limit=0.02, on_failure="ignore", group=group
    )
    return str(found.status), found.value, int(found.iterations), float(found.lower), float(found.upper)


def warm():
    """Load what is compiled, before processes are forked that need it; no gradients, whose threads survive no fork."""
    with torch.no_grad():
        for name in VALUES:
            value(name, 0, 1, None)
        x, y, _, _ = (torch.tensor(each) for each in inputs())
        for options in ({"reach": 1.0}, {"backend": "streamed"}, {"tol": 1e-11}):
            found = otgan.transport(x, y, epsilon=0.5, **options)
            assert found.lower <= found.upper
            found.apply(y)


def all_cases(rank, size):
    """Some cases by the group of all ranks, and all by that of the first two."""
    pair = group_of_two(rank)
    found = {}
    with small(0):
        found[size] = {name: value(name, rank, size, "world") for name in BY_FOUR}
        found[size]["same steps"] = solution(torch.float64, rank, size, True, **SAME_STEPS)
        if pair is not None:
            found[2] = everything(rank, 2, pair)
        elif rank == size - 1:  # which would have nothing to do meanwhile
            found["pairs of one"] = pairs(0, 1, None)
            found["tests of one"] = permuted(0, 1, None)
            found[1] = everything(0, 1, None) | {"first": solution(torch.float64, 0, 1, None, epsilon=0.2)}
        found["mistakes"] = mistakes(rank, size, True)
        found["time"] = out_of_time(rank, size, True)
        if pair is not None:
            found["refused"] = refused(rank, 2, pair)
        found["pairs"] = pairs(rank, size, True, tempfile.mkdtemp())
        found["tests"] = permuted(rank, size, True, tempfile.mkdtemp())
        found["settled"], found["outsider"] = settled(rank, size), outsider(rank, pair)
    found["first"] = solution(torch.float64, rank, size, True, epsilon=0.2)
    found["first batch"] = batch(rank, size, True)
    found["sent"] = sent(rank, size)
    return found


def shards(rank, size):
    """Sets that ranks share row by row."""
    return of_shards.shared(rank, size, os.environ["OTGAN_TEST_SHARDS"])


def pairs(rank, size, group, folder=None):
    """Distances between all pairs of sets, and what a rank with other sets makes of it."""
    rng = np.random.default_rng(1)
    sets = [rng.normal(size=(8 + k, 2)) for k in range(7)]
    otgan.inference.table._MOST, before = 2, otgan.inference.table._MOST
    try:
        found = {
            "mirrored": otgan.pairwise(sets, group=group),
            "others": otgan.pairwise(sets[:3], sets, distance="kl:knn", group=group),
            "stored": otgan.pairwise(sets, p=2, store=folder and f"{folder}/{rank}.db", group=group),
            "again": otgan.pairwise(sets, p=2, store=folder and f"{folder}/{rank}.db", group=group),
        }
        apart = sets if rank != size - 1 else sets[::-1]
        return found | {"raised": raised(lambda: otgan.pairwise(apart, group=group))}
    finally:
        otgan.inference.table._MOST = before


def permuted(rank, size, group, folder=None):
    """Tests whose splits, or whose pairs of sets, are shared out, and what a rank with other sets makes of them."""
    rng = np.random.default_rng(2)
    sets = [rng.normal(size=(12 + k, 2)) + 0.2 * k for k in range(4)]
    otgan.distances.splits._SPLITS, before = 8, otgan.distances.splits._SPLITS
    try:
        splits = {
            name: otgan.two_sample_test(
                *sets[:2], distance=name, permutations=61, seed=5, group=group, **options
            )
            for name, options in SPLIT.items()
        }
        pairs = [
            otgan.pairwise_tests(
                sets,
                distance="emd",
                permutations=19,
                seed=3,
                store=folder and f"{folder}/{rank}-tests.db",
                group=group,
            )
            for _ in range(2)
        ]
        apart = sets[rank == size - 1 : 2 + (rank == size - 1)]
        return {
            "splits": {name: (each.p_value, each.null, each.value) for name, each in splits.items()},
            "pairs": [(each.distances, each.p_values, each.adjusted, each.effects) for each in pairs],
            "raised": [
                raised(lambda: otgan.two_sample_test(*apart, distance="emd", permutations=9, group=group)),
                raised(lambda: otgan.pairwise_tests(apart, distance="emd", permutations=9, group=group)),
            ],
        }
    finally:
        otgan.distances.splits._SPLITS = before


def sent(rank, size):
    """Bytes that a rank sends for a pass, a product over x, and what there is of a pass beyond its numbers."""
    from otgan.distributed.ranks import Ranks
    from otgan.geometry.kernel import Turn

    x, y, a, b = inputs()
    ranks = Ranks(dist.group.WORLD, torch.device("cpu"))
    with small(0):
        geometry = ranks.geometry("streamed", x[None], y[None], otgan.costs.resolve("euclidean", 2, 2))
    kernel = geometry.kernel(np.ones(1), np.zeros((1, N)), np.zeros((1, M)), 1e-6)
    before = ranks.sent
    kernel.through(b[None], Turn(a[None], divides=True))
    return ranks.sent - before


def one_dies(rank, size):
    """A rank that ends in the middle of a solve."""
    return _lost(rank, lambda: os._exit(3))


def one_hangs(rank, size):
    """A rank that stops in the middle of a solve."""
    return _lost(rank, lambda: time.sleep(60))


def one_stays_away(rank, size):
    """A rank that never calls."""
    if rank == 1:
        time.sleep(60)
    return _told(rank)


def _lost(rank, end):
    """What rank 0 is told where rank 1 comes to an end after so many blocks of costs."""
    seen = []

    def cost(u, v):
        seen.append(1)
        if rank == 1 and len(seen) > 12:
            end()
        return np.abs(u[:, None] - v[None]).sum(2)

    return _told(rank, cost=cost, backend="streamed")


def _told(rank, **options):
    x, y, _, _ = inputs()
    of_x, of_y = rows_of(rank, 2)
    begun = time.monotonic()
    with small(0):
        try:
            otgan.sinkhorn(x[of_x], y[of_y], group=True, epsilon=0.1, **options)
        except OtganError as error:
            return type(error).__name__, str(error), time.monotonic() - begun
    return None
