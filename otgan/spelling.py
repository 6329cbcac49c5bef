"""Names as other libraries spell them, answered with ours: keywords of the public functions, and names of the package.

A right call costs one look at its keywords. What a wrong one meant is looked up below, then among names like it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import NamedTuple, ParamSpec, TypeVar

from otgan.mistakes import MistakeError

__all__ = ["UnknownKeywordError", "answer_misspelt", "meant_name"]

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST = 40
"""Characters of a name that an error message shows."""


class UnknownKeywordError(MistakeError, TypeError):
    """A keyword that the function does not have; the message says which one it has for that."""


class _Meant(NamedTuple):
    """What a foreign keyword is called here: the first of `names` that the function has, with a word on each.

    `otherwise` is what to say where it has none of them.
    """

    names: dict[str, str]
    otherwise: str = ""


_COST_UNITS = "in units of the cost ‖x − y‖₂^p, which is not halved"
_ELSEWHERE = "otgan.sinkhorn, otgan.sinkhorn_divergence and otgan.transport have epsilon and blur"
_STRENGTH = _Meant({"epsilon": f"the ε of ε KL(P | a⊗b), {_COST_UNITS}"}, _ELSEWHERE)
_INVERSE = _Meant(
    {"epsilon": f"{_COST_UNITS}; a λ that multiplies the cost, as Cuturi's, is 1/epsilon"}, _ELSEWHERE
)
_LENGTH = _Meant({"blur": "a length: epsilon = p · blur^p"}, _ELSEWHERE)
_UNBALANCED = "otgan.sinkhorn, otgan.sinkhorn_divergence and otgan.transport have reach"
_REACH = _Meant({"reach": "a length: the penalty on the marginals is ρ = p · reach^p"}, _UNBALANCED)
_TAU = _Meant({"reach": "a length: with ρ = p · reach^p, OTT's tau is ρ / (ρ + ε)"}, _UNBALANCED)
_PASSES = _Meant({"max_iter": "passes over the kernel", "steps": "updates of the generator"})
_STEPS = _Meant({"steps": "updates of the generator", "max_iter": "passes over the kernel"})
_TOLERANCE = _Meant({"tol": "the L1 error of both marginals"})
_LIMIT = _Meant({"time_limit": "in seconds"})
_POWER = _Meant({"p": "the cost is the distance to the power p"})
_COST = _Meant({"cost": "", "p": "the cost is ‖x − y‖₂^p: p=2 for squared distances"})
_METRIC = _Meant({"metrics": "names of distances", **_COST.names})
_FIRST, _SECOND = _Meant({"x": "", "data": "", "spec": ""}), _Meant({"y": ""})
_WEIGHTS, _OTHER_WEIGHTS = _Meant({"a": "the weights of x", "weights": ""}), _Meant({"b": "the weights of y"})
_BACKEND = _Meant({"backend": "", "estimator": ""})
_FAILURE = _Meant({"on_failure": "'warn', 'raise' or 'ignore'"})
_START = _Meant({"init": "an entropic solution returned by otgan.transport"})
_RESULT = _Meant({}, "otgan.transport returns the plan, the potentials and the status along with the value")
_SETTING = _Meant({"options": "a dict of hyperparameters of the system"})
_HALF = _Meant({"split": "'train' or 'test'"})

_KEYWORDS: dict[str, _Meant] = {
    # strengths
    **dict.fromkeys(("eps", "reg", "regularization", "entropic_reg"), _STRENGTH),
    **dict.fromkeys(("lambda", "lambda_", "lam", "lambd", "lmbda"), _INVERSE),
    **dict.fromkeys(("sigma", "scale"), _LENGTH),
    **dict.fromkeys(("reg_m", "unbalanced", "rho"), _REACH),
    **dict.fromkeys(("tau", "tau_a", "tau_b"), _TAU),
    # stops
    **dict.fromkeys(("numitermax", "num_iter_max", "num_itermax", "max_iterations", "max_iters"), _PASSES),
    **dict.fromkeys(("maxiter", "niter", "n_iter", "num_iter", "num_iters", "numiters"), _PASSES),
    **dict.fromkeys(("nits", "iterations", "n_iterations", "num_iterations"), _PASSES),
    **dict.fromkeys(("n_steps", "num_steps", "max_steps", "epochs", "n_epochs"), _STEPS),
    **dict.fromkeys(("stopthr", "stop_thr", "threshold", "thresh", "tolerance", "atol", "rtol"), _TOLERANCE),
    **dict.fromkeys(("timeout", "max_time", "seconds"), _LIMIT),
    # costs
    **dict.fromkeys(("power", "exponent", "order", "ord", "degree"), _POWER),
    **dict.fromkeys(("cost", "cost_fn", "ground_metric"), _COST),
    **dict.fromkeys(("metric", "distance", "distances"), _METRIC),
    # samples and weights
    **dict.fromkeys(("x_s", "x_a", "xs", "x1", "source", "u_values"), _FIRST),
    **dict.fromkeys(("dataset", "name", "path", "file"), _FIRST),
    **dict.fromkeys(("x_t", "x_b", "xt", "x2", "target", "v_values"), _SECOND),
    **dict.fromkeys(("u_weights", "weights_x", "x_weights", "weights_a", "mu", "alpha", "weights"), _WEIGHTS),
    **dict.fromkeys(("v_weights", "weights_y", "y_weights", "weights_b", "nu", "beta"), _OTHER_WEIGHTS),
    # how it is solved, and what comes back
    **dict.fromkeys(("method", "solver", "impl", "algorithm"), _BACKEND),
    **dict.fromkeys(("warn", "on_error"), _FAILURE),
    **dict.fromkeys(("warmstart", "warm_start", "init_dual", "potentials", "potentials_init"), _START),
    **dict.fromkeys(("log", "return_plan", "return_matrix"), _RESULT),
    "verbose": _Meant({"progress": "True draws a bar"}, "results say how they were solved"),
    "scaling": _Meant({}, "the solver itself lowers ε in stages, down to epsilon or blur"),
    "diameter": _Meant({}, "the solver itself finds it"),
    **dict.fromkeys(
        ("debiased", "debiasing"), _Meant({"debias": ""}, "otgan.sinkhorn_divergence is debiased")
    ),
    # divergences
    **dict.fromkeys(("nbins", "n_bins", "num_bins"), _Meant({"bins": ""})),
    **dict.fromkeys(("width", "binwidth"), _Meant({"bin_width": ""})),
    **dict.fromkeys(("n_neighbors", "neighbors", "num_neighbors"), _Meant({"k": "which neighbor knn uses"})),
    "log_base": _Meant({"base": ""}),
    # runs and data
    **dict.fromkeys(("random_state", "rng", "random_seed"), _Meant({"seed": ""})),
    **dict.fromkeys(("n_samples", "num_samples", "size", "count", "nrows", "rows"), _Meant({"n": ""})),
    **dict.fromkeys(("output", "outdir", "out_dir", "folder", "logdir"), _Meant({"out": "", "data_dir": ""})),
    **dict.fromkeys(("root", "dir"), _Meant({"data_dir": ""})),
    "model": _Meant({"system": ""}),
    "networks": _Meant({"modules": ""}),
    "checkpoint_every": _Meant({"save_every": ""}),
    **dict.fromkeys(("train", "subset"), _HALF),
    **dict.fromkeys(("lr", "learning_rate", "batch", "batch_size", "latent", "critic_steps"), _SETTING),
}
"""Keywords of POT, GeomLoss, OTT, SciPy and scikit-learn, in small letters, and what they are here."""

_NAMES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("wasserstein", "wasserstein_distance", "wasserstein_distance_nd", "wasserstein_1d", "emd_1d"),
        ("emd", ""),
    ),
    **dict.fromkeys(("earth_movers_distance", "earth_mover", "w1"), ("emd", "")),
    "w2": ("emd", "with p=2"),
    **dict.fromkeys(
        ("emd2", "emd2_1d"), ("emd", "which takes the root; otgan.transport(...).value does not")
    ),
    **dict.fromkeys(
        ("ot", "solve", "solve_sample", "optimal_transport", "plan", "linear_problem"), ("transport", "")
    ),
    **dict.fromkeys(("pointcloud", "linearproblem"), ("transport", "which takes the samples themselves")),
    **dict.fromkeys(
        ("sinkhorn2", "empirical_sinkhorn", "empirical_sinkhorn2"),
        ("sinkhorn", "the regularized value; the cost of its plan is otgan.transport(...).value_linear"),
    ),
    "empirical_sinkhorn_divergence": (
        "sinkhorn_divergence",
        "which keeps the entropies that POT's leaves out",
    ),
    **dict.fromkeys(("samplesloss", "sinkhorn_loss", "loss"), ("SinkhornLoss", "")),
    **dict.fromkeys(
        ("jensenshannon", "jensen_shannon", "jensen_shannon_distance", "jsd"),
        ("js", "the divergence; SciPy's jensenshannon is its root"),
    ),
    **dict.fromkeys(
        ("kullback_leibler", "kl_div", "kl_divergence", "kldiv", "entropy", "rel_entr", "relative_entropy"),
        ("kl", ""),
    ),
    **dict.fromkeys(("total_variation", "total_variation_distance", "tvd"), ("tv", "")),
    **dict.fromkeys(("energy_distance",), ("energy", "the square of SciPy's energy_distance")),
    **dict.fromkeys(("maximum_mean_discrepancy", "mmd2"), ("mmd", "")),
    **dict.fromkeys(("sliced_wasserstein", "sliced_wasserstein_distance"), ("sliced", "")),
    **dict.fromkeys(("bures_wasserstein", "bures_wasserstein_distance"), ("bures", "")),
    **dict.fromkeys(("report", "measure_all"), ("compare", "")),
    "load": ("data.load", ""),
    "datasets": ("data", ""),
    "train": ("gan.train", ""),
    "run": ("gan.Run", ""),
    "systems": ("gan.SYSTEMS", ""),
}
"""Names of POT, GeomLoss, OTT and SciPy, in small letters, and what they are in the package, with a word on it."""


def answer_misspelt(function: Callable[P, R]) -> Callable[P, R]:
    """Have a function answer a keyword that it does not have with the one that was meant.

    Parameters
    ----------
    function : callable
        Without ``**`` parameters.

    Returns
    -------
    callable
        It raises an :class:`UnknownKeywordError`, which is a TypeError, where Python would raise a TypeError.
    """
    code = function.__code__
    order = code.co_varnames[code.co_posonlyargcount : code.co_argcount + code.co_kwonlyargcount]
    names = frozenset(order)
    called = function.__qualname__.removesuffix(".__init__").removesuffix(".forward")

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs and not names.issuperset(kwargs):
            known = [name for name in order if name != "self"]
            wrong = next(name for name in kwargs if name not in names)
            raise UnknownKeywordError(f"{called} has no keyword {_meant_keyword(wrong, known)}")
        return function(*args, **kwargs)

    return call


def _meant_keyword(wrong: str, known: list[str]) -> str:
    """Return a keyword as a message quotes it, and which of those known was meant."""
    quoted = repr(wrong[:_LONGEST])
    meant = _KEYWORDS.get(wrong.lower(), _Meant({}))
    ours = next((name for name in meant.names if name in known), None)
    if ours is not None:
        word = meant.names[ours]
        return f"{quoted}: it is {ours} here{word and f' ({word})'}"
    if meant.otherwise:
        return f"{quoted}: leave it out; {meant.otherwise}"
    close = _closest(wrong, known)
    return f"{quoted}: did you mean {close}?" if close else f"{quoted}: it has {', '.join(known)}"


def meant_name(wrong: str, known: Iterable[str]) -> str:
    """Return which public name was meant by one that there is not, as the end of a message; empty where none is near.

    Parameters
    ----------
    wrong : str
    known : iterable of str
        The public names, subpackages included.
    """
    known = list(known)
    ours, word = _NAMES.get(wrong.lower(), ("", ""))
    if ours.partition(".")[0] in known:
        return f": it is otgan.{ours} here{word and f' ({word})'}"
    close = _closest(wrong, known)
    return f": did you mean otgan.{close}?" if close else ""


def _closest(wrong: str, known: Iterable[str]) -> str:
    """Return the name most like a wrong one, whatever its letters' size; empty where none is."""
    import difflib

    plain = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong[:_LONGEST].lower(), plain, n=1)
    return plain[close[0]] if close else ""
