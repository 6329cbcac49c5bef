"""Wrong names of keywords and functions are answered with the right ones; right calls do not notice."""

import inspect
import pickle
import subprocess
import sys

import pytest

import otgan
import otgan.data
import otgan.gan
from otgan import spelling
from otgan.mistakes import MistakeError

X, Y = [0.0, 1.0], [1.0, 3.0]

FUNCTIONS = {
    "emd": otgan.emd,
    "transport": otgan.transport,
    "sinkhorn": otgan.sinkhorn,
    "sinkhorn_divergence": otgan.sinkhorn_divergence,
    "compare": otgan.compare,
    "kl": otgan.kl,
    "js": otgan.js,
    "tv": otgan.tv,
    "SinkhornLoss": otgan.SinkhornLoss,
    "train": otgan.gan.train,
    "load": otgan.data.load,
}

ANSWERS = [
    ("transport", "eps", "epsilon"),
    ("transport", "reg", "epsilon"),
    ("transport", "lambda_", "epsilon"),
    ("transport", "numItermax", "max_iter"),
    ("transport", "stopThr", "tol"),
    ("transport", "threshold", "tol"),
    ("transport", "power", "p"),
    ("transport", "reg_m", "reach"),
    ("transport", "tau_a", "reach"),
    ("transport", "method", "backend"),
    ("transport", "warmstart", "init"),
    ("transport", "X_s", "x"),
    ("transport", "x_t", "y"),
    ("emd", "u_weights", "a"),
    ("emd", "v_weights", "b"),
    ("emd", "timeout", "time_limit"),
    ("sinkhorn", "sigma", "blur"),
    ("sinkhorn", "max_iterations", "max_iter"),
    ("sinkhorn_divergence", "on_error", "on_failure"),
    ("compare", "metric", "metrics"),
    ("compare", "random_state", "seed"),
    ("compare", "verbose", "progress"),
    ("kl", "log_base", "base"),
    ("kl", "n_neighbors", "k"),
    ("js", "nbins", "bins"),
    ("tv", "binwidth", "bin_width"),
    ("SinkhornLoss", "debiased", "debias"),
    ("train", "epochs", "steps"),
    ("train", "lr", "options"),
    ("train", "dataset", "data"),
    ("train", "folder", "out"),
    ("train", "n_iter", "steps"),
    ("load", "path", "spec"),
    ("load", "n_samples", "n"),
    ("load", "root", "data_dir"),
    ("load", "subset", "split"),
]


@pytest.mark.parametrize(("function", "wrong", "right"), ANSWERS)
def test_a_keyword_of_another_library_is_answered_with_ours(function, wrong, right):
    with pytest.raises(
        TypeError, match=rf"^{function} has no keyword '{wrong}': it is {right} here"
    ) as found:
        FUNCTIONS[function](X, Y, **{wrong: 1})
    assert isinstance(found.value, MistakeError)
    assert right in inspect.signature(FUNCTIONS[function]).parameters


