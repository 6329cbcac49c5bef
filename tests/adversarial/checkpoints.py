"""The checkpoint campaign: training runs that are killed, signalled, damaged, starved of disk, and resumed.

Whatever happened to a run, it resumes to the very end of the run that nothing happened to, or refuses in one line. A folder
that was damaged gives the samples and distances of the checkpoint that is read, or refuses in one line: never a traceback,
never other numbers, never code that a file brings along.

Every case is drawn from a seed, trains a tiny network for a dozen steps, and does all it does in processes of their own,
forked from one that has imported torch. :func:`run_chunk` is what a longer campaign calls; ``python -m
tests.adversarial.checkpoints --cases 200`` runs one by itself.
"""

import argparse
import contextlib
import errno
import functools
import json
import logging
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from otgan.gan.registry import CLASSES

SYSTEMS = tuple(CLASSES)
STEPS, SAVE_EVERY, EVALUATE_EVERY = 14, 4, 7
OPTIONS = {"batch": 8, "width": 4, "depth": 1, "decay": 10}
PATIENCE = 60
"""Seconds after which a case hangs: two orders more than it takes."""

REFUSED, ENDED, STOPPED, RAW = "refused", "ended", "stopped", "raw"


class CaseError(AssertionError):
    """What a case must not do; the message says what it did."""


