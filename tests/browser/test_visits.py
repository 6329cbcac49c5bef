"""The harness sees what a reader would: errors, requests that fail, pages too wide, colors too pale."""

import pytest

from tests.browser import visits

HEAD = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title></head><body><main><h1>A page</h1>'


def test_a_page_of_which_nothing_is_wrong(visit, axe):
    seen = visit(f"{HEAD}<p>Words.</p></main></body></html>", 390, 800)
    assert seen.errors == []
    assert seen.overflow() == 0
    assert axe(seen.page) == []
    assert seen.page.evaluate("innerWidth") == 390


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<script>console.error('oh no')</script>", "console: oh no"),
        ("<script>undefined.x</script>", "uncaught: "),
        ("<img alt='' src='missing.png'>", "missing.png"),
        ("<script src='https://example.org/x.js'></script>", "request: https://example.org/x.js: "),
        ("<link rel='stylesheet' href='http://127.0.0.2/x.css'>", "request: http://127.0.0.2/x.css: "),
    ],
)
def test_what_goes_wrong_is_collected(visit, body, found):
    (error,) = visit(f"{HEAD}{body}").errors
    assert found in error


def test_what_is_too_wide_is_measured(visit):
    assert visit(f"{HEAD}<div style='width: 500px; margin: 0'>x</div>", 390).overflow() > 100


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<p style='color: #bbb'>pale</p>", "color-contrast (serious)"),
        ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "image-alt (critical)"),
        ("<h4>deep</h4>", "heading-order (moderate)"),
    ],
)
def test_what_some_cannot_read_is_found(visit, axe, body, rule):
    seen = visit(f"{HEAD}{body}")
    (line,) = axe(seen.page)
    assert line.startswith(rule)
    assert axe(seen.page, least="serious") == ([] if "moderate" in rule else [line])


def test_schemes_are_those_asked_for(visit):
    dark = "matchMedia('(prefers-color-scheme: dark)').matches"
    assert [visit(HEAD, scheme=scheme).page.evaluate(dark) for scheme in ("light", "dark")] == [False, True]


def test_a_browser_that_is_named_must_be_there(monkeypatch):
    monkeypatch.setenv(visits.VARIABLE, "/nowhere/chromium")
    with pytest.raises(FileNotFoundError, match="OTGAN_CHROMIUM=/nowhere/chromium is no program"):
        visits.chromium()
    monkeypatch.setenv(visits.VARIABLE, "none")
    assert visits.chromium() is None
    monkeypatch.delenv(visits.VARIABLE)
    monkeypatch.setenv("PATH", "")
    assert visits.chromium() is None


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("file:///pages/x.html", True),
        ("http://127.0.0.1:8000/x", True),
        ("https://example.org/127.0.0.1", False),
        ("http://127.0.0.1.example.org/", False),
    ],
)
def test_only_this_machine_is_asked(address, near):
    assert visits.is_near(address) == near
