"""``otgan measure``: data on stdout, everything else on stderr, and the numbers of the functions."""

import json
import os
import re

import numpy as np
import ot
import pytest
from matplotlib.figure import Figure

import otgan as package
from otgan.cli.measure import command
from otgan.data import load
from otgan.divergences import OPTIONS
from otgan.memory import _budget
from otgan.mistakes import OutOfRangeError, WrongValueError
from otgan.plain import plain


def refuse(constant):
    raise AssertionError(f"JSON has no {constant}")


def report(ended):
    assert ended.status == 0, ended.err
    return json.loads(ended.out, parse_constant=refuse)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.normal(size=(20, 2)))
    np.save(tmp_path / "b.npy", rng.normal(size=(25, 2)) + 1)
    np.save(tmp_path / "line.npy", rng.normal(size=30))
    np.save(tmp_path / "wide.npy", rng.normal(size=(20, 3)))
    np.save(tmp_path / "heavy.npy", rng.random(20))
    table = np.column_stack([rng.normal(size=(12, 2)), rng.random(12)])
    np.savetxt(tmp_path / "table.csv", table, delimiter=",", header="u,v,w", comments="", fmt="%.17g")
    return tmp_path


def test_the_table_goes_to_stdout_and_the_words_to_stderr(otgan, files):
    ended = otgan("measure", "a.npy", "b.npy")
    expected = package.compare(
        *(np.load(files / name) for name in ("a.npy", "b.npy")), names=("a.npy", "b.npy")
    )

    def timeless(text):
        return re.sub(r"\d+\.\d\d$", "", text, flags=re.MULTILINE)

    assert ended.status == 0
    assert timeless(ended.out) == timeless(expected.table()) + "\n"
    assert ended.err == "".join(f"otgan: warning: {sentence}\n" for sentence in expected.warnings)


def test_the_verdict_leads_and_can_be_left_out(otgan, files):
    told = otgan("measure", "a.npy", "b.npy", "--metrics", "emd").out.splitlines()
    assert told[2].startswith("a.npy and b.npy are different: p = ")
    assert (
        "permutation test" not in otgan("measure", "a.npy", "b.npy", "--metrics", "emd", "--test", "none").out
    )
    by_emd = report(otgan("measure", "a.npy", "b.npy", "--metrics", "tv", "--test", "emd", "--json"))
    assert by_emd["verdict"]["metric"] == "emd"


def test_json_is_that_of_the_report_and_what_was_read(otgan, files):
    plain = report(otgan("measure", "a.npy", "b.npy", "--metrics", "emd,kl", "--json"))
    expected = package.compare(
        *(np.load(files / name) for name in ("a.npy", "b.npy")), metrics="emd,kl", names=("a.npy", "b.npy")
    ).to_dict()
    assert plain.keys() == expected.keys() | {"inputs"}
    assert plain["inputs"] == [
        {"spec": name, "n": None, "seed": 0, "weights": None, "standardized": False}
        for name in ("a.npy", "b.npy")
    ]
    assert list(plain["distances"]) == ["emd", "kl"]
    assert plain["distances"]["kl"]["value"] == "inf"
    assert plain["warnings"] == expected["warnings"]
    for name, entry in plain["distances"].items():
        assert entry | {"seconds": 0} == expected["distances"][name] | {"seconds": 0}


@pytest.mark.parametrize("more", [("--seed", 7), ("--seed", 7, "--seed-b", 8)])
def test_what_is_measured_is_what_load_returns(otgan, more):
    plain = report(
        otgan("measure", "swissroll", "8gaussians", "--n", 40, *more, "--metrics", "emd", "--json")
    )
    x, y = load("swissroll", 40, 7), load("8gaussians", 40, more[-1])
    assert plain["distances"]["emd"]["value"] == package.emd(x, y)
    assert [each["seed"] for each in plain["inputs"]] == [7, more[-1]]


