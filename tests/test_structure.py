"""The house keeps its plan: no import circle, no long function, no long file without a reason.

The lists of exceptions only shrink: what is on one and no longer needs to be there fails as well.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "otgan"

LONGEST_FUNCTION = 60
"""Lines of a function from its name on, without its docstring."""

LONGEST_FILE = 300
"""Lines of a file that needs no reason."""

REASON = "One file because "
"""How a file gives its reason to be long, in its first lines."""

FIRST_LINES = 12

LONG_FUNCTIONS = {"otgan/geometry/triton/program.py:resident_kernel"}
"""Functions that are too long, for a reason that they give: a kernel cannot be cut in two."""

CIRCLES: set[frozenset[str]] = set()
"""Sets of modules that still import one another."""


def sources():
    """Yield the name of every file of the package, its text and its tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield path.relative_to(ROOT).as_posix(), text, ast.parse(text)


# ---- imports ---------------------------------------------------------------------------------------------------------


def module_of(path):
    """Return the name under which a file is imported."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def only_for_type_checkers(node):
    """Whether a statement runs for type checkers alone."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in {
        getattr(node.test, "id", None),
        getattr(node.test, "attr", None),
    }


def statements(tree):
    """Yield every node of a tree but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if only_for_type_checkers(node):
            for other in node.orelse:
                yield other
                yield from statements(other)
            continue
        yield node
        yield from statements(node)


def imports(tree, known):
    """Return the modules among those known that a module imports, at its top and within its functions.

    The packages that Python imports on the way to a module are not counted: what a package takes from its own modules
    is no circle.
    """
    found = set()
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & known
            found |= modules | ({node.module} if inner - modules else set())
    return found & known


def circles(graph):
    """Return the sets of modules that import one another, directly or on the way."""
    reach = {name: _reached(name, graph) for name in graph}
    return {
        frozenset({name} | {other for other in reach[name] if name in reach[other]})
        for name in graph
        if name in reach[name]
    }


def _reached(start, graph):
    """Return what can be reached from a module by one import or more."""
    seen, left = set(), [start]
    while left:
        for name in graph[left.pop()] - seen:
            seen.add(name)
            left.append(name)
    return seen


def test_no_module_imports_itself_on_the_way():
    trees = {module_of(path): tree for path, _, tree in sources()}
    graph = {name: imports(tree, trees.keys()) for name, tree in trees.items()}
    assert sum(map(len, graph.values())) > len(graph)  # imports are seen at all
    assert circles(graph) == CIRCLES


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import p.a", {"p.a"}),
        ("from p import a", {"p.a"}),
        ("from p.a import name", {"p.a"}),
        ("from p import a, name", {"p.a", "p"}),
        ("def f():\n    from p.a import name", {"p.a"}),
        ("class C:\n    def f(self):\n        import p.a as b", {"p.a"}),
        ("try:\n    import p.a\nexcept ImportError:\n    import p.b", {"p.a", "p.b"}),
        ("if TYPE_CHECKING:\n    import p.a", set()),
        ("if typing.TYPE_CHECKING:\n    from p import a", set()),
        ("if TYPE_CHECKING:\n    import p.a\nelse:\n    import p.b", {"p.b"}),
        ("if True:\n    import p.a", {"p.a"}),
        ("import numpy.a, q", set()),
    ],
)
def test_imports_are_seen_wherever_they_are(code, found):
    assert imports(ast.parse(code), {"p", "p.a", "p.b"}) == found


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set(), "f": {"f"}}
    assert circles(graph) == {frozenset("abc"), frozenset("f")}
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == set()


# ---- lengths ---------------------------------------------------------------------------------------------------------


def functions(tree, within=""):
    """Yield every function of a tree with its name in full."""
    for node in ast.iter_child_nodes(tree):
        inner = within
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            inner = f"{within}.{node.name}".lstrip(".")
            if not isinstance(node, ast.ClassDef):
                yield inner, node
        yield from functions(node, inner)


def length(function):
    """Return the lines of a function without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def test_no_function_is_long():
    found = {f"{path}:{name}" for path, _, tree in sources() for name, node in functions(tree)
             if length(node) > LONGEST_FUNCTION}  # fmt: skip
    assert found == LONG_FUNCTIONS


def test_no_file_is_long_without_a_reason():
    found = {path for path, text, _ in sources() if is_long(text)}
    assert found == set()


def is_long(text):
    """Whether a file is long and does not say why it is."""
    lines = text.splitlines()
    return len(lines) > LONGEST_FILE and not any(REASON in line for line in lines[:FIRST_LINES])


