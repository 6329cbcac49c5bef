"""The peers, each at its best: POT, GeomLoss, OTT-JAX, RegOT and MDOT-TNT, behind one interface, beside otgan itself.

Every contender is given a problem, an L1 error to reach and a number of seconds, and turns its own knob (a threshold, a
number of iterations, a decay of ε) until the error reaches the goal. Its time runs from the samples to the answer: who
works on a cost matrix is given the quickest way to make one (`benchmarks.costs`), and making it is in its time. It
answers with what a user would get: a plan or potentials. The error is never taken from a contender:
`benchmarks.problems.marginal_error` recomputes it in float64. Conventions differ, and are undone here.
"""

from __future__ import annotations

import importlib.util

from benchmarks.peers.contender import Attempt, Contender
from benchmarks.peers.geomloss import GeomLoss
from benchmarks.peers.mdot import Mdot
from benchmarks.peers.ott import VARIANTS, Ott, has_jax
from benchmarks.peers.ours import Otgan
from benchmarks.peers.pot import Pot, PotBatch, PotLoop
from benchmarks.peers.regot import SOLVERS, Regot

__all__ = [
    "Attempt",
    "Contender",
    "GeomLoss",
    "Mdot",
    "Otgan",
    "Ott",
    "Pot",
    "PotBatch",
    "PotLoop",
    "Regot",
    "distributions",
    "field_of_batches",
    "field_of_peers",
    "has_jax",
]

METHODS = ("sinkhorn", "sinkhorn_log", "sinkhorn_stabilized", "sinkhorn_epsilon_scaling", "greenkhorn")
"""POT's, the fastest first."""


def field_of_peers(device: str) -> list[Contender]:
    """Return the peers that can run here, those first that are often the fastest."""
    ott: list[Contender] = [Ott(variant) for variant in VARIANTS if has_jax(device)]
    pot: list[Contender] = [Pot(method) for method in METHODS]
    on_cpu = device == "cpu"
    regot: list[Contender] = [Regot(solver) for solver in SOLVERS if on_cpu and _has("regot")]
    mdot: list[Contender] = [Mdot()] if _has("mdot_tnt") else []
    return [pot[0], *regot[:1], *ott, *mdot, *regot[1:], GeomLoss(), *pot[1:]]


def field_of_batches(device: str) -> list[Contender]:
    """Return the peers that solve batches here: by functions of whole batches, and in loops."""
    ott: list[Contender] = [Ott(variant) for variant in VARIANTS if has_jax(device)]
    mdot: list[Contender] = [Mdot()] if _has("mdot_tnt") else []
    pot = [PotBatch("sinkhorn"), PotBatch("log_sinkhorn"), PotLoop("sinkhorn"), PotLoop("sinkhorn_log")]
    return [*pot, GeomLoss(), *ott, *mdot]


def distributions(peers: list[Contender]) -> list[str]:
    """Return what the peers come in, beyond what otgan itself needs, to be named with their versions."""
    found = {peer.package for peer in peers} - {"pot", "geomloss", "otgan"}
    return sorted(found | {"jax"} if "ott-jax" in found else found)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
