"""A browser for the tests of pages: Debian's chromium, driven by Playwright, without a network."""

import importlib.util
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.browser.visits import FLAGS, VARIABLE, Visit, address_of, chromium, is_near, violations

PATIENCE = 120_000
"""Milliseconds that a page may take on a slow machine."""


@pytest.fixture(scope="session")
def browser():
    """Start one browser for all tests of a process; skip, and say why, where there is none."""
    path = chromium()
    if path is None:
        pytest.skip(f"needs chromium: `make browser` installs it, {VARIABLE} names another")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip('needs Playwright: pip install ".[browser]"')
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Return a function that opens a page, and gives it with the list of what went wrong.

    ``visit(page, width=1280, height=800, scheme="light")``: a page is a file, HTML, or an address of 127.0.0.1; the
    scheme is that which the reader prefers, "light" or "dark". Each visit is that of a new reader.
    """
    opened = []

    def open_page(page, width=1280, height=800, scheme="light", **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        opened.append(context)
        context.set_default_timeout(PATIENCE)
        context.route("**/*", lambda way, asked: way.continue_() if is_near(asked.url) else way.abort())
        visited = Visit(context.new_page())
        visited.listen()
        visited.page.goto(address_of(page, tmp_path), wait_until="load")
        return visited

    yield open_page
    for context in opened:
        context.close()


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        """Say nothing: what fails, the browser tells."""


@pytest.fixture(scope="session")
def built():
    """Return the folder of the built pages; skip where they are not built."""
    folder = os.environ.get("OTGAN_PAGES")
    if not folder:
        pytest.skip("needs built pages: make docs-test")
    path = Path(folder).resolve()
    assert (path / "index.html").is_file(), f"OTGAN_PAGES={folder} has no index.html"
    return path


@pytest.fixture(scope="session")
def site(built):
    """Serve the built pages, as where they are published, and return their address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=built))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def axe():
    """Return a function that tells what axe-core objects to on a page: ``axe(page, least="minor")``."""
    return violations
