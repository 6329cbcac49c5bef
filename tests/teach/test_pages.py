"""The page of the parallel lines stands alone and begins with the draws of the lesson."""

import json
import re
from html.parser import HTMLParser
from importlib import resources

import pytest

from otgan.teach import page, pages
from otgan.teach.parallel_lines import draw


class Page(HTMLParser):
    """Collect what a page refers to, its data, its ids and whether its tags close."""

    void = frozenset({"meta", "input", "link", "br", "img"})

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.ids, self.data = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.links += [given[name] for name in ("src", "href") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        if tag not in self.void:
            self.open.append((tag, given))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][1].get("type") == "application/json":
            self.data += data


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "lines.html"
    assert page(path, n=16, seed=3, bin_width=0.25) == path
    return path.read_text(encoding="utf-8")


def test_it_needs_nothing_else(text):
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.links == ["data:,", "#main"]
    addresses = set(re.findall(r"https?://[^\s\"'<)]+|url\(|@import|fetch\(", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a namespace, not a request
    assert "{{" not in text


def test_its_data_are_the_draws_of_the_lesson(text):
    assert json.loads(Page(text).data) == {
        "seed": 3,
        "bin_width": 0.25,
        "heights": [draw(0, 16, 3, stream)[:, 1].tolist() for stream in (0, 1)],
    }


def test_it_shows_no_more_points_than_a_browser_has_time_for(tmp_path):
    text = page(tmp_path / "lines.html", n=5000, seed=3).read_text(encoding="utf-8")
    first = [draw(0, 5000, 3, stream)[:256, 1].tolist() for stream in (0, 1)]
    assert json.loads(Page(text).data)["heights"] == first


def test_its_script_finds_every_element_it_asks_for(text):
    asked = set(re.findall(r"(?:getElementById|\bby)\(\"([\w-]+)\"\)", text))
    made = set(re.findall(r"\bid: \"([\w-]+)\"", text))
    assert asked
    assert asked <= set(Page(text).ids) | made


def test_every_part_of_the_script_is_in_it():
    folder = resources.files("otgan.teach").joinpath("lines")
    parts = {part.name for part in folder.iterdir()}
    assert parts == {f"{name}.js" for name in pages.SCRIPTS} | {"page.html", "page.css"}


def test_it_is_small(tmp_path):
    assert page(tmp_path / "lines.html").stat().st_size < 300_000