def test_one_draw_against_itself_is_pointed_out(otgan):
    ended = otgan("measure", "swissroll", "swissroll", "--n", 20, "--metrics", "emd")
    assert "A and B are one draw; --seed-b draws B anew" in ended.err
    assert "are the same set of points" in ended.err
    assert "swissroll seed 0 (20 samples) against swissroll seed 0 (20 samples)" in ended.out
    other = otgan("measure", "swissroll", "swissroll", "--n", 20, "--metrics", "emd", "--seed-b", 1)
    assert "one draw" not in other.err
    assert "against swissroll seed 1" in other.out


def test_options_reach_the_functions(otgan, files):
    x, y = np.load(files / "a.npy"), np.load(files / "b.npy")

    def value(name, *more):
        plain = report(otgan("measure", "a.npy", "b.npy", "--metrics", name, "--json", *more))
        return plain["distances"][name]["value"]

    assert value("emd", "--p", 2) == pytest.approx(package.emd(x, y, p=2), rel=1e-12)
    assert value("sinkhorn", "--epsilon", 0.3) == package.sinkhorn(x, y, p=1, epsilon=0.3)
    assert value("sinkhorn", "--blur", 0.3, "--p", 2) == package.sinkhorn(x, y, p=2, blur=0.3)
    assert value("js", "--estimator", "histogram", "--bins", 4) == package.js(
        x, y, estimator="histogram", bins=4
    )
    assert value("js", "--estimator", "histogram", "--bins", "scott") == package.js(
        x, y, estimator="histogram", bins="scott"
    )
    assert value("tv:histogram", "--bin-width", 0.5) == package.tv(x, y, estimator="histogram", bin_width=0.5)
    assert value("kl", "--estimator", "knn", "--k", 4) == package.kl(x, y, estimator="knn", k=4)


def test_an_option_of_one_metric_reaches_it_alone(otgan, files):
    x, y = np.load(files / "a.npy"), np.load(files / "b.npy")
    options = (
        "--option",
        "mmd.kernel=imq",
        "--option",
        "mmd.bandwidth=0.5",
        "--option",
        "sliced.projections=30",
    )
    plain = report(otgan("measure", "a.npy", "b.npy", "--metrics", "mmd,sliced", "--json", *options))[
        "distances"
    ]
    assert plain["mmd"]["value"] == pytest.approx(package.mmd(x, y, kernel="imq", bandwidth=0.5), rel=1e-12)
    assert plain["mmd"]["options"] == {"kernel": "imq", "bandwidth": 0.5, "biased": False}
    assert plain["sliced"]["value"] == pytest.approx(package.sliced(x, y, p=1, projections=30), rel=1e-12)
    assert plain["sliced"]["monte_carlo_error"] > 0


def test_permutations_give_p_values(otgan, files):
    plain = report(otgan("measure", "a.npy", "b.npy", "--metrics", "emd", "--permutations", 9, "--json"))
    assert plain["distances"]["emd"]["null"]["permutations"] == 9
    assert 0.1 <= plain["distances"]["emd"]["null"]["p_value"] <= 1


def test_points_on_the_line(otgan, files):
    plain = report(otgan("measure", "line.npy", "line.npy", "--metrics", "emd", "--json"))
    assert (plain["d"], plain["distances"]["emd"]["backend"]) == (1, "line")


