"""Build what is released, look into it, and try it where nothing else is installed: ``make dist``.

The wheel is built from the source distribution, so that both are complete. Twine reads their descriptions as an index
would. The wheel is then installed into an environment of its own, from an index, and measures something; where no index
answers, that step is left out and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent

NEEDED = (
    "otgan/__init__.py",
    "otgan/py.typed",
    ".html",
    "dist-info/licenses/LICENSE",
    "dist-info/entry_points.txt",
)
"""Ends of names that a wheel must have."""

TRIED = (
    ("python", "-c", "import otgan; otgan.emd([0.0, 1.0], [1.0, 3.0])"),
    ("otgan", "--version"),
    ("otgan", "measure", "digits:3", "digits:8"),
    ("otgan", "lines", "--page", "lines.html"),
)
"""What a wheel must do in an environment of its own."""


def faults(names: Iterable[str]) -> list[str]:
    """Return what is wrong with the contents of a wheel, one line each."""
    listed = list(names)
    missing = [f"lacks {end}" for end in NEEDED if not any(name.endswith(end) for name in listed)]
    foreign = [
        f"has {name}" for name in listed if not name.startswith(("otgan/", "otgan-")) or name.endswith(".pyc")
    ]
    return missing + foreign


def built(folder: Path) -> tuple[Path, Path]:
    """Build the source distribution, and the wheel from it, into a folder, and return them."""
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def run(*command: str | Path, **options: object) -> None:
    """Show a command and run it; its failure is ours."""
    print("$", *command, flush=True)
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]


def answers(python: Path, folder: Path) -> bool:
    """Whether an index hands out a package: a small one that is needed anyway."""
    asked = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "click"]
    asked += ["--retries", "0", "--timeout", "20", "--dest", folder / "asked"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def tried(wheel: Path) -> str:
    """Try a wheel in an environment of its own; return why not, or nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "virtualenv", "--quiet", folder / "env")
        scripts = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin")
        if not answers(scripts / "python", folder):
            return "no package index answers"
        pinned = ["--constraint", ROOT / "constraints.txt"]
        run(scripts / "python", "-m", "pip", "install", "--quiet", *pinned, wheel.resolve())
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        for program, *arguments in TRIED:
            run(scripts / program, *arguments, cwd=folder, env=environment)
        assert (folder / "lines.html").stat().st_size > 0
    return ""


def main(folder: str = "dist") -> int:
    """Build, check and try; 1 if anything is wrong."""
    sdist, wheel = built(Path(folder))
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    with zipfile.ZipFile(wheel) as archive:
        wrong = faults(archive.namelist())
    print(*(f"{wheel.name} {fault}" for fault in wrong), sep="\n")
    with tarfile.open(sdist) as archive:
        print(f"{sdist.name}: {len(archive.getnames())} files, {sdist.stat().st_size / 2**20:.1f} MiB")
    reason = "" if wrong else tried(wheel)
    print(f"{wheel.name}: " + (f"not tried: {reason}" if wrong or reason else "installs and works"))
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
