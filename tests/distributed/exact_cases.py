"""What ranks of a group compute of exact problems in the tests, and the same by one process."""

import math
import os
import time

import numpy as np
import torch
import torch.distributed as dist

import otgan
import otgan.distributed.search
from otgan.deadline import NEVER
from otgan.distributed.exchange import Exchange
from otgan.distributed.search import RankedSearch
from otgan.mistakes import OtganError
from tests.distributed.cases import raised, small
from tests.distributed.world import TIMEOUT

N, M = 90, 71


def cityblock(u, v):
    """A cost that is a function, of arrays or of tensors."""
    return abs(u[:, None] - v[None]).sum(2)


CASES = {
    "squares": (3, {}),
    "lengths": (2, {"p": 1}),
    "cityblock": (3, {"cost": "cityblock", "p": 1}),
    "cosine": (3, {"cost": "cosine"}),
    "places": (2, {"cost": "haversine"}),
    "many dimensions": (12, {}),
    "kept": (30, {}),
    "function": (3, {"cost": cityblock}),
}
"""Dimensions and options of problems that all ranks search together: by trees, by looks at all costs, and by those of a function."""

BY_FIRST = {
    "line": (1, {}),
    "circle": (1, {"cost": "circle"}),
    "simplex": (3, {"backend": "simplex"}),
    "default": (3, {}),
    "pot": (3, {"backend": "pot"}),
}
"""The same of problems that the first rank solves for all."""


def clouds(d):
    """Two clouds with weights, a point of x without any; small numbers, which are angles and places too."""
    rng = np.random.default_rng(11)
    x, y = 0.5 * rng.normal(size=(N, d)), 0.4 * rng.normal(size=(M, d)) + 0.2
    a, b = rng.uniform(0.2, 1.0, N), rng.uniform(0.2, 1.0, M)
    a[17] = 0.0
    return x, y, a, b