def test_weights_are_a_file_or_a_column(otgan, files):
    ended = otgan(
        "measure",
        "a.npy",
        "table.csv",
        "--weights-a",
        "heavy.npy",
        "--weights-b",
        "w",
        "--metrics",
        "emd",
        "--json",
    )
    table = np.loadtxt(files / "table.csv", delimiter=",", skiprows=1)
    expected = package.emd(np.load(files / "a.npy"), table[:, :2], np.load(files / "heavy.npy"), table[:, 2])
    assert report(ended)["distances"]["emd"]["value"] == pytest.approx(expected, rel=1e-12)
    assert report(ended)["mass"][1] == pytest.approx(table[:, 2].sum())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.npy", "nowhere.npy"), "no such file or built-in name: 'nowhere.npy'"),
        (("digitz", "a.npy"), "did you mean 'digits'?"),
        (("a.npy", "digits:ten"), "ten"),
        (("a.npy", "b.npy", "--metrics", "emd,kk"), "unknown metric 'kk': known are emd, js"),
        (("a.npy", "b.npy", "--metrics", "emd", "--p", "0.5"), "0.5"),
        (("a.npy", "b.npy", "--epsilon", "1", "--blur", "1"), "epsilon or blur, not both"),
        (("a.npy", "b.npy", "--estimator", "kde"), "kde"),
        (("a.npy", "b.npy", "--metrics", "tv", "--estimator", "knn"), "tv has no estimator 'knn'"),
        (("a.npy", "b.npy", "--test", "emd,js"), "several distances: expected one"),
        (("a.npy", "b.npy", "--estimator", "histogram"), "needs bins"),
        (("a.npy", "b.npy", "--bins", "many"), "neither a number of bins nor one of scott, fd, sturges"),
        (("a.npy", "b.npy", "--bins", "0"), "neither a number of bins"),
        (("a.npy", "b.npy", "--bins", "5"), "which no metric here uses"),
        (("a.npy", "b.npy", "--n", "0"), "0"),
        (("a.npy", "b.npy", "--weights-a", "nowhere.npy"), "nowhere.npy"),
        (
            ("a.npy", "b.npy", "--weights-a", "heavy.npy", "--metrics", "js:knn"),
            "takes samples without weights",
        ),
        (("a.npy", "b.npy", "--plot", "figure.xyz"), "expected a name that ends in .png, .svg, .pdf"),
        (("a.npy", "b.npy", "--plot", "nowhere/figure.png"), "there is no folder nowhere"),
        (("a.npy", "b.npy", "--data-dir", "nowhere"), "nowhere"),
    ],
)
def test_wrong_usage_is_status_2(otgan, files, arguments, words):
    ended = otgan("measure", *arguments)
    assert ended.status == 2
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.npy", "bad.npy"), "bad.npy"),
        (("a.npy", "wide.npy"), "x and y must have the same dimension d, got 2 and 3"),
        (("a.npy", "b.npy", "--n", "1000"), "a.npy has 20 rows"),
        (("a.npy", "b.npy", "--weights-b", "heavy.npy"), "20 weights for 25 rows"),
        (("a.npy", "b.npy", "--metrics", "js:knn", "--k", "40"), "needs at least 41 samples"),
        (("mnist", "a.npy"), "otgan data fetch mnist"),
    ],
)
def test_what_files_contain_is_status_1(otgan, files, monkeypatch, arguments, words):
    for name in ("OTGAN_DATA", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(files))
    (files / "bad.npy").write_bytes(b"\x93NUMPY but not for long")
    ended = otgan("measure", *arguments)
    assert ended.status == 1
    assert ended.err.startswith("otgan: error: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""


def test_strict_is_status_3_and_the_numbers_are_there(otgan, files):
    arguments = ("measure", "a.npy", "b.npy", "--metrics", "emd,sinkhorn", "--max-iter", 1, "--epsilon", 1e-3)
    ended = otgan(*arguments, "--strict", "--json")
    assert ended.status == 3
    assert json.loads(ended.out)["distances"]["sinkhorn"]["status"] == "MAX_ITER"
    assert "otgan: error: not converged: sinkhorn" in ended.err
    assert otgan(*arguments).status == 0
    assert otgan("measure", "a.npy", "b.npy", "--strict").status == 0


def test_a_time_limit_that_is_too_short_is_status_3_under_strict(otgan, files):
    arguments = ("measure", "a.npy", "b.npy", "--metrics", "emd", "--strict", "--json", "--time-limit")
    ended = otgan(*arguments, "1e-9")
    assert ended.status == 3
    assert json.loads(ended.out)["distances"]["emd"]["status"] == "TIME_LIMIT"
    assert otgan(*arguments, "1e9").status == 0


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")]
)
def test_figures(otgan, files, suffix, start):
    ended = otgan("measure", "a.npy", "b.npy", "--metrics", "emd,kl", "--plot", f"figure{suffix}")
    assert ended.status == 0
    assert (files / f"figure{suffix}").read_bytes().startswith(start)
    assert f"otgan: wrote figure{suffix}" in ended.err
    assert "wrote" not in ended.out


