"""How otgan/gan is built: no module imports another in a circle, files and functions are short, tests mirror modules."""

import ast
from pathlib import Path

import otgan.gan
from otgan.gan.registry import CLASSES

ROOT = Path(otgan.gan.__file__).parent
TESTS = Path(__file__).parent
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 300, 60


def name_of(path):
    parts = ("otgan", "gan", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules():
    return {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(tree, known):
    """Return the modules of otgan.gan that a module names, in functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & set(known)


def circles(graph):
    """Return the sets of nodes, of two or more, each of which leads to each other: Tarjan's components by reachability."""

    def reached(start):
        seen, left = set(), [start]
        while left:
            for after in graph[left.pop()] - seen:
                seen.add(after)
                left.append(after)
        return seen

    reach = {node: reached(node) for node in graph}
    return {frozenset(b for b in reach[a] if a in reach[b]) for a in graph if a in reach[a]}


def import_graph():
    known = modules()
    graph = {name: imported(ast.parse(path.read_text()), known) for name, path in known.items()}
    # By their names, as it reads them in the registry.
    graph["otgan.gan.systems"] |= {f"otgan.gan.systems.{place.split('.')[0]}" for place in CLASSES.values()}
    return graph


def room_of(name):
    """Return the folder of a module, or the module where it is in none."""
    return ".".join(name.split(".")[:3])


def test_no_module_imports_another_in_a_circle():
    graph = import_graph()
    assert len(graph) > 50
    assert "otgan.gan.run" in graph["otgan.gan.trainer"]
    assert circles(graph) == set()
    graph["otgan.gan.evaluation.figures"].add("otgan.gan.run")
    graph["otgan.gan.run"].add("otgan.gan.evaluation.figures")
    assert len(circles(graph)) == 1


def test_no_room_imports_another_in_a_circle():
    rooms = {}
    for name, others in import_graph().items():
        rooms.setdefault(room_of(name), set()).update({room_of(other) for other in others} - {room_of(name)})
    assert circles(rooms) == set()


def test_files_and_functions_are_short():
    for name, path in modules().items():
        text = path.read_text()
        assert len(text.splitlines()) <= LINES_OF_A_FILE, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                start = node.body[1 if ast.get_docstring(node) else 0 :] or node.body
                code = node.end_lineno - start[0].lineno + 1
                assert code <= LINES_OF_A_FUNCTION, f"{name}.{node.name} has {code} lines of code"


def test_tests_mirror_the_modules():
    wanted = {
        path.relative_to(ROOT).with_name(f"test_{path.name}")
        for path in modules().values()
        if path.name != "__init__.py"
    }
    there = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path("test_rooms.py")}
    assert sorted(map(str, wanted - there)) == []
    assert sorted(map(str, there - wanted)) == []