def run_chunk(seed: int, count: int) -> dict:
    """Run ``count`` cases that follow from ``seed``, each of another kind and system than the one before.

    Returns
    -------
    dict
        ``cases``, their number; ``by_kind``, how many of each kind; ``failures``, a dict for each that failed, with
        ``seed``, ``case``, ``kind``, ``system`` and ``words``; ``notes``, in what way disks were filled and made
        read-only here.
    """
    by_kind, failures = Counter(), []
    with tempfile.TemporaryDirectory(prefix="otgan-checkpoints-") as place:
        bench = Bench(Path(place))
        order = np.random.default_rng(seed).permutation(len(KINDS))
        for case in range(count):
            kind = list(KINDS)[order[case % len(KINDS)]]
            system = SYSTEMS[(seed * count + case + case // len(KINDS)) % len(SYSTEMS)]
            rng = np.random.default_rng([seed, case])
            by_kind[kind] += 1
            try:
                KINDS[kind](bench, system, bench.folder(case), rng)
            except Exception as error:
                words = str(error) if isinstance(error, CaseError) else traceback.format_exc()
                failures.append({"seed": seed, "case": case, "kind": kind, "system": system, "words": words})
            for left in bench.place.glob(f"case-{case}*"):
                shutil.rmtree(left, ignore_errors=True)
        notes = {"disks": "tmpfs" if bench.mounts else "resource limits and injected errors"}
    return {"cases": count, "by_kind": dict(by_kind), "failures": failures, "notes": notes}


# What happens in the processes.


def _train(folder, system, data, steps=STEPS):
    import torch

    from otgan.gan import train

    torch.set_num_threads(1)
    train(
        system,
        data,
        steps,
        0,
        folder,
        resume=True,
        options=OPTIONS,
        device="cpu",
        save_every=SAVE_EVERY,
        evaluate_every=EVALUATE_EVERY,
    )


def _use(folder, system, data):
    """Sample from a run and evaluate it, as the commands do; return the numbers."""
    import torch

    from otgan.gan import Run

    torch.set_num_threads(1)
    run = Run.load(folder)
    found = {"step": run.step, "samples": run.sample(5, seed=1).tolist(), "evaluation": run.evaluate(n=50)}
    if "encoder" in run.networks:
        found["codes"] = run.encode(np.load(data)[:3]).tolist()
    return {**found, "rows": len(run.history)}


def _state(folder, system, data):
    """Return what a run ended with: every number of its checkpoint, as text, and its rows without their times."""
    from otgan.gan.training import checkpoint

    found = checkpoint.newest(Path(folder))
    rows = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_bytes().splitlines()]
    for row in rows:
        row.pop("seconds"), row.pop("took", None)
    judged = json.loads((Path(folder) / "evaluation.json").read_bytes())
    return {"state": _flat(found.state), "rows": rows, "judged": judged}


def _nothing(folder, system, data):
    """Do nothing."""


def _flat(value):
    """Turn the numbers of a checkpoint into what can be compared and sent."""
    import torch

    if isinstance(value, dict):
        return {str(key): _flat(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flat(each) for each in value]
    if isinstance(value, torch.Tensor):
        return (
            [
                str(value.dtype),
                list(value.shape),
                value.detach().reshape(-1).view(torch.uint8).numpy().tobytes().hex(),
            ]
            if value.ndim
            else [str(value.dtype), repr(value.item())]
        )
    return repr(value)


def _inside(work, arguments, answer, prepare):
    """Run ``work`` in this process, which is a new one, and write to a file how it ended."""
    from tqdm import tqdm

    from otgan.data import DataError
    from otgan.gan import OptionError, RunError

    tqdm.set_lock(
        threading.RLock()
    )  # its own is between processes, and would be left behind by those that are killed
    log = []
    handler = logging.Handler()
    handler.emit = lambda record: log.append(record.getMessage())
    logging.getLogger("otgan").addHandler(handler)
    if prepare is not None:
        prepare()
    try:
        ended = {"how": ENDED, "value": work(*arguments)}
    except (OptionError, RunError, DataError) as error:
        ended = {"how": REFUSED, "words": str(error)}
    except (KeyboardInterrupt, SystemExit) as error:
        ended = {
            "how": STOPPED,
            "words": f"{type(error).__name__}: {error}",
            "code": getattr(error, "code", 130),
        }
    except BaseException:
        ended = {"how": RAW, "words": traceback.format_exc()}
    partial = f"{answer}.partial"
    resource.setrlimit(resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)[1:] * 2)
    with open(partial, "w", encoding="utf-8") as file:  # not by Path, which may have been broken for the case
        json.dump({**ended, "log": log}, file)
    os.replace(partial, answer)
    os._exit(0)


_IMPORTED = (
    *("otgan.gan.trainer", "otgan.gan.evaluation.figures", "otgan.gan.evaluation.judge", "torch._dynamo"),
    "matplotlib.backends.backend_agg",
)
"""What every process needs, imported once in the one that they are forked from."""


@contextlib.contextmanager
def _no_main():
    """Keep processes that are started from importing the program that was started: it is none of theirs."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Bench:
    """Where the cases are run: a folder, the processes, and what runs that nothing happened to end with."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = str(place / "points.npy")
        np.save(self.data, np.random.default_rng(0).normal(size=(80, 2)))
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([*_IMPORTED, __name__])
        self._whole = {}
        self._answers = 0
        self.mounts = _can_mount(place)
        self.do(_nothing, place, "")  # the first process waits for the imports, which are no part of a case

    def folder(self, case: int) -> Path:
        """Return a folder for a case, which is not there yet."""
        return self.place / f"case-{case}" / "run"

    def start(self, work, folder, system, prepare=None, **more):
        """Start ``work`` in a process of its own; return the process and where its answer will be."""
        self._answers += 1
        answer = self.place / f"answer-{self._answers}.json"
        arguments = functools.partial(work, **more), (str(folder), system, self.data), str(answer), prepare
        process = self._context.Process(target=_inside, args=arguments)
        with _no_main():
            process.start()
        return process, answer

    def do(self, work, folder, system, prepare=None, **more):
        """Do ``work`` in a process of its own and return how it ended; a killed one has no answer."""
        process, answer = self.start(work, folder, system, prepare, **more)
        return self.answer(process, answer, work.__name__)

    def answer(self, process, answer, what):
        """Wait for a process and return how it ended, or None if it was killed."""
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise CaseError(f"{what} hangs")
        if not answer.exists():
            return None
        found = json.loads(answer.read_text())
        if found["how"] == RAW:
            raise CaseError(f"{what} ends in a traceback: {found['words']}")
        if found["how"] == REFUSED and ("\n" in found["words"] or len(found["words"]) > 600):
            raise CaseError(f"{what} refuses in more than a line: {found['words']}")
        return found

    def whole(self, system: str) -> dict:
        """Return what the run that nothing happens to ends with, its folder, its duration, and what it was on the way."""
        if system not in self._whole:
            folder = self.place / f"whole-{system}"
            start = time.monotonic()
            expect(self.do(_train, folder, system), ENDED)
            seconds = time.monotonic() - start
            found = {"seconds": seconds, "folder": folder, **self.do(_state, folder, system)["value"]}
            found["uses"] = {STEPS: expect(self.do(_use, folder, system), ENDED)}
            earlier = self.place / f"earlier-{system}"
            shutil.copytree(folder, earlier)
            (earlier / f"checkpoint-{STEPS:08d}.pt").unlink()
            use = expect(self.do(_use, earlier, system), ENDED)
            found["uses"][use["step"]] = use
            self._whole[system] = found
        return self._whole[system]

    def resumes(self, folder: Path, system: str) -> None:
        """Hold that a run resumes to the end of the one that nothing happened to, and leaves nothing unfinished."""
        expect(self.do(_train, folder, system), ENDED)
        self.ended_same(folder, system)

    def ended_same(self, folder: Path, system: str, damaged: bool = False) -> None:
        """Hold that a run ended as the one that nothing happened to, bit for bit."""
        whole, found = self.whole(system), expect(self.do(_state, folder, system), ENDED)
        for key in ("state", "rows", "judged"):
            if found[key] != whole[key]:
                raise CaseError(
                    f"the {key} of the resumed run are others: {_difference(found[key], whole[key])}"
                )
        names = {path.name for path in folder.rglob("*")}
        expected = {path.name for path in whole["folder"].rglob("*")}
        if left := {name for name in names if name.startswith(".")}:
            raise CaseError(f"it left {sorted(left)}")
        checkpoints = {name for name in names | expected if name.startswith("checkpoint-")}
        pictures = {name for name in expected if name.endswith(".png")}  # which nothing draws again
        if missing := expected - names - checkpoints - (pictures if damaged else set()):
            raise CaseError(f"it lacks {sorted(missing)}")

    def uses(self, folder: Path, system: str) -> None:
        """Hold that sampling and evaluating either refuse or give the numbers of the checkpoint that they say."""
        found = self.do(_use, folder, system)
        if found["how"] == REFUSED:
            return
        use = expect(found, ENDED)
        right = self.whole(system)["uses"].get(use["step"])
        if right is None:
            raise CaseError(f"it was used at step {use['step']}, of which there is no checkpoint")
        if use != right:
            raise CaseError(f"its samples or distances are others: {_difference(use, right)}")


def expect(found, how):
    """Return what a process found, if it ended as it must."""
    if found is None or found["how"] != how:
        raise CaseError(f"expected a process that {how}, got {found}")
    return found.get("value")


def _difference(found, right, where=""):
    if isinstance(found, dict) and isinstance(right, dict):
        for key in {**found, **right}:
            if found.get(key) != right.get(key):
                return _difference(found.get(key), right.get(key), f"{where}.{key}")
    if isinstance(found, list) and isinstance(right, list) and len(found) == len(right):
        for k, (one, other) in enumerate(zip(found, right, strict=True)):
            if one != other:
                return _difference(one, other, f"{where}[{k}]")
    return f"{where}: {str(found)[:200]} for {str(right)[:200]}"


# What happens to the runs.


def killed(bench, system, folder, rng):
    """SIGKILL at one to three instants of a run."""
    whole = bench.whole(system)
    for _ in range(int(rng.integers(1, 4))):
        process, _ = bench.start(_train, folder, system)
        time.sleep(float(rng.uniform(0, whole["seconds"])))
        process.kill()
        process.join()
    bench.resumes(folder, system)


def killed_writing(bench, system, folder, rng):
    """SIGKILL within the writing of a file: at a random one of what it asks of the system."""
    bench.whole(system)
    prepare = functools.partial(_die, str(rng.choice(list(_CALLS))), int(rng.integers(1, 25)))
    bench.do(_train, folder, system, prepare)
    bench.resumes(folder, system)


def killed_saving(bench, system, folder, rng):
    """SIGKILL within the writing of a checkpoint, after a random share of its bytes."""
    bench.whole(system)
    prepare = functools.partial(_tear, int(rng.integers(1, 5)), float(rng.uniform()))
    bench.do(_train, folder, system, prepare)
    bench.resumes(folder, system)


def signalled(bench, system, folder, rng):
    """SIGINT or SIGTERM at a random instant; the run saves, says so, and resumes."""
    whole = bench.whole(system)
    number = signal.SIGINT if rng.integers(2) else signal.SIGTERM
    process, answer = bench.start(_train, folder, system)
    # Before the first file of the run there is nobody to notice a signal.
    deadline = time.monotonic() + PATIENCE
    while not (folder / "metrics.jsonl").exists() and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(float(rng.uniform(0, 0.8 * whole["seconds"])))
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    found = bench.answer(process, answer, "a signalled run")
    if found is None:
        # A signal that comes after training has ended, or before it began, has its own effect, death.
        if folder.exists() and not list(folder.glob("checkpoint-*")):
            raise CaseError(f"{number.name} killed the run before it saved anything")
    elif found["how"] == STOPPED:
        code = 130 if number == signal.SIGINT else 143
        if found["code"] != code or str(folder) not in found["words"]:
            raise CaseError(f"{number.name} ended it with {found}")
        steps = int(found["words"].split("stopped at step ")[1].split(",")[0])
        if steps and not (folder / f"checkpoint-{steps:08d}.pt").exists():
            raise CaseError(f"it stopped at step {steps}, and did not save it")
    elif found["how"] == REFUSED:
        raise CaseError(f"{number.name} made it refuse: {found}")
    bench.resumes(folder, system)


def damaged(bench, system, folder, rng):
    """Bits flipped in a file of a run, the file torn, emptied, lengthened, overwritten or removed."""
    whole = bench.whole(system)
    shutil.copytree(whole["folder"], folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    telling = [path for path in files if path.suffix in {".pt", ".json", ".jsonl"}]
    path = files[rng.integers(len(files))] if rng.uniform() < 0.1 else telling[rng.integers(len(telling))]
    harm = str(rng.choice(list(_HARMS)))
    content = path.read_bytes()
    changed = _HARMS[harm](content, rng)
    if changed is None:
        path.unlink()
    else:
        path.write_bytes(changed)
    try:
        bench.uses(folder, system)
        found = bench.do(_train, folder, system)
        if found["how"] == ENDED:
            bench.ended_same(folder, system, damaged=True)
            bench.uses(folder, system)
    except CaseError as error:
        raise CaseError(f"{path.name}, {harm}: {error}") from error


def miswritten(bench, system, folder, rng):
    """A line of metrics.jsonl, or a value of config.json, that is none; and the run resumes from its checkpoint."""
    whole = bench.whole(system)
    shutil.copytree(whole["folder"], folder)
    (folder / f"checkpoint-{STEPS:08d}.pt").unlink()
    (folder / f".metrics.jsonl.{rng.integers(1, 99999)}.partial").write_text("half")
    (folder / "samples" / f".step-00000000.png.{rng.integers(1, 99999)}.partial").write_text("half")
    if rng.uniform() < 0.5:
        lines = (folder / "metrics.jsonl").read_bytes().splitlines()
        # Of what came after the checkpoint nothing is kept, nor said.
        kept = sum(json.loads(line)["step"] <= STEPS // SAVE_EVERY * SAVE_EVERY for line in lines)
        at = int(rng.integers(kept))
        bad = _LINES[rng.integers(len(_LINES))]
        lines[at : at + int(rng.integers(2))] = [bad]
        (folder / "metrics.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        found = bench.do(_train, folder, system)
        expect(found, ENDED)
        if not any("metrics.jsonl" in words and "dropped" in words for words in found["log"]):
            raise CaseError(f"nothing was said of the line {bad!r}: {found['log']}")
        bench.ended_same(folder, system)
        return
    config = json.loads((folder / "config.json").read_text())
    keys = [key for key in config if key != "checksum"]
    key = keys[rng.integers(len(keys))]
    config[key] = _VALUES[rng.integers(len(_VALUES))]
    if rng.uniform() < 0.5:
        config.pop("checksum")
    (folder / "config.json").write_text(json.dumps(config))
    bench.uses(folder, system)
    if bench.do(_train, folder, system)["how"] == ENDED:
        bench.ended_same(folder, system)


def full_disk(bench, system, folder, rng):
    """A disk that is full at a random byte; the run says so in a line, and resumes once there is room."""
    whole = bench.whole(system)
    size = sum(path.stat().st_size for path in whole["folder"].rglob("*") if path.is_file())
    prepare = None
    way = rng.integers(3)
    if way == 0 and bench.mounts:
        with _mounted(folder.parent, f"size={int(rng.uniform(0.1, 1.1) * size) // 4096 * 4096 + 4096}"):
            found = bench.do(_train, folder, system)
            kept = folder.parent.with_name(f"{folder.parent.name}-kept")
            shutil.copytree(folder.parent, kept)
        shutil.copytree(kept, folder.parent, dirs_exist_ok=True)
    else:
        # The file size limit stops the larger files at a byte; the injected errors stop every kind of file.
        if way == 1:
            prepare = functools.partial(_limit, int(rng.uniform(0, 25000)))
        else:
            prepare = functools.partial(_fail, int(rng.integers(1, 40)), errno.ENOSPC)
        folder.parent.mkdir(parents=True)
        found = bench.do(_train, folder, system, prepare)
    if found is None:
        raise CaseError("a full disk killed it")
    if found["how"] == REFUSED and not any(
        words in found["words"]
        for words in ("No space left", "File too large", "cannot be written", "cannot hold")
    ):
        raise CaseError(f"a full disk made it say {found['words']}")
    if partial := [path.name for path in folder.rglob(".*.partial")]:
        raise CaseError(f"a full disk left {partial}")
    bench.resumes(folder, system)


def read_only(bench, system, folder, rng):
    """A disk that cannot be written: resuming says so in a line, sampling and evaluating work."""
    whole = bench.whole(system)
    unfinished = bool(rng.integers(2))

    def fill():
        shutil.copytree(whole["folder"], folder)
        if unfinished:
            (folder / f"checkpoint-{STEPS:08d}.pt").unlink()

    if bench.mounts:
        with _mounted(folder.parent, "size=20m"):
            fill()
            subprocess.run(["mount", "-o", "remount,ro", str(folder.parent)], check=True)
            found = bench.do(_train, folder, system)
            bench.uses(folder, system)
            fresh = bench.do(_train, folder.with_name("fresh"), system)
    else:
        fill()
        broken = functools.partial(_fail, 1, errno.EROFS)
        found = bench.do(_train, folder, system, broken)
        fresh = bench.do(_train, folder.with_name("fresh"), system, broken)
    for each in (found, fresh):
        if each["how"] != REFUSED or "Read-only file system" not in each["words"]:
            raise CaseError(f"on a read-only disk training gave {each}")


def two_writers(bench, system, folder, rng):
    """A second process on the folder of a run that trains is refused, by the number of the first; readers are not."""
    bench.whole(system)
    gate = folder.parent / "gate"
    folder.parent.mkdir(parents=True)
    process, answer = bench.start(
        _train, folder, system, functools.partial(_pause, str(gate), int(rng.integers(2, 4)))
    )
    deadline = time.monotonic() + PATIENCE
    while not gate.with_suffix(".reached").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    second = bench.do(_train, folder, system)
    use = bench.do(_use, folder, system)
    if rng.integers(2):
        process.kill()
        process.join()
        bench.resumes(folder, system)  # the lock died with whoever held it
    else:
        gate.write_text("open")
        expect(bench.answer(process, answer, "the first process"), ENDED)
        bench.ended_same(folder, system)
    if second["how"] != REFUSED or f"process {process.pid}" not in second["words"]:
        raise CaseError(f"a second process was answered {second}")
    if use["how"] != ENDED:
        raise CaseError(f"a reader was answered {use}")


def armed(bench, system, folder, rng):
    """A checkpoint that brings code along, which is not run."""
    whole = bench.whole(system)
    shutil.copytree(whole["folder"], folder)
    trap = folder.parent / "sprung"
    last = sorted(folder.glob("checkpoint-*.pt"))
    chosen = last if rng.integers(2) else last[-1:]
    for path in chosen:
        if rng.integers(2):
            path.write_bytes(pickle.dumps(_Trap(str(trap))))
            continue
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(
                    name, pickle.dumps(_Trap(str(trap)), 2) if name.endswith("data.pkl") else content
                )
    bench.uses(folder, system)
    found = bench.do(_train, folder, system)
    if trap.exists():
        raise CaseError("a checkpoint ran its code")
    if len(chosen) == len(last):
        if found["how"] != REFUSED or "no usable checkpoint" not in found["words"]:
            raise CaseError(f"with no usable checkpoint it was answered {found}")
    else:
        expect(found, ENDED)
        bench.ended_same(folder, system)


KINDS = {
    "killed": killed,
    "damaged": damaged,
    "signalled": signalled,
    "full disk": full_disk,
    "killed saving": killed_saving,
    "miswritten": miswritten,
    "read-only": read_only,
    "two writers": two_writers,
    "armed": armed,
    "killed writing": killed_writing,
}
"""The kinds of cases, by name."""


class _Trap:
    """What leaves a mark when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def _flipped(content, rng):
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if changed:
            changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


_HARMS = {
    "flipped": _flipped,
    "flipped ": _flipped,
    "torn": lambda content, rng: content[: rng.integers(len(content) + 1)],
    "beheaded": lambda content, rng: content[rng.integers(len(content) + 1) :],
    "empty": lambda content, rng: b"",
    "longer": lambda content, rng: content + rng.bytes(int(rng.integers(1, 100))),
    "zeros": lambda content, rng: bytes(len(content)),
    "noise": lambda content, rng: rng.bytes(len(content)),
    "doubled": lambda content, rng: content + content,
    "removed": lambda content, rng: None,
}

_LINES = (
    *(
        b"5",
        b"null",
        b"\xff",
        b"[]",
        b'"step"',
        b"{}",
        b"{",
        b'{"step": "4"}',
        b'{"step": 1.5}',
        b'{"step": true}',
    ),
    *(b'{"step": -1}', b'{"step": 1e999}', b'{"step": 0, "evaluation": 5}', b'{"step": 0, "evaluation": {}}'),
    *(b'{"step": 0, "seconds": "now"}', b'{"step": 0, "seconds": NaN}', b"[" * 100000, b"9" * 10000),
    *(b'{"step": 0, "seconds": 1' + b"0" * 400 + b"}", b'{"step": 99999999999999999999999}', b"\x00\x00"),
)
_VALUES = (
    None,
    True,
    -1,
    0,
    1e300,
    "",
    "gan",
    "\0",
    [],
    [1],
    {},
    {"spec": 5},
    [[]],
    2**70,
    "cuda",
    {"shape": [2]},
)


# What is done to a process before it trains.

_CALLS = ("fsync", "replace", "ftruncate", "open", "unlink")


def _die(call: str, nth: int) -> None:
    """Have the nth of these calls of the system kill the process."""
    owner = Path if call in {"replace", "open", "unlink"} else os
    real, left = getattr(owner, call), [nth]

    def dying(*arguments, **more):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)

    setattr(owner, call, dying)


def _tear(nth: int, share: float) -> None:
    """Have the nth checkpoint be written as far as a share of its bytes, and the process killed."""
    from otgan.gan.training import checkpoint

    real, left = checkpoint.write_whole, [nth]

    def tearing(path, write):
        left[0] -= 1
        if left[0] == 0:
            opened = Path.open

            def open_to_die(self, *arguments, **more):
                file = opened(self, *arguments, **more)
                return _Dying(file, share) if self.name.startswith(".checkpoint") else file

            Path.open = open_to_die
        return real(path, write)

    checkpoint.write_whole = tearing


class _Dying:
    """A file whose writing kills the process on the way."""

    def __init__(self, file, share: float) -> None:
        self.file, self.share = file, share

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(bytes(content)[: int(self.share * len(content))])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def _fail(nth: int, number: int) -> None:
    """Have every write from the nth on fail, as on a full or read-only disk."""
    real_open, real_write, left = Path.open, os.write, [nth]
    error = OSError(number, os.strerror(number))

    def spent():
        left[0] -= 1
        return left[0] <= 0

    def open_file(self, mode="r", *arguments, **more):
        if mode[0] in "wa" and "otgan" in str(self) and spent():
            raise error
        return real_open(self, mode, *arguments, **more)

    def write(descriptor, content):
        if spent():
            raise error
        return real_write(descriptor, content)

    real_mkdir, real_os_open = Path.mkdir, os.open

    def mkdir(self, *arguments, **more):
        if number == errno.EROFS and not self.exists():
            raise error
        return real_mkdir(self, *arguments, **more)

    def open_descriptor(path, flags, *arguments, **more):
        if number == errno.EROFS and flags & os.O_CREAT:
            raise error
        return real_os_open(path, flags, *arguments, **more)

    Path.open, os.write, Path.mkdir, os.open = open_file, write, mkdir, open_descriptor


def _limit(size: int) -> None:
    """Let no file become larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _pause(gate: str, nth: int) -> None:
    """Have the process wait, after it wrote its nth checkpoint, until there is a file of that name."""
    from otgan.gan.training import checkpoint

    real, left = checkpoint.save, [nth]

    def pausing(*arguments, **more):
        saved = real(*arguments, **more)
        left[0] -= 1
        if left[0] == 0:
            Path(gate).with_suffix(".reached").write_text("")
            deadline = time.monotonic() + PATIENCE
            while not Path(gate).exists() and time.monotonic() < deadline:
                time.sleep(0.005)
        return saved

    checkpoint.save = pausing


def _can_mount(place: Path) -> bool:
    """Whether this user may mount a disk of his own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    try:
        with _mounted(place / "mount", "size=64k"):
            return True
    except subprocess.CalledProcessError:
        return False


@contextlib.contextmanager
def _mounted(place: Path, options: str):
    """Mount a small disk for a while."""
    place.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, capture_output=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)


def main() -> None:
    """Run cases and say how they went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=20)
    chosen = parser.parse_args()
    print(json.dumps(run_chunk(chosen.seed, chosen.cases), indent=1))


if __name__ == "__main__":
    # By its name and not as __main__, so that the processes find what they are sent.
    from tests.adversarial import checkpoints

    checkpoints.main()