def test_folders_of_pictures_are_drawn_as_pictures(otgan, files, monkeypatch, rng):
    image = pytest.importorskip("PIL.Image")
    for folder, dark in (("night", 0), ("day", 100)):
        (files / folder).mkdir()
        for k in range(6):
            pixels = rng.integers(dark, dark + 100, size=(5, 4, 3), dtype=np.uint8)
            image.fromarray(pixels).save(files / folder / f"{k}.png")
    seen = []
    monkeypatch.setattr(
        "otgan.report.report.Report.plot", lambda self, **given: seen.append(given) or Figure()
    )
    assert otgan("measure", "night", "day", "--metrics", "emd", "--plot", "figure.png").status == 0
    assert otgan("measure", "a.npy", "b.npy", "--metrics", "emd", "--plot", "figure.png").status == 0
    np.save(files / "layers.npy", rng.random((6, 4, 5, 5)))  # of four channels, which cannot be drawn
    assert (
        otgan("measure", "layers.npy", "layers.npy", "--metrics", "emd", "--plot", "figure.png").status == 0
    )
    assert seen == [{"images": (3, 5, 4)}, {"images": None}, {"images": None}]


def test_a_figure_that_cannot_be_written_leaves_nothing(otgan, files, monkeypatch):
    def full(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    before = set(files.iterdir())
    ended = otgan("measure", "a.npy", "b.npy", "--metrics", "tv", "--plot", "figure.png")
    assert ended.status == 1
    assert ended.err.endswith("otgan: error: figure.png: cannot be written: No space left on device\n")
    assert set(files.iterdir()) == before


def test_stdout_is_json_alone_whatever_libraries_print(otgan_process, files):
    noise = files / "noise"
    noise.mkdir()
    for name in ("jax", "pykeops"):
        (noise / f"{name}.py").write_text(f"print('{name} is here')\n")
    ended = otgan_process(
        "measure",
        "a.npy",
        "b.npy",
        "--plot",
        "figure.png",
        "--json",
        PYTHONPATH=os.pathsep.join((str(noise), os.environ["PYTHONPATH"])),
    )
    assert report(ended)["distances"].keys() == {
        "emd",
        "sinkhorn_divergence",
        "energy",
        "js:knn",
        "kl:knn",
    }
    assert "Traceback" not in ended.err
    assert "%|" not in ended.err  # no progress bar without a terminal


def test_what_libraries_print_goes_to_stderr(otgan, files, monkeypatch):
    compare = package.compare

    def noisy(*arguments, **options):
        print("noise")
        return compare(*arguments, **options)

    monkeypatch.setattr("otgan.report.compare", noisy)
    ended = otgan("measure", "a.npy", "b.npy", "--metrics", "tv", "--json")
    assert report(ended)["distances"].keys() == {"tv"}
    assert ended.err == "noise\n"


def test_the_choices_are_those_of_the_library():
    options = {parameter.name: parameter for parameter in command.params}
    assert set(options["estimator"].type.choices) == set(OPTIONS)


def test_mnist_agrees_with_pot(otgan, mnist_dir):
    plain = report(
        otgan(
            "measure",
            "mnist:3",
            "mnist:8",
            "--n",
            300,
            "--json",
            "--metrics",
            "emd",
            "--data-dir",
            mnist_dir.parent,
        )
    )
    x, y = (load(f"mnist:{digit}", n=300, data_dir=mnist_dir.parent) for digit in (3, 8))
    expected = ot.emd2([], [], ot.dist(x, y, "euclidean"))
    assert plain["distances"]["emd"]["value"] == pytest.approx(expected, abs=1e-9)


NASTY = ["\x1b[31m", "\n", "\r", "\u202e", "\x9b2J", "\x07"]


@pytest.mark.parametrize("mark", NASTY, ids=ascii)
def test_names_do_not_steer_the_terminal(otgan, files, mark):
    name = f"{mark}a.npy"
    (files / "a.npy").rename(files / name)
    shown = plain(name)
    for arguments in (
        (name, "b.npy"),
        (name, name),
        ("b.npy", name, "--permutations", "5"),
        (name, "wide.npy"),
        (name, "no"),
    ):
        ended = otgan("measure", *arguments)
        assert (ended.out + ended.err).replace("\n", "").isprintable(), ended
    assert shown in otgan("measure", name, "b.npy", "--metrics", "emd").out
    assert shown in otgan("measure", name, name).err  # the warnings name the sets
    ended = otgan("measure", name, "b.npy", "--json")
    assert report(ended)["names"] == [name, "b.npy"]  # the true ones
    assert report(ended)["inputs"][0]["spec"] == name
    assert ended.out.replace("\n", "").isprintable()
    ended = otgan("measure", name, "b.npy", "--metrics", "emd", "--plot", "figure.svg")
    assert (ended.status, ended.err.replace("\n", "").isprintable()) == (0, True)


@pytest.mark.parametrize("mark", NASTY, ids=ascii)
@pytest.mark.parametrize(
    "arguments",
    [("--metrics", "{}"), ("--bins", "{}"), ("--weights-a", "{}"), ("--data-dir", "{}"), ("--plot", "{}.png/{}"), ("--{}",), ("--estimator", "{}"),
     ("--memory", "{}"), ("--n", "{}"), ("{}",)],
)  # fmt: skip
def test_arguments_do_not_steer_the_terminal(otgan, files, arguments, mark):
    ended = otgan("measure", "a.npy", "b.npy", *(each.replace("{}", f"x{mark}y") for each in arguments))
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert ended.err.strip().isprintable()


def test_headers_do_not_steer_the_terminal(otgan, files):
    (files / "evil.csv").write_text("x\x1b[2J,y\u202e\n1,2\n3,nan\n", encoding="utf-8")
    for arguments in (
        ("evil.csv", "a.npy"),
        ("evil.csv#z", "a.npy"),
        ("evil.csv", "a.npy", "--weights-a", "w"),
    ):
        ended = otgan("measure", *arguments)
        assert ended.status in {1, 2}
        assert ended.err.strip().isprintable()
        assert r"\x1b[2J" in ended.err or r"\u202e" in ended.err


@pytest.mark.parametrize("metrics", ["emd", "sinkhorn", "emd,js,kl,tv,sinkhorn,sinkhorn_divergence"])
@pytest.mark.parametrize("size", [1e145, 1e154, 1e200, 1.7e308])
@pytest.mark.parametrize("p", ["1", "2", "3"])
def test_coordinates_beyond_what_can_be_computed_with(otgan, files, metrics, size, p):
    np.save(files / "far.npy", [[size, 0], [-size, 1]])
    ended = otgan("measure", "far.npy", "a.npy", "--metrics", metrics, "--p", p, "--max-iter", "50")
    assert ended.status in {0, 1}
    if ended.status == 1:
        assert (ended.out, ended.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OutOfRangeError("the costs of these points are beyond float64"), "beyond float64"),
        (MemoryError(), "not enough memory"),
        (MemoryError("Unable to allocate 3 GiB\nfor an array"), "not enough memory: Unable to allocate 3 GiB"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 8 bytes\nin f()"), "not enough memory"),
        (WrongValueError("a\x1b[2J\nb"), r"a\x1b[2J b"),
    ],
)  # fmt: skip
def test_whatever_solvers_complain_of_is_one_line(otgan, files, monkeypatch, error, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("otgan.report.compare", fail)
    ended = otgan("measure", "a.npy", "b.npy")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert words in ended.err


def test_a_budget_of_memory(otgan, files, monkeypatch):
    np.lib.format.open_memmap(files / "many.npy", "w+", np.uint8, (30_000_000,)).flush()
    ended = otgan("measure", "many.npy", "a.npy", "--memory", "20M")
    assert (ended.status, ended.out) == (1, "")
    assert re.search(r"many\.npy: 30000000 rows need 257 MiB of memory, and [\d.]+ \w+ are free", ended.err)
    monkeypatch.setenv("OTGAN_MEMORY", "20M")
    assert "30000000 rows need" in otgan("measure", "many.npy", "a.npy").err
    assert otgan("measure", "a.npy", "b.npy", "--metrics", "emd", "--memory", "4GiB").status == 0
    monkeypatch.delenv("OTGAN_MEMORY")
    assert _budget() is None


@pytest.mark.parametrize("size", ["0", "-1", "much", "1 X"])
def test_a_budget_that_is_none(otgan, files, monkeypatch, size):
    ended = otgan("measure", "a.npy", "b.npy", "--memory", size)
    assert ended.status == 2
    assert "expected a size of memory above zero, like 800M or 2GiB" in ended.err
    monkeypatch.setenv("OTGAN_MEMORY", size)
    assert otgan("measure", "a.npy", "b.npy").status == 2


def test_tables_are_compared_by_the_names_of_their_columns(otgan, tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 2))
    for name, columns in (("a", (0, 1)), ("b", (1, 0))):
        header = ",".join(("height", "mass")[k] for k in columns)
        np.savetxt(tmp_path / f"{name}.csv", rows[:, columns], delimiter=",", header=header, comments="")
    straight = report(otgan("measure", "a.csv", "b.csv", "--metrics", "emd", "--json"))
    assert straight["distances"]["emd"]["value"] == pytest.approx(0, abs=1e-12)
    assert straight["columns"] == ["height", "mass"]
    ordered = report(otgan("measure", "a.csv#mass,height", "b.csv", "--metrics", "emd", "--json"))
    assert ordered["distances"]["emd"]["value"] == pytest.approx(0, abs=1e-12)
    # Whoever names the columns of both sides has said which goes with which.
    crossed = report(otgan("measure", "a.csv#mass,height", "b.csv#height,mass", "--metrics", "emd", "--json"))
    assert crossed["distances"]["emd"]["value"] == package.emd(rows[:, ::-1], rows)
    one = report(otgan("measure", "a.csv#mass", "b.csv#height", "--metrics", "emd", "--json"))
    assert one["distances"]["emd"]["value"] == package.emd(rows[:, 1], rows[:, 0])