@pytest.mark.parametrize(
    ("function", "wrong", "words"),
    [
        ("sinkhorn", "reg", "ε KL(P | a⊗b), in units of the cost ‖x − y‖₂^p, which is not halved"),
        ("sinkhorn", "lambd", "1/epsilon"),
        ("sinkhorn", "sigma", "epsilon = p · blur^p"),
        ("sinkhorn", "rho", "ρ = p · reach^p"),
        ("emd", "reg", "leave it out; otgan.sinkhorn"),
        ("emd", "log", "leave it out; otgan.transport returns the plan"),
        ("SinkhornLoss", "scaling", "leave it out; the solver itself lowers ε"),
        ("train", "learning_rate", "options here (a dict of hyperparameters"),
    ],
)
def test_where_the_meaning_differs_there_is_a_word_on_it(function, wrong, words):
    with pytest.raises(TypeError) as found:
        FUNCTIONS[function](X, Y, **{wrong: 1})
    assert words in str(found.value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_answers_what_only_looks_like_a_keyword_or_like_none(function):
    parameters = list(inspect.signature(FUNCTIONS[function]).parameters)
    longest = max(parameters, key=len)
    for wrong in (longest[:-1], longest.upper(), f"{longest}s"):
        with pytest.raises(
            TypeError, match=rf"^{function} has no keyword '{wrong}': did you mean {longest}\?$"
        ):
            FUNCTIONS[function](X, Y, **{wrong: 1})
    with pytest.raises(TypeError, match=f"'qzj': it has {', '.join(parameters)}$"):
        FUNCTIONS[function](X, Y, qzj=1)
    with pytest.raises(TypeError, match=f"'{'q' * 40}': it has") as found:
        FUNCTIONS[function](X, Y, **{"q" * 10_000: 1})
    assert len(str(found.value)) < 400


def test_the_module_answers_too():
    with pytest.raises(TypeError, match=r"^SinkhornLoss has no keyword 'weights_x': it is a here"):
        otgan.SinkhornLoss()(X, Y, weights_x=[1, 1])


def test_every_entry_of_the_tables_can_be_reached():
    """It is written as it is looked up, and names a keyword or a name that there is, or says what to do."""
    known = {name for each in FUNCTIONS.values() for name in inspect.signature(each).parameters}
    for wrong, meant in spelling._KEYWORDS.items():
        assert wrong == wrong.lower()
        assert known & meant.names.keys() or meant.otherwise
    for wrong in spelling._NAMES:
        assert wrong == wrong.lower()
        assert wrong not in dir(otgan)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_else_of_a_function_changes(function):
    ours = FUNCTIONS[function]
    wrapped = inspect.unwrap(ours.__init__ if inspect.isclass(ours) else ours)
    assert inspect.signature(ours) == inspect.signature(wrapped) or inspect.isclass(ours)
    assert ours.__doc__
    assert ours.__module__.startswith("otgan.")
    assert ours.__name__ == function
    assert pickle.loads(pickle.dumps(ours)) is ours


def test_what_python_says_of_other_calls_is_left_to_it():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        otgan.kl(X)
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        otgan.emd(X, Y, x=X)
    with pytest.raises(TypeError, match="takes from 2 to 4 positional arguments but 5"):
        otgan.kl(X, Y, None, None, 2)


def test_type_errors_from_within_stay_what_they_are():
    @spelling.answer_misspelt
    def broken(x, *, y=None):
        raise TypeError("a bug")

    with pytest.raises(TypeError, match=r"^a bug$"):
        broken(1, y=2)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("wasserstein", "emd"),
        ("wasserstein_distance", "emd"),
        ("emd2", "emd"),
        ("W2", "emd"),
        ("ot", "transport"),
        ("solve_sample", "transport"),
        ("sinkhorn2", "sinkhorn"),
        ("SamplesLoss", "SinkhornLoss"),
        ("jensenshannon", "js"),
        ("kl_div", "kl"),
        ("total_variation", "tv"),
        ("train", "gan.train"),
        ("load", "data.load"),
    ],
)
def test_a_name_of_another_library_is_answered_with_ours(wrong, right):
    with pytest.raises(
        AttributeError, match=rf"^module 'otgan' has no attribute '{wrong}': it is otgan\.{right} here"
    ):
        getattr(otgan, wrong)
    package, _, name = right.rpartition(".")
    assert hasattr(getattr(otgan, package) if package else otgan, name)


@pytest.mark.parametrize(
    ("wrong", "right"), [("EMD", "emd"), ("transprot", "transport"), ("Sinkhorn", "sinkhorn")]
)
def test_a_misspelt_name_is_answered_with_the_nearest(wrong, right):
    with pytest.raises(AttributeError, match=rf"has no attribute '{wrong}': did you mean otgan\.{right}\?$"):
        getattr(otgan, wrong)


@pytest.mark.parametrize("wrong", ["qzj", "_private", "__path_of__", "energy_distances_of_mine_alone"])
def test_a_name_like_no_other_is_answered_with_nothing(wrong):
    with pytest.raises(AttributeError, match=f"^module 'otgan' has no attribute '{wrong}'$"):
        getattr(otgan, wrong)


def test_a_name_that_there_is_not_yet_is_not_promised():
    assert spelling.meant_name("energy_distance", ["emd"]) == ""
    assert spelling.meant_name("energy_distance", ["emd", "energy"]).startswith(": it is otgan.energy here")


def test_dir_shows_the_public_names_and_nothing_else():
    code = (
        "import otgan\nshown = dir(otgan)\n"
        "import otgan.measure, otgan.cli, otgan.gan.trainer, otgan.exact.plan, otgan.report\n"
        "assert dir(otgan) == shown\nprint(*shown)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = done.stdout.split()
    assert shown == sorted({*otgan.__all__, "data", "gan", "memory", "plot", "teach"})
    for name in shown:
        assert getattr(otgan, name) is not None


def test_the_table_of_names_is_not_read_before_it_is_needed():
    code = (
        "import otgan, sys\nassert not hasattr(otgan, '__path_of__')\nprint('otgan.spelling' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
