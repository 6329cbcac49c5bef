"""What the choice among the entropic solvers, their schedule and the steps of the balanced one are tuned by, with reasons.

Numbers of one method alone stand in its file; those of Newton steps that compiled loops take too, here.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TUNING", "Tuning"]


@dataclass(frozen=True)
class Tuning:
    """What is worth a pass, and when to change the method. None of it changes a solution, only how soon it is there.

    Attributes
    ----------
    factor : float
        ε falls by this factor from stage to stage of annealing.
    first : float
        ε of the first stage, as a share of the mean cost.
    diffuse : float
        ε, relative to a bound of the largest cost, from which on the plan is nearly the product of its marginals.
    stage_tol : float
        Marginal error at which a stage that is not the last one ends.
    stage_passes : int
        Passes after which such a stage ends anyway: its result is only a start for the next.
    coarse : float
        Marginal error to which the last stage first goes on a kernel of the lowest accuracy.
    legible : float
        Marginal error below which the rounding of the potentials themselves shows.
    warm : float
        Marginal error, of at most 2, below which a given start is better than annealing.
    plain : int
        Plain Sinkhorn steps before the first Newton step of a stage, and after one that gained little.
    gain : float
        Share of the error that a Newton step must leave less of, to be followed by another.
    far_off : float
        Marginal error above which only plain steps are taken: a quadratic model says nothing yet.
    soon : float
        Plain steps that are preferred to a Newton step, which takes a few passes and a search.
    far : float
        Exponent by which potentials may leave those absorbed in a kernel; e^30 is far inside the range of float32.
    trust : float
        Largest entry of a Newton step, in units of ε: beyond it the quadratic model says nothing.
    quick, long : int
        Conjugate-gradient iterations that a Newton step may take before the next one gets a Cholesky factor, and where none
        can be had or none is worth its while.
    rescues : int
        Returns to the log-domain within one stage after which a problem is given up as not finite.
    self_share : float
        Tolerance of a self term as a share of that asked for: halving its error costs one pass, and the potentials of
        the self terms may stand in for those of the cross term.
    polish : int
        Sinkhorn steps that potentials borrowed from another problem may need to satisfy the tolerance.
    """

    factor: float = 4.0
    first: float = 0.25
    diffuse: float = 8.0
    stage_tol: float = 0.02
    stage_passes: int = 100
    coarse: float = 3e-5
    legible: float = 1e-10
    warm: float = 0.7
    plain: int = 3
    gain: float = 0.9
    far_off: float = 0.5
    soon: float = 8.0
    far: float = 30.0
    trust: float = 20.0
    quick: int = 30
    long: int = 400
    rescues: int = 4
    self_share: float = 0.25
    polish: int = 10


TUNING = Tuning()