def test_columns_that_only_one_side_has_are_listed(otgan, files, tmp_path):
    (tmp_path / "other.csv").write_text("u,v,age\n1,2,3\n")
    ended = otgan("measure", "table.csv", "other.csv")
    assert ended.status == 1
    assert "only x has 'w'; only y has 'age'" in ended.err
    again = report(otgan("measure", "table.csv#u,v", "other.csv#v,age", "--weights-a", "w", "--json"))
    assert again["d"] == 2


def test_what_takes_long_says_what_it_is_at(otgan, files, monkeypatch):
    monkeypatch.setattr("otgan.cli.common._FIRST", 0.001)
    monkeypatch.setattr("otgan.cli.common._LARGE", 400)
    ended = otgan("measure", "a.npy", "b.npy", "--permutations", "3000", "--metrics", "emd")
    assert ended.status == 0
    assert re.search(
        r"otgan: .* of 20 × 25 samples, for \d+ s \(step \d+ of \d+\)|otgan: noise of emd, for", ended.err
    )
    assert (
        "otgan: 20 × 25 samples: by default a report takes about 1 minute; one of --n 2000 takes 2 s"
        in ended.err
    )
    monkeypatch.setattr("otgan.cli.common._FIRST", 60.0)
    assert "step" not in otgan("measure", "a.npy", "b.npy", "--metrics", "emd").err


