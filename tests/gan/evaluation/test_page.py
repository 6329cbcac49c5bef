"""The page of a run: complete, without anything beside it, and true to the last evaluation."""

import base64
import re
from html.parser import HTMLParser

import numpy as np

from otgan.gan import Run, train
from otgan.gan.evaluation.page import verdict

SMALL = {"batch": 8, "width": 4, "depth": 1, "latent": 2}


class Tags(HTMLParser):
    """The tags of a page, and whether each is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.sources = [], [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.sources += [value for name, value in attributes if name in {"src", "href"}]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_run_is_on_one_page(tmp_path):
    points = np.random.default_rng(0).normal(size=(80, 2))
    out = tmp_path / "<run> & co"
    run = train("gan", points, 9, out=out, options=SMALL, save_every=1, evaluate_every=1)
    page = (out / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.count("img") == 7  # six of samples, and the course
    assert all(source.startswith("data:image/png;base64,") for source in tags.sources)
    for source in tags.sources:
        assert base64.b64decode(source.partition(",")[2]).startswith(b"\x89PNG")
    assert f"EM {run.history[-1]['evaluation']['em']:.4g}" in page
    assert re.search(r"<td>batch</td><td>8</td>", page)
    (out / "report.html").unlink()
    again = Run.load(out)
    assert again.write_report() == out / "report.html"
    assert (out / "report.html").read_text(encoding="utf-8") == page
    assert again.write_report(tmp_path / "other.html").is_file()


def test_the_verdict_is_in_words():
    found = {"em": 0.3, "em_floor": 0.2, "modes": 7, "modes_total": 8}
    assert verdict([]) == "Nothing was evaluated yet."
    assert verdict([{"step": 5, "seconds": 90.0, "evaluation": found}]) == (
        "After 5 updates and 1.5 minutes, samples are 1.50 times as far from held-out data as other real samples are "
        "(EM 0.3, floor 0.2). They cover 7 of 8 modes."
    )
    assert verdict([{"step": 5, "evaluation": {"em": 0.25, "em_floor": 0.0}}]).endswith(
        "the EM distance of samples to held-out data is 0.25, where that of real samples is 0."
    )
    found |= {
        "classifier_frechet": 18.0,
        "classifier_frechet_floor": 9.0,
        "classifier_frechet_gaussian": 220.0,
    }
    assert "Fréchet distance is 18.0" in verdict([{"step": 5, "seconds": 90.0, "evaluation": found}])
