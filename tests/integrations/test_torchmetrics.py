"""Metrics of torchmetrics: the values of the functions, whatever the batches, also in two processes."""

import pickle

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing

import otgan

torchmetrics = pytest.importorskip("torchmetrics")

from torchmetrics.utilities import check_forward_full_state_property  # noqa: E402 - after the skip

from otgan.integrations import torchmetrics as integrated  # noqa: E402

RNG = np.random.default_rng(0)
X, Y = torch.tensor(RNG.normal(size=(24, 2))), torch.tensor(RNG.normal(size=(18, 2)) + 0.5)
KINDS = {
    "emd": (integrated.EarthMoversDistance, {"p": 1}),
    "sliced": (integrated.SlicedWasserstein, {"p": 1}),
    "sinkhorn_divergence": (integrated.SinkhornDivergence, {"p": 1}),
    "mmd": (integrated.MaximumMeanDiscrepancy, {}),
    "energy": (integrated.EnergyDistance, {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_value_is_that_of_all_samples(name):
    kind, options = KINDS[name]
    metric = kind()
    assert isinstance(metric, torchmetrics.Metric)
    for part in range(3):
        metric.update(X[8 * part : 8 * (part + 1)], Y[6 * part : 6 * (part + 1)])
    value = metric.compute()
    assert (value.shape, value.dtype) == ((), torch.float64)
    assert value.item() == pytest.approx(float(getattr(otgan, name)(X, Y, **options)), rel=1e-6)
    again = pickle.loads(pickle.dumps(metric))
    assert again.compute() == value
    metric.reset()
    metric.update(X, X)
    assert metric.compute().item() == pytest.approx(float(getattr(otgan, name)(X, X, **options)), abs=1e-9)


def test_a_group_is_for_distances_that_processes_compute_together():
    with pytest.raises(ValueError, match="group needs a distance that processes compute together"):
        integrated.EnergyDistance(group="world")
    with pytest.raises(ValueError, match="group must be a process group"):
        integrated.EarthMoversDistance(group="all")


def test_options_and_images():
    images = torch.rand(6, 1, 4, 4)
    metric = integrated.SampleDistance("mmd", options={"kernel": "laplacian"})
    metric.update(images, images.flip(0) * 0.5)
    flat = images.reshape(6, 16)
    expected = otgan.mmd(flat, flat.flip(0) * 0.5, kernel="laplacian")
    assert metric.compute().item() == pytest.approx(float(expected), rel=1e-6)
    squared = integrated.EarthMoversDistance(p=2)
    squared.update(X, Y)
    assert squared.compute().item() == pytest.approx(float(otgan.emd(X, Y, p=2)))
    one_sided = integrated.EnergyDistance()
    one_sided.update(X, Y[:0])
    one_sided.update(X[:0], Y)
    assert one_sided.compute().item() == pytest.approx(float(otgan.energy(X, Y)))


def test_a_batch_is_not_forwarded_twice(capsys):
    check_forward_full_state_property(
        integrated.EnergyDistance,
        input_args={"samples": X, "others": Y},
        num_update_to_compare=[2, 4],
        reps=2,
    )
    assert "full_state_update" in capsys.readouterr().out
    assert integrated.EnergyDistance()(X, Y).item() == pytest.approx(float(otgan.energy(X, Y)))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: integrated.SampleDistance("emdd"), ValueError, "did you mean 'emd'"),
        (lambda: integrated.SampleDistance("emd", p=0.5), ValueError, "p"),
        (lambda: integrated.EnergyDistance().update([1.0], X), TypeError, "samples must be a tensor"),
    ],
)
def test_what_is_refused(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def _process(rank, folder):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2
    )
    metric = integrated.EarthMoversDistance()
    # Of different numbers of samples, as the last batches of two processes are.
    metric.update(X[:10] if rank == 0 else X[10:], Y[:11] if rank == 0 else Y[11:])
    torch.save(metric.compute(), f"{folder}/value-{rank}.pt")
    torch.distributed.destroy_process_group()


def test_processes_share_their_samples(tmp_path):
    torch.multiprocessing.spawn(_process, args=(str(tmp_path),), nprocs=2)
    expected = float(otgan.emd(X, Y))
    for rank in range(2):
        assert torch.load(tmp_path / f"value-{rank}.pt").item() == pytest.approx(expected, rel=1e-12)


def test_what_does_not_converge_is_said():
    metric = integrated.SinkhornDivergence(epsilon=1e-3, max_iter=1)
    metric.update(X, Y)
    with pytest.warns(otgan.ConvergenceWarning, match="max_iter"):
        metric.compute()
