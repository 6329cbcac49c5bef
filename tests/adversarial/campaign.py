"""The campaign: ``make campaign``, an hour of two cores in search of wrong numbers, hangs and raw errors.

Four parts share the time: transport problems under oracles and invariants, damaged files read in-process and by the
command, and training runs that are killed, damaged and resumed. The work is cut into chunks, each of which follows from
its seed; what is done is a line in ``out/campaign/chunks.jsonl``, so that a campaign may be killed and goes on. Only
chunks of the code as it is now are counted. Every failure can be seen and had again::

    python -m tests.adversarial.campaign --failures
    python -m tests.adversarial.campaign --reproduce problems:17:3
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import json
import multiprocessing
import multiprocessing.connection
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import record, versions

ROOT = Path(__file__).parents[2]
OUT = ROOT / "out" / "campaign"

CALLS = 8
"""Calls of a chunk of problems; most are batches."""

BATCH = 256
"""Problems of a batch."""

PATIENCE = 900.0
"""Seconds after which a chunk is given up: the call that hangs is its failure."""

SHOWN = 3
"""Failures of one kind in one chunk that are written out as lines to paste; the others have their numbers."""

COLUMNS = ("what", "cases", "judged by an oracle", "refused or not converged, and said so", "failures")


@dataclass(frozen=True)
class Part:
    """One part of the campaign.

    Attributes
    ----------
    target : int
        Cases to reach.
    chunk : int
        Cases of a chunk (of problems: calls).
    module : str
        Where it lives; a part whose module is not there is left out, and said to be.
    """

    target: int
    chunk: int
    module: str


PARTS = {
    "problems": Part(10**6, CALLS, "invariants"),
    "files": Part(10**5, 500, "files"),
    "commands": Part(300, 10, "files"),
    "checkpoints": Part(200, 10, "checkpoints"),
}


# Chunks, which run in the workers.


def run_chunk(part: str, seed: int) -> dict[str, Any]:
    """Run one chunk; return the rows of its table, [cases, judged, honest ends, failures] each, and its failures."""
    if part == "problems":
        return _problems(seed)
    module = importlib.import_module(f"tests.adversarial.{PARTS[part].module}")
    run = module.run_commands if part == "commands" else module.run_chunk
    found = run(seed, PARTS[part].chunk)
    kind = "kind" if part == "checkpoints" else "format"
    rows = {_row(part, name): [cases, None, None, 0] for name, cases in found[f"by_{kind}"].items()}
    failures = []
    for failure in found["failures"]:
        name = _row(part, failure[kind])
        rows.setdefault(name, [0, None, None, 0])[3] += 1
        index = failure.get("index", failure.get("case"))
        words = failure.get("what", failure.get("words"))
        failures.append({"index": index, "kind": name, "detail": words, "lines": None, **_extra(failure)})
    return {"rows": rows, "failures": failures}


def _row(part: str, name: str) -> str:
    return {"files": "file", "commands": "command on", "checkpoints": "checkpoints:"}[part] + f" {name}"


def _extra(failure: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in failure.items() if k not in {"index", "case", "what", "words", "kind", "seed"}}


def _problems(seed: int, only: int | None = None) -> dict[str, Any]:
    import numpy as np
    import torch

    from tests.adversarial import invariants, problems

    torch.set_num_threads(1)
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    failures, ends = [], Counter[str]()
    shown: Counter[str] = Counter()
    for index in range(CALLS) if only is None else (only,):
        rng = np.random.default_rng([seed, index])
        case = problems.case(rng, batch=BATCH)
        try:
            report = invariants.whole(case, rng)
        except Exception:  # what the checks stumble over is looked into like any other failure
            report = invariants.Report(invariants.label(case), len(case))
            report.fail("the check itself failed", -1, traceback.format_exc())
        row = rows[report.label]
        bad = {item for _, item, _ in report.failures}
        for column, number in enumerate((report.cases, report.judged, report.honest, len(bad))):
            row[column] += number
        ends += report.ends
        for kind, item, detail in report.failures:
            shown[kind] += 1
            lines = None
            if shown[kind] <= SHOWN:
                lines = (case if item < 0 else case.item(item)).lines()
            failures.append(
                {
                    "index": index,
                    "item": item,
                    "kind": kind,
                    "row": report.label,
                    "detail": detail,
                    "lines": lines,
                }
            )
    return {"rows": dict(rows), "failures": failures, "ends": dict(ends)}


def _serve(connection: Any) -> None:
    """Run chunks as they are asked for, until None is."""
    while (asked := connection.recv()) is not None:
        began = time.monotonic()
        try:
            done = run_chunk(*asked)
        except Exception:
            done = _lost(asked[0], traceback.format_exc())
        connection.send({**done, "seconds": round(time.monotonic() - began, 1)})


def _lost(part: str, words: str) -> dict[str, Any]:
    """A chunk that ended otherwise than it should."""
    row = f"{part}: whole chunks"
    return {
        "rows": {row: [1, None, None, 1]},
        "failures": [{"index": None, "kind": "a chunk was lost", "row": row, "detail": words, "lines": None}],
    }


class Worker:
    """A process that runs chunks, and is put down when it hangs."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,))
        self.process.start()
        other.close()
        self.chunk: tuple[str, int] | None = None
        self.since = 0.0

    def give(self, chunk: tuple[str, int]) -> None:
        """Start a chunk."""
        self.chunk, self.since = chunk, time.monotonic()
        self.connection.send(chunk)

    def taken(self) -> dict[str, Any] | None:
        """What came of the chunk, or None while it runs."""
        assert self.chunk is not None
        if self.connection.poll():
            with contextlib.suppress(EOFError, OSError):
                done: dict[str, Any] = self.connection.recv()
                return done
        if not self.process.is_alive():
            return _lost(self.chunk[0], f"the process ended with status {self.process.exitcode}")
        if time.monotonic() - self.since > PATIENCE:
            self.end()
            return _lost(self.chunk[0], f"no answer in {PATIENCE:g} s")
        return None

    def end(self) -> None:
        """Stop the process, kindly where it waits."""
        if self.chunk is None and self.process.is_alive():
            with contextlib.suppress(OSError):
                self.connection.send(None)
            self.process.join(10)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


