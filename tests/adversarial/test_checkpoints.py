"""A sample of the checkpoint campaign."""

import sys

import pytest

from otgan.gan import SYSTEMS
from tests.adversarial import checkpoints

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked, signalled and limited")


def test_a_sample_of_the_campaign_fails_nowhere():
    found = checkpoints.run_chunk(20, 3)
    assert found["failures"] == []
    assert found["cases"] == sum(found["by_kind"].values()) == 3


def test_every_system_is_in_the_campaign():
    assert set(checkpoints.SYSTEMS) == set(SYSTEMS)


def test_the_campaign_finds_what_is_wrong(monkeypatch):
    """A case that resumes a run which goes on otherwise, and one whose process ends in a traceback."""

    def other(bench, system, folder, rng):
        bench.do(checkpoints._train, folder, system, steps=5)
        (folder / "checkpoint-00000005.pt").unlink()
        bench.ended_same(folder, system)

    def raw(bench, system, folder, rng):
        bench.do(checkpoints._state, folder, system)

    monkeypatch.setattr(checkpoints, "KINDS", {"other": other, "raw": raw})
    monkeypatch.setattr(checkpoints, "SYSTEMS", ("gan",))
    words = {each["kind"]: each["words"] for each in checkpoints.run_chunk(0, 2)["failures"]}
    assert "of the resumed run are others" in words["other"]
    assert "ends in a traceback" in words["raw"]