def rows_of(rank, size):
    """The rows of x and of y of a rank: uneven ones, of x none on the last of several, of y none on the first."""
    if size == 1:
        return np.arange(N), np.arange(M)
    cuts = [0, N // 3, *[N] * (size - 1)]
    others = [np.arange(0), *np.array_split(np.arange(M), size - 1)]
    return np.arange(cuts[rank], cuts[rank + 1]), others[rank]


def solution(d, options, rank, size, group):
    """Everything that an exact transport has, on the rows of a rank."""
    of_x, of_y = rows_of(rank, size)
    x, y, a, b = (
        torch.tensor(each[rows]).requires_grad_()
        for each, rows in zip(clouds(d), (of_x, of_y, of_x, of_y), strict=True)
    )
    found = otgan.transport(x, y, a, b, group=group, **options)
    (2.0 * found.value).backward()
    i, j, mass = found.arcs
    numbers = {
        "value": found.value,
        "lower": found.lower,
        "upper": found.upper,
        "error": found.marginal_error,
        "distance": found.distance,
        "f": found.f,
        "g": found.g,
        "plan": found.plan,
        "sparse": found.sparse_plan.to_dense(),
        "arcs": torch.zeros(len(of_x), M, dtype=mass.dtype).index_put((i, j), mass),
        "product": found.apply(y.detach()),
        "product of x": found.apply(x.detach()[:, 0], axis=0),
        "x": x.grad,
        "y": y.grad,
        "a": a.grad,
    }
    plain = {name: number.detach().numpy() for name, number in numbers.items()}
    return plain | {"status": str(found.status), "backend": found.backend}


def distance(rank, size, group):
    """W_2 and its gradient in the points of a rank."""
    x, y, _, _ = clouds(3)
    of_x, of_y = rows_of(rank, size)
    points = torch.tensor(x[of_x]).requires_grad_()
    found = otgan.emd(points, torch.tensor(y[of_y]), p=2, group=group)
    found.backward()
    return {"value": found.item(), "x": points.grad.numpy()}


def precomputed(rank, size, group):
    """Costs that are given, of which a rank has rows."""
    x, y, a, b = clouds(3)
    of_x, _ = rows_of(rank, size)
    costs = torch.tensor(cityblock(x, y)[of_x]).requires_grad_()
    found = otgan.transport(
        costs,
        a=torch.tensor(a[of_x]),
        b=torch.tensor(b),
        cost="precomputed",
        backend="certified",
        group=group,
    )
    found.value.backward()
    return {"value": found.value.item(), "plan": found.plan.detach().numpy(), "gradient": costs.grad.numpy()}


def batch(rank, size, group):
    """A batch of two problems."""
    x, y, _, _ = clouds(3)
    of_x, of_y = rows_of(rank, size)
    found = otgan.transport(
        np.stack([x, 1.5 * x])[:, of_x], np.stack([y] * 2)[:, of_y], backend="certified", group=group
    )
    return {"value": found.value, "f": found.f, "arcs": [len(arcs.i) for arcs in found.arcs]}


def metrics(rank, size, group):
    """Metrics of torchmetrics, updated with the rows of a rank; None without that package."""
    try:
        from otgan.integrations import torchmetrics as integrated
    except otgan.mistakes.NotInstalledError:
        return None
    x, y, _, _ = (torch.tensor(each) for each in clouds(3))
    of_x, of_y = rows_of(rank, size)
    if group is None:  # torchmetrics would wait for the other processes
        divergence = otgan.sinkhorn_divergence(x, y, p=1, epsilon=0.5)
        return {"emd": otgan.emd(x, y, p=2).item(), "divergence": divergence.item()}
    found = {}
    for name, metric in {
        "emd": integrated.EarthMoversDistance(p=2, group=group),
        "divergence": integrated.SinkhornDivergence(epsilon=0.5, group=group),
    }.items():
        for half in (0, 1):
            metric.update(x[of_x[half::2]], y[of_y[half::2]])
        found[name] = metric.compute().item()
    return found


def mistakes(rank, size, group):
    """What every rank raises where one of them makes a mistake."""
    x, y, _, _ = clouds(3)
    of_x, of_y = rows_of(rank, size)
    x, y, other = x[of_x], y[of_y], rank == 1

    def fails(u, v):
        if other and len(u) < N:
            raise ValueError("this cost is broken")
        return np.abs(u[:, None] - v[None]).sum(2)

    certified = {"backend": "certified", "group": group}
    calls = {
        "nan": lambda: otgan.emd(
            np.where(np.arange(len(x))[:, None] == 2, math.nan, x) if other else x, y, group=group
        ),
        "p": lambda: otgan.emd(x, y, p=2 if other else 1, group=group),
        "function": lambda: (
            otgan.emd(x, y, p=2, group=group) if other else otgan.transport(x, y, p=2, group=group)
        ),
        "epsilon": lambda: otgan.transport(x, y, epsilon=0.1 if other else None, group=group),
        "cost": lambda: otgan.transport(x, y, cost=fails, **certified),
        "backend": lambda: otgan.transport(x, y, backend="dense", group=group),
        "assignment": lambda: otgan.transport(x, y, backend="assignment", group=group),
        "progress": lambda: otgan.transport(x, y, progress=stop if other else None, **certified),
        "time": lambda: otgan.emd(x, y, time_limit=1e-9, p=2, group=group),
    }
    found = {name: raised(call) for name, call in calls.items()}
    return found | {"after": otgan.emd(x, y, p=2, group=group)}


def stop(*_):
    """Progress whose reader ends the solve."""
    raise KeyError("enough")


def out_of_time(rank, size, group):
    """A solve whose time is over at once."""
    x, y, _, _ = clouds(12)
    of_x, of_y = rows_of(rank, size)
    found = otgan.transport(
        x[of_x], y[of_y], backend="certified", time_limit=1e-6, on_failure="ignore", group=group
    )
    return str(found.status), found.value, float(found.lower), float(found.upper)


def everything(rank, size, group):
    """Results of all cases on the rows of a rank."""
    found = {
        name: solution(d, {"backend": "certified"} | options, rank, size, group)
        for name, (d, options) in CASES.items()
    }
    for name, (d, options) in BY_FIRST.items():
        found[name] = solution(d, options, rank, size, group)
    return found | {
        "distance": distance(rank, size, group),
        "precomputed": precomputed(rank, size, group),
        "batch": batch(rank, size, group),
        "time": out_of_time(rank, size, group),
        "metrics": metrics(rank, size, group),
    }


def warm():
    """Load what is compiled, before processes are forked that need it; no gradients, whose threads survive no fork."""
    for d, options in [*CASES.values(), *BY_FIRST.values()]:
        backend = {} if d == 1 else {"backend": "certified"}
        x, y, a, b = clouds(d)
        found = otgan.transport(x, y, a, b, **(backend | options))
        assert found.lower <= found.upper


def all_cases(rank, size):
    """All cases by the group of all ranks, and by one of them alone."""
    with small(0):
        found = {"shared": everything(rank, size, True), "mistakes": mistakes(rank, size, "world")}
    found["small"] = solution(*CASES["squares"], rank, size, True)
    return found | {"alone": everything(0, 1, None) if rank == size - 1 else None}


def one_dies(rank, size):
    """A rank that ends in the middle of the search."""
    seen = []

    def cost(u, v):
        seen.append(1)
        if rank == 1 and len(seen) > 12:
            os._exit(3)
        return np.abs(u[:, None] - v[None]).sum(2)

    x, y, _, _ = clouds(3)
    of_x, of_y = rows_of(rank, size)
    with small(0):
        try:
            otgan.transport(x[of_x], y[of_y], cost=cost, backend="certified", group=True)
        except OtganError as error:
            return type(error).__name__, str(error)
    return None


def first_is_busy(rank, size):
    """A first rank that has work for longer than the group waits, and says so to the others meanwhile."""
    del rank, size
    ranks = RankedSearch(Exchange(dist.group.WORLD, torch.device("cpu")))
    begun = time.monotonic()

    def work(deadline):
        while time.monotonic() - begun < 1.4 * TIMEOUT:
            time.sleep(0.02)
            assert not deadline.passed
        return "found"

    before, otgan.distributed.search._OFTEN = otgan.distributed.search._OFTEN, 0.3
    try:
        found = ranks.waited("work", work, NEVER)
    finally:
        otgan.distributed.search._OFTEN = before
    return found, time.monotonic() - begun, ranks.ranks.steps
