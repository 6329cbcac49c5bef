"""The page of the parallel lines in a browser."""

import pytest

from otgan.teach import page


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return page(tmp_path_factory.mktemp("page") / "lines.html", n=16, bin_width=0.25)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_without_an_error_and_fits(visit, path, scheme):
    seen = visit(path, 1280, 800, scheme)
    assert seen.errors == []
    assert seen.overflow() == 0
    assert seen.page.locator("svg").count() > 0
