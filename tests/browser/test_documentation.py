"""The documentation as a reader sees it: on a desk and on a phone, by day and by night, and by ear."""

import pytest

PAGES = (
    "index",
    "install",
    "guide",
    "concepts",
    "tutorial",
    "choose",
    "guarantees",
    "generative",
    "autoencoders",
    "papers/index",
    "papers/architectures",
    "peers",
    "faq",
    "glossary",
    "how-to/index",
    "how-to/compare-files",
    "how-to/train-your-data",
    "how-to/teach",
    "gallery/index",
    "gallery/teach/plot_parallel_lines",
    "api",
    "api/generated/metrics",
    "api/generated/otgan.emd",
    "api/generated/command",
    "results",
    "search",
)

DRAWN = "[...document.querySelectorAll('.math')].every(formula => formula.querySelector('mjx-container'))"
"""Whether every formula is drawn."""

BROKEN = (
    "[...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src)"
)

CUT_OFF = """() => {
  const lost = [];
  for (const seen of document.querySelectorAll("main *")) {
    const box = seen.getBoundingClientRect();
    if (seen.closest("mjx-assistive-mml") || box.width < 2 || box.right <= innerWidth + 1) continue;
    let clip = seen.parentElement;
    while (clip && getComputedStyle(clip).overflowX === "visible") clip = clip.parentElement;
    const rule = clip && getComputedStyle(clip).overflowX;
    if (clip && clip.clientWidth > 1 && !["auto", "scroll"].includes(rule)) lost.push(seen.outerHTML.slice(0, 200));
  }
  return lost;
}"""
"""What lies beyond the right edge in a box that does not scroll."""

FAINT = """() => [...document.querySelectorAll("main img")].filter(image => {
  const [, , , alpha = 1] = getComputedStyle(image).backgroundColor.match(/[\\d.]+/g).map(Number);
  return image.naturalWidth && !image.closest(".sphx-glr-thumbcontainer") && alpha < 1;
}).map(image => image.src)"""
"""Figures without paper of their own."""


@pytest.mark.parametrize(("scheme", "widths"), [("light", (1280, 390)), ("dark", (390, 1280))])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read(visit, axe, site, name, scheme, widths):
    seen = visit(f"{site}/{name}.html", widths[0], 900, scheme)
    assert seen.page.evaluate("document.documentElement.dataset.theme") == scheme
    seen.page.wait_for_function(DRAWN)
    assert axe(seen.page) == []
    for width in widths:
        seen.page.set_viewport_size({"width": width, "height": 900})
        assert seen.overflow() == 0
        assert seen.page.evaluate(CUT_OFF) == []
    # Pictures further down are loaded when they are looked at, and printed pages hold them all.
    seen.page.evaluate(
        "document.querySelectorAll('img[loading=lazy]').forEach(image => image.loading = 'eager')"
    )
    seen.page.wait_for_function("[...document.images].every(image => image.complete)")
    assert seen.page.evaluate(BROKEN) == []
    assert scheme == "light" or seen.page.evaluate(FAINT) == []
    assert seen.errors == []


WIDE = "<div style='width: 3000px; height: 9px'>x</div>"
PICTURE = "<img alt='' src='data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=' style='background: {}'>"


@pytest.mark.parametrize(
    ("body", "cut_off", "faint"),
    [
        (f"<div style='overflow: hidden'>{WIDE}</div>", 1, 0),
        (f"<div style='overflow-x: auto'>{WIDE}</div>", 0, 0),
        (f"<div style='overflow-x: auto'><div style='overflow: clip'>{WIDE}</div></div>", 1, 0),
        (PICTURE.format("none"), 0, 1),
        (PICTURE.format("rgb(255 255 255 / 50%)"), 0, 1),
        (PICTURE.format("#fff"), 0, 0),
    ],
)
def test_what_cannot_be_read_is_found(visit, body, cut_off, faint):
    page = visit(f"<!doctype html><title>A page</title><main>{body}</main>", 390).page
    page.wait_for_function("[...document.images].every(image => image.complete)")
    assert [len(page.evaluate(look)) for look in (CUT_OFF, FAINT, BROKEN)] == [cut_off, faint, 0]


def test_a_formula_that_cannot_be_read_is_drawn_as_an_error_nowhere(visit, site):
    seen = visit(f"{site}/concepts.html")
    seen.page.wait_for_function(DRAWN)
    assert seen.page.locator("mjx-container").count() > 10
    assert seen.page.locator("mjx-merror, [data-mjx-error]").count() == 0


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("install", "install.html"),
        ("gpu", "faq.html"),
        ("wasserstein_distance", "faq.html"),
        ("mixed precision", "gallery/train/plot_mixed_precision.html"),
        ("p-value", "faq.html"),
        ("csv", "how-to/compare-files.html"),
    ],
)
def test_what_is_looked_for_is_found(visit, site, words, page):
    seen = visit(f"{site}/search.html")
    field = seen.page.locator("main input[name=q]:visible")
    field.fill(words)
    field.press("Enter")
    seen.page.wait_for_selector("#search-results li a")
    seen.page.wait_for_function(
        "/found|matching/.test(document.querySelector('.search-summary')?.textContent)"
    )
    found = seen.page.locator("#search-results li > a").evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"
    )
    assert page in [address.partition("#")[0].partition("?")[0] for address in found[:5]]
    assert seen.errors == []