def test_standard_input_is_a_set(otgan, files):
    table = (files / "table.csv").read_text()
    expected = report(otgan("measure", "table.csv#u,v", "b.npy", "--metrics", "emd", "--json"))
    for name, text in (("stdin#u,v", table), ("-", table.replace(",", "\t"))):
        other = "b.npy" if "#" in name else "table.csv"
        ended = otgan("measure", name, other, "--metrics", "emd", "--json", input=text)
        found = report(ended)
        if "#" in name:
            assert found["distances"]["emd"]["value"] == expected["distances"]["emd"]["value"]
        assert found["inputs"][0]["spec"] == name
    binary = report(
        otgan("measure", "-", "b.npy", "--metrics", "emd", "--json", input=(files / "a.npy").read_bytes())
    )
    assert binary["n"] == 20
    both = otgan("measure", "-", "-", input=table)
    assert both.status == 2
    assert "only one set can be from it" in both.err
    damaged = otgan("measure", "-", "b.npy", input="x,y\n1\n")
    assert damaged.status == 1
    assert "error: stdin: line 2 has 1 cells: expected 2" in damaged.err
    wrong = otgan("measure", "stdin#u,z", "b.npy", input=table)
    assert wrong.status == 2
    assert "error: stdin has no column 'z': it has u, v, w" in wrong.err
    assert "otgan-" not in wrong.err


