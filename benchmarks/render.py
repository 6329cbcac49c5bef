"""Bring the measured tables into the pages: ``python -m benchmarks.render [--check]``.

A page names the table it wants between two comments, and what stands between them is written anew::

    <!-- results:startup -->
    <!-- /results:startup -->

Where a table is ``pending``, as in ``<!-- results:busy pending:busy -->`` of the program `benchmarks.busy`, the page says how to measure it until it is. The
charts of `benchmarks.charts` are drawn anew where their figures have changed. With ``--check`` nothing is written, and the
exit status is 1 when a page or a chart does not show what was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.charts import CHARTS, Chart, digest, save
from benchmarks.record import RESULTS, Cell, Result

ROOT = Path(__file__).parent.parent
PICTURES = Path("docs", "pictures")
BLOCK = re.compile(
    r"(?P<open><!-- results:(?P<name>[a-z0-9-]+)(?: pending:(?P<module>[a-z.]+))? -->\n).*?(?P<close><!-- /results:(?P=name) -->)",
    re.DOTALL,
)
_SMALL, _LARGE, _WHOLE = 1e-4, 1e6, 100
"""Between which numbers are written in full, and from where on without decimals."""

MARK = re.compile(r"<!-- /?results:[^>]*-->")


class RenderError(Exception):
    """A page that cannot be rendered, in words for whoever wrote it."""


def cell(value: Cell) -> str:
    """Return one cell as text: three significant digits, thousands apart, a dash where there is no figure."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if isinstance(value, int):
        return f"{value:,}"
    rounded = float(f"{value:.3g}")
    if rounded == 0 or _SMALL <= abs(rounded) < _LARGE:
        return f"{rounded:,.0f}" if abs(rounded) >= _WHOLE else f"{rounded:.3g}"
    mantissa, exponent = f"{rounded:.3g}".split("e")
    return f"{mantissa}e{int(exponent)}"


def table(result: Result) -> str:
    """Return a result as a Markdown table, numbers to the right, with its provenance and its notes below."""
    texts = [[cell(value) for value in row] for row in result.rows]
    numeric = [
        all(not isinstance(row[i], str) for row in result.rows) and bool(result.rows)
        for i in range(len(result.columns))
    ]
    lines = [
        _line(head.replace("|", "\\|") for head in result.columns),
        _line("---:" if right else ":---" for right in numeric),
        *(_line(row) for row in texts),
        "",
        provenance(result),
    ]
    if result.notes:
        lines += ["", *(f"- {note}" for note in result.notes)]
    return "\n".join(lines) + "\n"


def provenance(result: Result) -> str:
    """Return one line that says how to measure it again, and when, on what and with what it was measured."""
    machine = result.machine
    parts = [machine["cpu"], f"{machine['cores']} core" + "s" * (machine["cores"] > 1)]
    if machine.get("threads"):
        parts.append(f"{machine['threads']} thread" + "s" * (machine["threads"] > 1))
    if machine.get("gpu"):
        parts.append(machine["gpu"])
    if machine.get("load", 0) > 1.5 * machine.get("processors", machine["cores"]):
        parts.append(f"busy with other work (load {machine['load']:g})")
    packages = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return f"`{result.command}`, {result.date}, {', '.join(parts)}; {packages}."


def render(text: str, results: Path, page: str = "the page") -> str:
    """Return ``text`` with every block between two markers replaced by the table it names.

    Raises
    ------
    RenderError
        If a marker has no partner, or a block names a result that was not measured.
    """
    marks, blocks = len(MARK.findall(text)), len(BLOCK.findall(text))
    if marks != 2 * blocks:
        raise RenderError(
            f"{page} has {marks} result markers, but {blocks} pairs of them; "
            "write <!-- results:NAME -->, and on a later line <!-- /results:NAME -->"
        )

    def replaced(match: re.Match[str]) -> str:
        path = results / f"{match['name']}.json"
        if not path.is_file() and match["module"]:
            return f"{match['open']}\nNot recorded yet: `python -m benchmarks.{match['module']}` measures it.\n\n{match['close']}"
        if not path.is_file():
            raise RenderError(
                f"{page} shows the result {match['name']!r}, but there is no {path}: measure it first"
            )
        return f"{match['open']}\n{table(Result.read(path))}\n{match['close']}"

    return BLOCK.sub(replaced, text)


def pages(root: Path) -> list[Path]:
    """Return the pages that may quote a measurement: the README, and what is written by hand below docs/."""
    written = {"_build", "gallery", "generated"}
    below = (root / "docs").rglob("*.md")
    return [
        root / "README.md",
        *sorted(path for path in below if not written & set(path.relative_to(root).parts)),
    ]


def stale_charts(root: Path) -> Iterator[tuple[Path, Chart, list[Result]]]:
    """Yield the charts below ``root`` that do not show the figures that were recorded, with those figures."""
    for chart in CHARTS:
        sources = [root / RESULTS.relative_to(ROOT) / f"{name}.json" for name in chart.sources]
        if all(source.is_file() for source in sources):
            path, results = root / PICTURES / f"{chart.name}.svg", [Result.read(source) for source in sources]
            if not path.is_file() or digest(results) not in path.read_text(encoding="utf-8"):
                yield path, chart, results


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Render every page below ``root``, or check them all; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.render", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is stale")
    check = parser.parse_args(argv).check
    stale = 0
    try:
        for path in pages(root):
            text = path.read_text(encoding="utf-8")
            page = str(path.relative_to(root))
            wanted = render(text, root / RESULTS.relative_to(ROOT), page)
            if wanted == text:
                continue
            stale += 1
            print(f"{page}: {'does not show what was measured' if check else 'rendered'}")
            if not check:
                path.write_text(wanted, encoding="utf-8")
        for path, chart, results in stale_charts(root):
            stale += 1
            print(f"{path.relative_to(root)}: {'does not show what was measured' if check else 'drawn'}")
            if not check:
                save(chart.draw(*results), path, digest(results))
    except RenderError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if check and stale:
        print("run: python -m benchmarks.render", file=sys.stderr)
    return int(check and stale > 0)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