def test_lengths_are_counted():
    code = '@decorated\ndef f(\n    x,\n):\n    """One.\n\n    Two.\n    """\n    class C:\n        def g(self):\n            return 1\n'
    tree = ast.parse(code)
    assert {name: length(node) for name, node in functions(tree)} == {"f": 6, "f.C.g": 2}
    assert is_long("\n" * 301)
    assert not is_long("\n" * 300)
    assert not is_long(f'"""What.\n\n{REASON}it is one.\n"""' + "\n" * 301)
    assert is_long("\n" * 301 + REASON)


# ---- tests -----------------------------------------------------------------------------------------------------------

TESTED_IN = {
    "arrays": "test_measure.py",
    "samples": "test_measure.py",
    "autograd": "distances/test_earth_mover.py",
    "cli/common": "cli/test_measure.py",
    "cli/evaluate": "cli/test_runs.py",
    "cli/folders": "distributed/test_parts.py",
    "cli/inputs": "cli/test_measure.py",
    "cli/kinds": "cli/test_measure.py",
    "cli/sample": "cli/test_runs.py",
    "cli/train": "cli/test_runs.py",
    "costs/chebyshev": "costs/test_named.py",
    "costs/circle": "exact/test_circle.py",
    "costs/cityblock": "costs/test_named.py",
    "costs/cosine": "costs/test_named.py",
    "costs/exponents": "costs/test_base.py",
    "costs/haversine": "costs/test_named.py",
    "costs/norm": "costs/test_base.py",
    "costs/places": "exact/search/test_nearest.py",
    "costs/squares": "costs/test_euclidean.py",
    "costs/tiles": "costs/test_base.py",
    "coupling": "test_result.py",
    "data/errors": "data/test_specs.py",
    "data/missing": "cli/test_measure.py",
    "data/naming": "data/test_specs.py",
    "data/shard": "data/test_shard_folders.py",
    "data/sources": "data/test_dataset.py",
    "data/transfer": "data/test_download.py",
    "deadline": "test_solve.py",
    "distributed/arguments": "distributed/test_exchange.py",
    "distributed/collectives": "distributed/test_exchange.py",
    "distributed/border": "distributed/test_exchange.py",
    "distributed/deadline": "distributed/test_ranks.py",
    "distributed/geometry": "distributed/test_ranks.py",
    "distributed/tables": "distributed/test_ranks.py",
    "distributed/share": "distributed/test_ranks.py",
    "exact/search/processes": "distributed/test_search.py",
    "distances/divergence": "divergences/test_estimators.py",
    "distances/findings": "report/test_caveats.py",
    "distances/jensen_shannon": "divergences/test_estimators.py",
    "distances/kullback_leibler": "divergences/test_estimators.py",
    "distances/median": "distances/test_kernel_discrepancy.py",
    "distances/option": "distances/test_metric.py",
    "distances/scaled": "distances/test_energy_distance.py",
    "distances/splits": "inference/test_two_sample.py",
    "distances/terms": "distances/test_spec.py",
    "distances/total_variation": "divergences/test_estimators.py",
    "entropic/balanced": "entropic/test_solver.py",
    "entropic/compaction": "entropic/test_solver.py",
    "entropic/fallback": "adversarial/test_reported.py",
    "entropic/iterate": "entropic/test_solver.py",
    "entropic/newton": "entropic/test_solver.py",
    "entropic/plan": "entropic/test_solver.py",
    "entropic/polish": "distances/test_debiased.py",
    "entropic/posed": "costs/test_named.py",
    "entropic/problem": "entropic/test_solver.py",
    "entropic/settings": "entropic/test_solver.py",
    "entropic/start": "geometry/test_compiled.py",
    "entropic/starters": "geometry/test_compiled.py",
    "entropic/steps": "entropic/test_solver.py",
    "entropic/terms": "distances/test_debiased.py",
    "entropic/tuning": "entropic/test_solver.py",
    "exact/endings": "exact/test_simplex.py",
    "exact/mean": "exact/test_certified.py",
    "exact/plan": "test_solve.py",
    "exact/search/blocks": "exact/search/test_tiles.py",
    "exact/search/coarse": "exact/search/test_generation.py",
    "exact/search/law": "exact/search/test_nearest.py",
    "exact/search/restricted": "exact/search/test_generation.py",
    "exact/search/shortlist": "exact/search/test_tiles.py",
    "exact/search/trees": "exact/search/test_generation.py",
    "exact/solver": "exact/test_certified.py",
    "folders": "data/test_catalog.py",
    "fragments": "test_shown.py",
    "geometry/accuracy": "geometry/test_compiled.py",
    "geometry/base": "geometry/test_dense.py",
    "geometry/compiled/costs": "geometry/test_compiled.py",
    "geometry/compiled/geometry": "geometry/test_compiled.py",
    "geometry/compiled/parting": "geometry/compiled/test_parted.py",
    "geometry/compiled/powers": "geometry/test_compiled.py",
    "geometry/compiled/products": "geometry/test_compiled.py",
    "geometry/compiled/pulls": "geometry/test_compiled.py",
    "geometry/compiled/starter": "geometry/test_compiled.py",
    "geometry/compiled/steps": "geometry/test_compiled.py",
    "geometry/compiled/stream": "geometry/test_compiled.py",
    "geometry/compiled/visited": "geometry/test_compiled.py",
    "geometry/compiled/visits": "geometry/test_compiled.py",
    "geometry/compiled/whole": "geometry/test_compiled.py",
    "geometry/kernel": "geometry/test_dense.py",
    "geometry/triton/device": "geometry/test_triton_geometry.py",
    "geometry/triton/geometry": "geometry/test_triton_geometry.py",
    "geometry/triton/kernels": "geometry/test_triton_stream.py",
    "geometry/triton/passes": "geometry/test_triton_resident.py",
    "geometry/triton/points": "geometry/test_triton_stream.py",
    "geometry/triton/program": "geometry/test_triton_resident.py",
    "geometry/triton/resident": "geometry/test_triton_resident.py",
    "geometry/triton/starter": "geometry/test_triton_geometry.py",
    "geometry/triton/stream": "geometry/test_triton_stream.py",
    "geometry/triton/tiles": "geometry/test_triton_geometry.py",
    "gradients": "costs/test_named.py",
    "inference/collection": "inference/test_all_pairs.py",
    "inference/holm": "inference/test_groups.py",
    "inference/outcome": "inference/test_two_sample.py",
    "inference/pooled": "inference/test_two_sample.py",
    "inference/border": "report/test_comparison.py",
    "inference/splitting": "inference/test_workers.py",
    "inference/store": "inference/test_all_pairs.py",
    "inference/table": "inference/test_all_pairs.py",
    "parts": "test_jit.py",
    "plot/arcs": "plot/test_reports.py",
    "plot/border": "plot/test_reports.py",
    "plot/null_draws": "inference/test_two_sample.py",
    "plot/samples": "plot/test_reports.py",
    "plot/transports": "test_shown.py",
    "problem": "costs/test_named.py",
    "report/chosen": "report/test_comparison.py",
    "report/report": "report/test_comparison.py",
    "report/shared": "distributed/test_parts.py",
    "restored": "test_normal_form.py",
    "rooted": "distances/test_earth_mover.py",
    "sizes": "test_memory.py",
    "sparse": "test_result.py",
    "status": "test_result.py",
    "weights": "test_measure.py",
}
"""Modules without a test file of their own, and the file that tests what they do."""

