"""What is released holds what it should, and the checks of a release see when it does not."""

import zipfile

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests import dist


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    (path,) = WheelBuilder(str(dist.ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_a_wheel_holds_what_it_should(names):
    assert dist.faults(names) == []


@pytest.mark.parametrize("end", dist.NEEDED)
def test_what_is_missing_is_told(names, end):
    assert dist.faults(name for name in names if not name.endswith(end)) == [f"lacks {end}"]


@pytest.mark.parametrize("name", ["tests/conftest.py", "otgan/__pycache__/x.pyc", "setup.py"])
def test_what_does_not_belong_is_told(names, name):
    assert dist.faults([*names, name]) == [f"has {name}"]


def test_where_no_index_answers_a_wheel_is_not_tried_and_says_so(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(dist, "run", lambda *command, **options: commands.append(command))
    monkeypatch.setattr(dist, "answers", lambda python, folder: False)
    assert dist.tried(tmp_path / "x.whl") == "no package index answers"
    assert len(commands) == 1  # the environment alone
