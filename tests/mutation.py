"""Break a module on purpose, one operator at a time, and see which of the breaks its tests notice.

``python -m tests.mutation otgan/entropic/gauge.py`` runs the tests of that module (``--tests`` names others) on each
mutant, in a copy of the repository, and prints the mutants that survived and the share that did not. It can be stopped
and goes on: what was judged is in ``out/mutation.jsonl``, and is judged again when the module or its tests change.
``--sample N`` takes so many at random. A survivor is a test that is missing, or a break that changes nothing.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.test_structure import TESTED_IN

ROOT = Path(__file__).parent.parent

LEFT_OUT = (".*", "__pycache__", "out", "runs", "build", "dist", "_build", "*.egg-info")
"""What the copy of the repository does without."""

PRELOADED = ("numpy", "torch", "scipy.optimize", "scipy.spatial", "pandas", "pytest")
"""What is imported once, before a process is forked for each mutant."""

KILLED, TIMED_OUT, SURVIVED = "killed", "timed out", "survived"

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {
    "min": "max",
    "amin": "amax",
    "minimum": "maximum",
    "clamp_min": "clamp_max",
    "all": "any",
    "argmin": "argmax",
}
NAMES |= {other: name for name, other in NAMES.items()}


@dataclass(frozen=True)
class Mutant:
    """A module with one break.

    Attributes
    ----------
    line : int
        Where it is broken.
    what : str
        What stood there and what stands there now.
    text : str
        The whole module.
    """

    line: int
    what: str
    text: str


def alternatives(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node could be by mistake."""
    yield from _other_operators(node)
    yield from _other_values(node)
    yield from _other_ways(node)


def _other_operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, ops, comparators):
            for k, op in enumerate(ops):
                other = COMPARISONS[type(op)]()
                yield ast.Compare(left, [*ops[:k], other, *ops[k + 1 :]], comparators)
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(op)](), right)
        case ast.AugAssign(target, op, value) if type(op) in OPERATORS:
            yield ast.AugAssign(target, OPERATORS[type(op)](), value)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand


def _other_values(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(float(value)):
            yield ast.Constant(2 * value if value else 1.0)
        case ast.Call(ast.Name(name), args, keywords) if name in NAMES:
            yield ast.Call(ast.Name(NAMES[name]), args, keywords)
        case ast.Call(ast.Attribute(value, name), args, keywords) if name in NAMES:
            yield ast.Call(ast.Attribute(value, NAMES[name]), args, keywords)


def _other_ways(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.If(test, body, orelse) | ast.While(test, body, orelse):
            yield type(node)(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Return(value) if value is not None and not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Raise():
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def breakable(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below one that run: not annotations, messages of errors, imports for type checkers or names."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns"} or (isinstance(node, ast.Raise) and name in {"exc", "cause"}):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, (ast.JoinedStr, ast.Import, ast.ImportFrom)
            ):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__":
                continue
            yield child
            yield from breakable(child)


def mutants(text: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its lines."""
    tree = ast.parse(text)
    found = []
    for parent, field, at, node in _places(tree):
        for other in alternatives(node):
            _put(parent, field, at, other)
            found.append(
                Mutant(
                    node.lineno,
                    f"{_shown(node)} → {_shown(other)}",
                    ast.unparse(ast.fix_missing_locations(tree)),
                )
            )
            _put(parent, field, at, node)
    yield from sorted(found, key=lambda mutant: mutant.line)


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield the nodes that may be broken, each with where it stands: in a field of its parent, or in a list there."""
    allowed = set(map(id, breakable(tree)))
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            for at, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if id(child) in allowed and hasattr(child, "lineno"):
                    yield parent, field, at, child


def _put(parent: ast.AST, field: str, at: int | None, node: ast.AST) -> None:
    if at is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[at] = node


def _shown(node: ast.AST) -> str:
    """Return the first line of a node's code, cut where it is long."""
    line = ast.unparse(ast.fix_missing_locations(node)).partition("\n")[0]
    return line if len(line) <= 60 else f"{line[:59]}…"


def tests_of(path: Path) -> list[str]:
    """Return the tests of a module, of the repository: the file of its name or the one that stands for it, and its examples."""
    name = path.relative_to("otgan").with_suffix("")
    own = ROOT / "tests" / name.parent / f"test_{name.name}.py"
    test = own if own.is_file() else ROOT / "tests" / TESTED_IN[name.as_posix()]
    return [test.relative_to(ROOT).as_posix(), path.as_posix()]


class Bench:
    """A copy of the repository in which mutants are tried, each in a process of its own."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.place = folder / "copy"
        self.log = folder / "log"
        shutil.copytree(root, self.place, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)

    def run(
        self, module: Path, text: str, tests: Sequence[str], limit: float | None = None
    ) -> tuple[str, float]:
        """Return what the tests make of a text in place of a module, and the seconds that they took."""
        original = (self.place / module).read_text(encoding="utf-8")
        (self.place / module).write_text(text, encoding="utf-8")
        start = time.monotonic()
        try:
            child = os.fork()
            if child == 0:
                self._child(tests)
            status = _ended(child, None if limit is None else start + limit)
        finally:
            (self.place / module).write_text(original, encoding="utf-8")
        return status, time.monotonic() - start

    def _child(self, tests: Sequence[str]) -> None:
        """Run the tests and end the process."""
        code = 1
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.chdir(self.place)
            for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "otgan"}]:
                del sys.modules[name]
            sys.path[:] = [
                str(self.place),
                *(path for path in sys.path if Path(path or ".").resolve() != ROOT),
            ]
            sys.dont_write_bytecode = True
            import pytest

            options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--rootdir", str(self.place)]
            code = int(pytest.main([*options, *tests]))
        except BaseException:  # this process ends here, whatever it is
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)


def _ended(child: int, end: float | None) -> str:
    """Wait for a process; end it, and those that it started, where it takes too long."""
    ended = False
    try:
        while end is None or time.monotonic() < end:
            ended, status = (bool(found) for found in os.waitpid(child, os.WNOHANG))
            if ended:
                return KILLED if status else SURVIVED
            time.sleep(0.02)
        return TIMED_OUT
    finally:  # it, and what it may have left behind, whatever ends the wait
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        if not ended:
            os.kill(child, signal.SIGKILL)  # it may not lead its group yet
            os.waitpid(child, 0)


def key_of(bench: Bench, module: Path, tests: Sequence[str], mutant: Mutant) -> str:
    """Return what a judgement holds for: the module, its tests and the break."""
    files = [bench.place / name for name in (module.as_posix(), *tests)]
    parts = [*(file.read_text(encoding="utf-8") for file in files if file.is_file()), mutant.text]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def judged(state: Path) -> dict[str, str]:
    """Return what was judged before: the status of each key."""
    found: dict[str, str] = {}
    for line in state.read_text(encoding="utf-8").splitlines() if state.exists() else ():
        with contextlib.suppress(ValueError):  # the last line, where the tool was killed
            row = json.loads(line)
            found[row["key"]] = row["status"]
    return found


def judge(
    bench: Bench, module: Path, tests: Sequence[str], chosen: Sequence[Mutant], state: Path
) -> list[Mutant]:
    """Try mutants, remember what became of each, and return those that survived."""
    known = judged(state)
    status, seconds = bench.run(
        module, ast.unparse(ast.parse((bench.place / module).read_text(encoding="utf-8"))), tests
    )
    if status != SURVIVED:
        raise SystemExit(
            f"{module}: its tests fail as it is:\n{bench.log.read_text(errors='replace')[-3000:]}"
        )
    survivors = []
    for number, mutant in enumerate(chosen, 1):
        key = key_of(bench, module, tests, mutant)
        if key not in known:
            known[key], _ = bench.run(module, mutant.text, tests, limit=10 + 3 * seconds)
            row = {
                "key": key,
                "file": module.as_posix(),
                "line": mutant.line,
                "what": mutant.what,
                "status": known[key],
            }
            with state.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
        if known[key] == SURVIVED:
            survivors.append(mutant)
            print(f"{module}:{mutant.line}: {mutant.what}", flush=True)
        elif sys.stderr.isatty():
            print(f"\r{number}/{len(chosen)}", end="\r", file=sys.stderr, flush=True)
    return survivors


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the tests of modules by what they notice."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="+", type=Path, help="files of the package")
    parser.add_argument("--tests", nargs="+", help="what to run in place of a module's own tests")
    parser.add_argument(
        "--sample", type=int, help="how many mutants of each module to try, drawn at random; all by default"
    )
    parser.add_argument("--seed", type=int, default=0, help="which they are")
    parser.add_argument(
        "--state", type=Path, default=ROOT / "out" / "mutation.jsonl", help="where to remember"
    )
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it made is taken away
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["CI"] = "true"  # hypothesis tries the same examples on every mutant
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    options.state.parent.mkdir(parents=True, exist_ok=True)
    total = alive = 0
    with tempfile.TemporaryDirectory(prefix="otgan-mutation-") as folder:
        bench = Bench(Path(folder))
        for module in (path.resolve().relative_to(ROOT) for path in options.modules):
            found = list(mutants((ROOT / module).read_text(encoding="utf-8")))
            if options.sample is not None and options.sample < len(found):
                found = sorted(
                    random.Random(options.seed).sample(found, options.sample), key=lambda each: each.line
                )
            survivors = judge(bench, module, options.tests or tests_of(module), found, options.state)
            total, alive = total + len(found), alive + len(survivors)
            print(f"{module}: {len(found) - len(survivors)} of {len(found)} mutants were noticed", flush=True)
    print(f"score: {1 - alive / total:.1%} of {total} mutants were noticed" if total else "nothing to break")
    return 0


if __name__ == "__main__":
    sys.exit(main())