# The campaign, which gives out the chunks and keeps what comes back.


class State:
    """What has been done by the code as it is now: lines of a file that only grows."""

    def __init__(self, out: Path) -> None:
        self.path, self.code, self.done = out / "chunks.jsonl", code(), []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):  # the last line, where the campaign was killed
                    chunk = json.loads(line)
                    if chunk["code"] == self.code:
                        self.done.append(chunk)

    def add(self, part: str, seed: int, result: dict[str, Any]) -> None:
        """Keep a chunk."""
        chunk = {
            "part": part,
            "seed": seed,
            "code": self.code,
            "revision": revision(),
            "versions": versions(),
            **result,
        }
        self.done.append(chunk)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            if file.tell() and file.seek(-1, 2) is not None and file.read(1) != b"\n":
                file.write(b"\n")
            file.write((json.dumps(chunk, allow_nan=False) + "\n").encode())

    def seeds(self, part: str) -> set[int]:
        """Seeds of a part that are done."""
        return {chunk["seed"] for chunk in self.done if chunk["part"] == part}

    def cases(self, part: str) -> int:
        """Cases of a part that are done."""
        return sum(row[0] for chunk in self.done if chunk["part"] == part for row in chunk["rows"].values())

    def failures(self) -> Iterator[dict[str, Any]]:
        """Every failure, with the part and the seed of its chunk."""
        for chunk in self.done:
            for failure in chunk["failures"]:
                yield {"part": chunk["part"], "seed": chunk["seed"], **failure}


