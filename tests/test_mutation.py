"""The tool that breaks modules breaks what runs, one thing at a time, and tells what was noticed from what was not."""

import ast
import json
import sys
from pathlib import Path

import pytest

from tests import mutation


def broken(code):
    return {mutant.what for mutant in mutation.mutants(code)}


@pytest.mark.parametrize(
    ("code", "breaks"),
    [
        ("x = a < b <= c", {"a < b <= c → a <= b <= c", "a < b <= c → a < b < c"}),
        ("x = a + b", {"a + b → a - b"}),
        ("x += y", {"x += y → x -= y"}),
        ("x = a and b", {"a and b → a or b"}),
        ("x = not a", {"not a → a"}),
        ("x = -a", {"-a → a"}),
        ("x = 3", {"3 → 4"}),
        ("x = 0.5", {"0.5 → 1.0"}),
        ("x = 0.0", {"0.0 → 1.0"}),
        ("x = True", {"True → False"}),
        ("if a:\n    pass", {"if a: → if not a:"}),
        ("x = a if b else c", {"a if b else c → c if b else a"}),
        ("def f():\n    return a", {"return a → return None"}),
        ("def f():\n    return None", set()),
        ("raise ValueError(f'{3 + 4} {a < b}')", {"raise ValueError(f'{3 + 4} {a < b}') → pass"}),
        ("for x in y:\n    break", {"break → continue"}),
        ("x = min(a, b)", {"min(a, b) → max(a, b)"}),
        ("x = t.clamp_min(a)", {"t.clamp_min(a) → t.clamp_max(a)"}),
        ("def f(x: Literal[3] = y) -> Literal[4]:\n    '''5'''", set()),
        ("if TYPE_CHECKING:\n    x = 3", set()),
        ("__all__ = ['a'] + ['b']", set()),
    ],
)
def test_what_runs_is_broken_in_every_way(code, breaks):
    assert broken(code) == breaks


def test_every_mutant_is_another_module_with_one_break():
    code = "def f(x, y):\n    if x < y:\n        return x + 1\n    return 2 * y\n"
    found = list(mutation.mutants(code))
    texts = [mutant.text for mutant in found]
    assert len(set(texts)) == len(texts) == 8
    assert [mutant.line for mutant in found] == [2, 2, 3, 3, 3, 4, 4, 4]
    for mutant in found:
        ast.parse(mutant.text)
        assert mutant.text != ast.unparse(ast.parse(code))


def test_every_module_has_tests_that_there_are():
    modules = [path.relative_to(mutation.ROOT) for path in (mutation.ROOT / "otgan").rglob("*.py")]
    for module in modules:
        if module.name not in {"__init__.py", "__main__.py"}:
            assert all((mutation.ROOT / name).is_file() for name in mutation.tests_of(module))


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_survivors_are_told_from_the_rest_and_remembered(tmp_path, capsys):
    root = tmp_path / "root"
    (root / "tests").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (root / "module.py").write_text(
        "def least(a, b):\n    return a if a < b else b\n\n\ndef down(n):\n    while n > 0:\n        n = n - 1\n    return n\n"
    )
    test = "from module import down, least\n\n\ndef test_it():\n    assert least(1, 2) == 1\n    assert down(1) == 0\n"
    (root / "tests" / "test_module.py").write_text(test)
    bench, module = mutation.Bench(tmp_path, root), Path("module.py")
    chosen = [
        mutant
        for mutant in mutation.mutants((root / module).read_text())
        if mutant.what in {"a < b → a <= b", "a if a < b else b → b if a < b else a", "n - 1 → n + 1"}
    ]
    assert len(chosen) == 3
    state = tmp_path / "state.jsonl"
    for _ in range(2):
        survivors = mutation.judge(bench, module, ["tests/test_module.py"], chosen, state)
        assert [mutant.what for mutant in survivors] == ["a < b → a <= b"]
        rows = [json.loads(line) for line in state.read_text().splitlines()]
        assert sorted(row["status"] for row in rows) == ["killed", "survived", "timed out"]
        assert capsys.readouterr().out == "module.py:2: a < b → a <= b\n"
    # What is tested better is judged again.
    (bench.place / "tests" / "test_module.py").write_text(test + "    assert least(True, 1) is 1\n")
    assert mutation.judge(bench, module, ["tests/test_module.py"], chosen[:1], state) == []
    (bench.place / "tests" / "test_module.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(SystemExit, match="its tests fail as it is"):
        mutation.judge(bench, module, ["tests/test_module.py"], chosen, state)
