"""The page of the parallel lines stands alone and holds what the table says."""

import json
import re
from html.parser import HTMLParser

import pytest

from otgan.teach import page
from otgan.teach.parallel_lines import DISTANCES, WAYS, table


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
    assert page(path, n=16, bin_width=0.25) == path
    return path.read_text(encoding="utf-8")


def test_it_needs_nothing_else(text):
    parsed = Page(text)
    assert parsed.open == []
    assert parsed.links == []
    addresses = set(re.findall(r"https?://[^\s\"'<)]+|url\(|@import|fetch\(", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a namespace, not a request


def test_its_data_are_the_table(text):
    data = json.loads(Page(text).data)
    thetas = data["thetas"]
    assert (thetas[0], thetas[40], thetas[-1], len(thetas)) == (-1, 0, 1, 81)
    assert data["rows"] == table(thetas, n=16, bin_width=0.25).to_dict()["rows"]
    assert list(data["ways"]) == list(WAYS)
    assert data["distances"] == DISTANCES
    assert [len(heights) for heights in data["heights"]] == [16, 16]
    assert "{{" not in text


def test_its_script_finds_every_element_it_asks_for(text):
    asked = set(re.findall(r"getElementById\(\"(\w+)\"\)", text))
    assert asked
    assert asked <= set(Page(text).ids)
