"""Whether the links within built pages lead somewhere: ``python -m tests.browser.links docs/_build/html``."""

from __future__ import annotations

import sys
from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


class Anchors(HTMLParser):
    """Collect where a page leads, and where in it others may lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.places: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {place for name in ("id", "name") if (place := given.get(name))}
        asked = given.get("href" if tag in {"a", "link"} else "src")
        if asked is not None:
            self.links.append((tag, asked))


class Site:
    """The pages below a folder, read once each."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.pages = {
            path: Anchors(path.read_text(encoding="utf-8"))
            for path in sorted(self.folder.rglob("*.html"))
            if "_static" not in path.relative_to(self.folder).parts
        }

    def within(self, page: Path, *tags: str) -> list[tuple[str, Path, str]]:
        """Return the links of a page, or of some of its tags, to files beside it: as written, the file, the place in it."""
        found = []
        for tag, link in self.pages[page].links:
            parts = urlsplit(link)
            if tag in (tags or {tag}) and not (parts.scheme or parts.netloc):
                path, place = urldefrag(link)
                target = (page.parent / unquote(urlsplit(path).path)).resolve() if path else page
                found.append((link, target / "index.html" if target.is_dir() else target, unquote(place)))
        return found

    def broken(self) -> list[str]:
        """Return the links that lead nowhere, one line each.

        What follows a # is a place, unless it has a "=": then it is what the page is to show.
        """
        lines = []
        for page in self.pages:
            for link, target, place in self.within(page):
                if not target.is_file():
                    reason = "no such file"
                elif (
                    place
                    and "=" not in place
                    and target in self.pages
                    and place not in self.pages[target].places
                ):
                    reason = "no such place"
                else:
                    continue
                lines.append(f"{page.relative_to(self.folder)}: {link}: {reason}")
        return lines

    def clicks(self, start: str = "index.html") -> dict[str, int]:
        """Return how many clicks each page is from the first."""
        first = self.folder / start
        found, left = {first: 0}, deque([first])
        while left:
            page = left.popleft()
            for _, target, _ in self.within(page, "a"):
                if target in self.pages and target not in found:
                    found[target] = found[page] + 1
                    left.append(target)
        return {page.relative_to(self.folder).as_posix(): number for page, number in found.items()}


def main(folder: str) -> int:
    """Say which links are broken; 1 if any is."""
    site = Site(folder)
    lines = site.broken()
    print(*lines, f"{len(site.pages)} pages, {len(lines)} broken links", sep="\n")
    return bool(lines) or not site.pages


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