def code() -> str:
    """Return a name of the code that is tried and of the code that tries it."""
    digest = hashlib.sha256()
    places = (ROOT / "otgan", ROOT / "tests" / "adversarial")
    for path in sorted(path for place in places for path in place.rglob("*.py")):
        if not path.name.startswith("test_"):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def revision() -> str | None:
    """Return the revision of the repository, with a + where files differ from it; None outside of one."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + "+" * bool(changed.stdout.strip())


def run(state: State, targets: dict[str, int], budget: float, workers: int) -> None:
    """Give chunks to the workers until every part has reached its target or the time is over."""
    end = time.monotonic() + budget
    upcoming = {part: _unused(state.seeds(part)) for part in targets}
    busy: list[Worker] = []
    idle = [Worker() for _ in range(workers)]
    began, told = time.monotonic(), 0.0
    try:
        while True:
            while idle and time.monotonic() < end:
                # The part that is furthest behind, those under way counted at what a chunk brought so far.
                share = {
                    part: (state.cases(part) + _expected(state, part) * _running(busy, part)) / target
                    for part, target in targets.items()
                    if target
                }
                part = min(share, key=share.__getitem__, default=None)
                if part is None or share[part] >= 1:
                    break
                worker = idle.pop()
                worker.give((part, next(upcoming[part])))
                busy.append(worker)
            if not busy:
                break
            multiprocessing.connection.wait([worker.connection for worker in busy], timeout=1)
            for worker in list(busy):
                done = worker.taken()
                if done is None:
                    continue
                assert worker.chunk is not None
                state.add(*worker.chunk, done)
                busy.remove(worker)
                worker.chunk = None
                if worker.process.is_alive():
                    idle.append(worker)
                else:
                    idle.append(Worker())
            if time.monotonic() - told > 30:
                told = time.monotonic()
                counts = ", ".join(
                    f"{part} {state.cases(part):,}/{target:,}" for part, target in targets.items()
                )
                print(
                    f"{told - began:6.0f} s: {counts}; failures {sum(1 for _ in state.failures()):,}",
                    flush=True,
                )
    finally:
        for worker in (*busy, *idle):
            worker.end()


def _unused(seeds: set[int]) -> Iterator[int]:
    seed = 0
    while True:
        if seed not in seeds:
            yield seed
        seed += 1


def _running(busy: list[Worker], part: str) -> int:
    return sum(worker.chunk is not None and worker.chunk[0] == part for worker in busy)


def _expected(state: State, part: str) -> float:
    chunks = len(state.seeds(part))
    return state.cases(part) / chunks if chunks else 1.0


def table(state: State) -> list[list[Any]]:
    """Return the rows of the table, a sum below those of the problems."""
    rows: dict[str, list[Any]] = {}
    for chunk in state.done:
        for name, numbers in chunk["rows"].items():
            row = rows.setdefault(name, [0, None, None, 0])
            for k, number in enumerate(numbers):
                if number is not None:
                    row[k] = (row[k] or 0) + number
    groups = {part: [] for part in PARTS}
    for chunk in state.done:
        for name in chunk["rows"]:
            if name not in groups[chunk["part"]]:
                groups[chunk["part"]].append(name)
    lines: list[list[Any]] = []
    for part, names in groups.items():
        lines += [[name, *rows[name]] for name in sorted(names)]
        if names:
            columns = list(zip(*(rows[name] for name in names), strict=True))
            sums = [
                None if all(v is None for v in column) else sum(v or 0 for v in column) for column in columns
            ]
            lines.append([f"**all {part}**", *sums])
    return lines


def show_failures(state: State) -> None:
    """Print how often each kind of failure came, and then every failure."""
    failures = list(state.failures())
    kinds = Counter((failure["part"], failure["kind"]) for failure in failures)
    for (part, kind), count in kinds.most_common():
        print(f"{count:7,}  {part}: {kind}")
    for failure in failures:
        item = "" if failure.get("item", -1) in {None, -1} else f" problem {failure['item']}"
        print(f"\n{failure['part']}:{failure['seed']}:{failure['index']}{item}: {failure['kind']}")
        if failure.get("row"):
            print(f"  {failure['row']}")
        print(f"  {failure['detail']}")
        if failure.get("lines"):
            print(f"  {failure['lines']}")


def reproduce(name: str) -> int:
    """Run one case again, PART:SEED:INDEX, and tell what it does; the status is 1 where it still fails."""
    part, seed, index = name.split(":")
    if part == "problems":
        found = _problems(int(seed), int(index))["failures"]
    elif part in {"files", "commands"}:
        files = importlib.import_module("tests.adversarial.files")
        case = files.case(int(seed), int(index))
        with tempfile.TemporaryDirectory() as folder:
            what = (files.fault if part == "files" else files.command_fault)(case, Path(folder))
        found = [] if what is None else [{"kind": case.format, "detail": what}]
    else:
        found = [f for f in run_chunk(part, int(seed))["failures"] if str(f["index"]) == index]
    for failure in found:
        print(json.dumps(failure, indent=1, ensure_ascii=False))
    print(f"{name}: {len(found)} failures")
    return int(bool(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the campaign, or show what it found; the status is 1 where anything failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.adversarial.campaign", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--budget", type=float, default=3600, help="seconds of this run (default: %(default)g)"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)d)")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1, help="share of the full numbers (default: all)")
    parser.add_argument(
        "--out", type=Path, default=OUT, help="where the chunks are kept (default: out/campaign)"
    )
    parser.add_argument("--failures", action="store_true", help="run nothing; print every failure so far")
    parser.add_argument("--reproduce", metavar="PART:SEED:INDEX", help="run one case again")
    parser.add_argument(
        "--record", action="store_true", help="write the table for the documents, however far it is"
    )
    options = parser.parse_args(argv)
    if options.reproduce:
        return reproduce(options.reproduce)
    state = State(options.out)
    if options.failures:
        show_failures(state)
        return int(any(True for _ in state.failures()))
    unknown = set(options.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--parts takes {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    targets, missing = {}, []
    for part in options.parts.split(","):
        if importlib.util.find_spec(f"tests.adversarial.{PARTS[part].module}") is None:
            missing.append(part)
        else:
            targets[part] = round(PARTS[part].target * options.scale)
    for part in missing:
        print(f"left out: {part}, whose module tests/adversarial/{PARTS[part].module}.py is not there")
    run(state, targets, options.budget, options.workers)
    rows = table(state)
    for row in rows:
        print("  ".join("–" if v is None else f"{v:,}" if isinstance(v, int) else v for v in row))
    complete = not missing and all(state.cases(part) >= target for part, target in targets.items())
    failed = sum(1 for _ in state.failures())
    if options.record or (complete and options.scale == 1 and len(targets) == len(PARTS)):
        path = record("campaign", COLUMNS, rows, notes=_notes(state, missing), command="make campaign")
        print(f"wrote {path}")
    if failed:
        print(f"{failed:,} failures: python -m tests.adversarial.campaign --failures", file=sys.stderr)
    return int(failed > 0)


def _notes(state: State, missing: list[str]) -> list[str]:
    """What a reader of the table must know."""
    ends: Counter[str] = Counter()
    seconds = 0.0
    for chunk in state.done:
        ends.update(chunk.get("ends", {}))
        seconds += chunk.get("seconds", 0)
    notes = [
        f"{seconds / 3600:.1f} hours of one core, on revision {state.done[-1]['revision'] if state.done else None}.",
        "Every problem is checked by invariants; the oracles judge those whose answer they could prove. Problems of "
        "one batch count each, and a batch that is refused counts all of its problems as refused.",
    ]
    if ends:
        told = ", ".join(f"{end} {count:,}" for end, count in ends.most_common())
        notes.append(f"How the problems ended: {told}.")
    kinds = Counter(f"{failure['part']}: {failure['kind']}" for failure in state.failures())
    if kinds:
        notes.append(
            "Failures by kind: " + "; ".join(f"{kind} {count:,}" for kind, count in kinds.most_common()) + "."
        )
    if missing:
        notes.append(f"Left out: {', '.join(missing)}.")
    return notes


if __name__ == "__main__":
    sys.exit(main())
