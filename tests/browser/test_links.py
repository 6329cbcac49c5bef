"""No link of the built pages leads nowhere, and what most come for is near the front page."""

import pytest

from tests.browser.links import Site, main


@pytest.fixture
def small(tmp_path):
    def write(**pages):
        for name, text in pages.items():
            (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        return Site(tmp_path)

    return write


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("<a href='b.html'>b</a><a href='b.html#here'>here</a><a href='#me' id='me'>me</a>", ""),
        ("<a href='https://example.org/x'>far</a><a href='mailto:x@example.org'>x</a>", ""),
        ("<a href='b.html?q=1#h%65re'>here</a>", ""),
        ("<a href='b.html#x=1&y=2'>settings</a>", ""),
        ("<a href='c.html'>c</a>", "index.html: c.html: no such file"),
        ("<a href='b.html#gone'>b</a>", "index.html: b.html#gone: no such place"),
        ("<a href='#gone'>b</a>", "index.html: #gone: no such place"),
        ("<img alt='' src='x.png'>", "index.html: x.png: no such file"),
        ("<link rel='stylesheet' href='x.css'>", "index.html: x.css: no such file"),
    ],
)
def test_links_that_lead_nowhere_are_told(small, text, broken):
    assert small(index=text, b="<p id='here'>b</p>").broken() == ([broken] if broken else [])


def test_clicks_are_counted_along_the_shortest_way(small):
    pages = {"index": "a b", "a": "b c", "b": "index", "c": "d", "d": "", "alone": "index"}
    site = small(**{name: "".join(f"<a href='{to}.html'>x</a>" for to in links.split()) for name, links in pages.items()})  # fmt: skip
    clicks = {"index.html": 0, "a.html": 1, "b.html": 1, "c.html": 2, "d.html": 3}
    assert site.clicks() == clicks


def test_the_checker_says_what_it_found(small, tmp_path, capsys):
    assert main(str(tmp_path)) == 1  # no page at all
    small(index="<a href='#top' id='top'>x</a>")
    assert main(str(tmp_path)) == 0
    assert capsys.readouterr().out.endswith("1 pages, 0 broken links\n")


def test_no_link_of_the_pages_is_broken(built):
    site = Site(built)
    assert len(site.pages) > 80
    assert site.broken() == []


@pytest.mark.parametrize(
    "page",
    [
        "how-to/compare-files.html",
        "choose.html",
        "how-to/train-your-data.html",
        "how-to/teach.html",
        "lines.html",
    ],
)
def test_what_most_come_for_is_within_three_clicks(built, page):
    assert Site(built).clicks()[page] <= 3