def test_rows_without_values_are_left_out_when_asked(otgan, files):
    (files / "gaps.csv").write_text("u,v,w\n1,2,1\n,5,1\n3,NA,1\n4,nan,1\n5,6,2\n7,8,\n9,9,1\n")
    refused = otgan("measure", "gaps.csv", "table.csv")
    assert refused.status == 1
    found = report(
        otgan(
            "measure",
            "gaps.csv",
            "table.csv#u,v",
            "--weights-a",
            "w",
            "--drop-na",
            "--metrics",
            "emd",
            "--json",
        )
    )
    kept, table = np.array([[1, 2], [5, 6], [9, 9]]), load("table.csv#u,v")
    assert found["n"] == 3
    assert found["distances"]["emd"]["value"] == pytest.approx(package.emd(kept, table, [1, 2, 1]))
    (files / "empty.csv").write_text("u,v,w\n,1,2\n")
    ended = otgan("measure", "empty.csv", "table.csv", "--drop-na")
    assert ended.status == 1
    assert "every row has a missing value" in ended.err
    np.save(files / "holes.npy", [[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
    assert report(otgan("measure", "holes.npy", "b.npy", "--drop-na", "--n", "2", "--json"))["n"] == 2


def test_columns_may_be_brought_to_one_scale(otgan, files):
    x, y = np.load(files / "a.npy"), np.load(files / "b.npy")
    np.save(files / "large.npy", x * [1, 1000])
    np.save(files / "larger.npy", y * [1, 1000])
    ended = otgan("measure", "large.npy", "larger.npy", "--standardize", "--metrics", "emd", "--json")
    scale = np.sqrt((x.var(0) + y.var(0)) / 2)
    assert report(ended)["distances"]["emd"]["value"] == pytest.approx(
        package.emd(x / scale, y / scale), rel=1e-9
    )
    assert f"otgan: columns are divided by their standard deviations: 0 by {scale[0]:.4g}, 1 by" in ended.err
    assert report(ended)["inputs"][0]["standardized"]


def test_what_does_not_vary_is_left_as_it_is(otgan, tmp_path):
    for name, constant in (("a", 0.1), ("b", 0.3)):
        rows = np.c_[np.random.default_rng(0).normal(size=33), np.full(33, constant)]
        np.savetxt(tmp_path / f"{name}.csv", rows, delimiter=",", header="u,v", comments="")
    ended = otgan("measure", "a.csv", "b.csv", "--standardize", "--metrics", "emd", "--json")
    assert ", v by 1" in ended.err
    assert report(ended)["distances"]["emd"]["value"] == pytest.approx(0.2)
    table = otgan("test", "-", "a.csv", "--distance", "energy", input="PK,v\n1,2\n3,4\n")
    assert "only x has 'PK'" in table.err