ACROSS = {
    "costs/named": "what every cost is in the public functions",
    "distances/gradients": "gradients of every metric",
    "distances/registry": "what is true of every metric",
    "gan/rooms": "the structure of the trainer",
    "distributed/training": "otgan/gan/parallel",
    "cli/root": "the command as a whole",
    "entropic/nasty": "inputs that break solvers",
    "geometry/compiled": "geometry/compiled",
    "geometry/triton_compiles": "that the kernels compile for GPUs that are not there",
    "geometry/triton_geometry": "geometry/triton",
    "geometry/triton_resident": "geometry/triton",
    "geometry/triton_stream": "geometry/triton",
    "conventions": "what other libraries mean by the same number",
    "dist": "tests/dist.py",
    "docstrings": "all docstrings",
    "documents": "the documents",
    "machines": "tests/machines.py",
    "mutation": "tests/mutation.py",
    "packaging": "the package as it is installed",
    "structure": "this",
    "words": "what every wrong argument is answered with",
}
"""Test files that are of no one module, and what they are of."""


def test_the_tests_mirror_the_package():
    modules = {path.removeprefix("otgan/").removesuffix(".py") for path, _, _ in sources()}
    modules = {name for name in modules if not name.endswith(("__init__", "__main__"))}
    tests = ROOT / "tests"
    files = {path.relative_to(tests) for path in tests.rglob("test_*.py")}
    names = {(path.parent / path.stem.removeprefix("test_")).as_posix() for path in files}
    names = {name for name in names if name.partition("/")[0] not in {"adversarial", "benchmarks", "browser"}}
    assert modules - names == TESTED_IN.keys()
    assert names - modules == ACROSS.keys()
    assert {name for name in TESTED_IN.values() if not (tests / name).is_file()} == set()
