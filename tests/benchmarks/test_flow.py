import argparse
import json

import numpy as np
import pytest
import torch

from benchmarks import flow


def test_the_error_of_a_plan_is_that_of_its_marginals():
    assert flow.marginal_error(np.eye(4) / 4) == 0
    assert flow.marginal_error(torch.tensor([[0.5, 0.0], [0.5, 0.0]])) == pytest.approx(1)


def test_what_was_measured_is_read_and_the_median_seed_is_shown(tmp_path, monkeypatch):
    options = argparse.Namespace(
        out=tmp_path, data=["8gaussians"], batches=[128], seeds=[0, 1, 2], quick=False, steps=None
    )
    monkeypatch.setattr(flow, "has_peer", lambda: True)
    for coupling in flow.COUPLINGS:
        for seed in options.seeds:
            found = {"straightness": seed / 10, "floor": 0.05, "seconds": 9.0, "measure": "W₁", "batch": 100}
            found |= {str(k): float(10 * k + seed) for k in flow.STEPS}
            (tmp_path / f"8gaussians-{coupling}-128-{seed}.json").write_text(json.dumps(found))
    rows = flow.quality_rows("8gaussians", options)
    assert [row[:3] for row in rows] == [(100, each, "W₁") for each in flow.COUPLINGS]
    monkeypatch.setattr(flow, "has_peer", lambda: False)
    assert flow.quality_rows("8gaussians", options) == [row for row in rows if row[1] != flow.PEER]
    assert rows[0][3:] == (0.1, 0.05, None, 11.0, 21.0, 41.0, 81.0, 1001.0, 9.0)


def test_a_flow_of_another_length_is_another(tmp_path):
    options = argparse.Namespace(out=tmp_path, quick=False, steps=3)
    (tmp_path / "8gaussians-exact-128-3-steps-0.json").write_text(json.dumps({"seconds": 7}))
    assert flow.quality("8gaussians", "exact", 128, 0, options) == {"seconds": 7}


def test_flows_are_trained_and_judged(tmp_path):
    options = argparse.Namespace(out=tmp_path, data=[], seeds=[0], quick=True, steps=None)
    for data in ("8gaussians", "moons to 8gaussians"):
        found = flow.quality(data, "sinkhorn", 64, 0, options)
        assert found["measure"] == "W₁"
        assert 0 < found["floor"] < found["100"]
        assert found == flow.quality(data, "sinkhorn", 64, 0, options)


def test_the_tables_name_what_reruns_them(tmp_path, monkeypatch):
    written = {}
    monkeypatch.setattr(flow, "record", lambda name, *_, **more: written.setdefault(name, more))
    monkeypatch.setattr(flow.timing, "prepare", lambda options: None)
    monkeypatch.setattr(flow, "has_peer", lambda: True)
    monkeypatch.setattr(flow, "absent", lambda *_, **__: [])  # whatever is recorded
    monkeypatch.setattr(flow, "coupling_rows", lambda *_: [])
    monkeypatch.setattr(flow, "quality_rows", lambda *_: [])
    flow.main(["--threads", "1", "--data", "mnist", "--out", str(tmp_path)])
    assert written.keys() == {"flow-coupling", "flow-quality-mnist"}
    assert written["flow-coupling"]["command"] == "python -m benchmarks.flow --threads 1 --data mnist"
    assert written["flow-quality-mnist"]["command"] == (
        "python -m benchmarks.flow --parts quality --data mnist --batches 128 512 2048 --seeds 0 --threads 1 --clock wall"
    )
