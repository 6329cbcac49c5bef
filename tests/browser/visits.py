"""A browser that is found, driven and cut off from the network; what it complains of is collected."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""What a browser may be called on the PATH."""

VARIABLE = "OTGAN_CHROMIUM"
"""The environment variable that names another one, or says ``none``."""

FLAGS = ["--no-sandbox", "--disable-gpu"]
"""What it is started with: it reads our own pages only, often as root in a container."""

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
    "preload": False,
}
"""What axe-core looks for: the rules of WCAG 2.1 to level AA, contrast among them, and good practice.

It would load style sheets a second time, which files may not, for the sake of a rule on the orientation of screens.
"""


def chromium() -> str | None:
    """Return the path of the browser, or None where there is none.

    One that is named must be there: whoever names it means the tests to run.
    """
    named = os.environ.get(VARIABLE)
    if named == "none":
        return None
    if named:
        found = shutil.which(named)
        if found is None:
            raise FileNotFoundError(
                f"{VARIABLE}={named} is no program; name a browser that is there, or none"
            )
        return found
    return next(filter(None, map(shutil.which, NAMES)), None)


def is_near(address: str) -> bool:
    """Whether an address is on this machine: no request to any other leaves the browser."""
    parts = urlsplit(address)
    return parts.scheme in {"file", "data", "blob", "about"} or parts.hostname == "127.0.0.1"


@dataclass
class Visit:
    """A page that has been opened.

    Attributes
    ----------
    page : playwright.sync_api.Page
    errors : list of str
        What the console calls an error, what a script does not catch, and requests that fail, are refused, or lead
        off this machine.
    """

    page: Any
    errors: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Collect what goes wrong from now on."""
        self.page.on("console", lambda said: self._console(said) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        self.page.on(
            "requestfailed", lambda asked: self.errors.append(f"request: {asked.url}: {asked.failure}")
        )
        self.page.on(
            "response", lambda got: got.ok or self.errors.append(f"request: {got.url}: {got.status}")
        )

    def _console(self, said: Any) -> None:
        # What is written of a request that failed is collected, with its address, as such.
        if not said.text.startswith("Failed to load resource"):
            self.errors.append(f"console: {said.text}")

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


def address_of(page: str | Path, folder: Path) -> str:
    """Return the address of a page: an address, a file, or HTML, which is written into a folder."""
    if isinstance(page, str) and page.lstrip().startswith("<"):
        path = folder / "page.html"
        path.write_text(page, encoding="utf-8")
        return path.as_uri()
    if isinstance(page, str) and "://" in page:
        return page
    return Path(page).resolve().as_uri()


def violations(page: Any, *, least: str = "minor") -> list[str]:
    """Return what axe-core objects to on a page, one line for each element.

    Parameters
    ----------
    page : playwright.sync_api.Page
    least : {"minor", "moderate", "serious", "critical"}
        The least impact that counts.
    """
    from axe_playwright_python.sync_playwright import Axe

    impacts = ("minor", "moderate", "serious", "critical")
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}) {node['target']}: {node['failureSummary']}\n{node['html'][:300]}"
        for rule in found
        for node in rule["nodes"]
        if impacts.index(rule["impact"]) >= impacts.index(least)
    ]
