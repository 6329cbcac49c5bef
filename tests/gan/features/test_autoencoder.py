import pytest
import torch

from otgan.gan.features.autoencoder import learning_rate
from tests.gan.features.data import DATA, start


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", ["autoencoder", "wae"])
def test_codes_of_the_data_are_of_one_unit(data, name):
    system, state = start(data, features=f"{name}:3", n_features=60)
    errors = []
    for _ in range(60):
        terms = system.step(state.nets, state.optimizers, state.batches)
        assert list(terms) == ["reconstruction"]
        errors.append(float(terms["reconstruction"]))
    assert sum(errors[-10:]) < 0.95 * sum(errors[:10])
    before = {name: net.state_dict() for name, net in state.nets.items()}
    before = {name: {key: value.clone() for key, value in net.items()} for name, net in before.items()}
    assert list(system.step(state.nets, state.optimizers, state.batches)) == ["divergence"]
    rows = system.data_rows(state.nets, state.batches)
    assert torch.allclose(rows.mean(0), torch.zeros(3), atol=1e-4)
    assert float(rows.square().sum(1).mean()) == pytest.approx(1, rel=1e-3)
    for key, value in state.nets["encoder"].state_dict().items():
        assert key == "steps" or torch.equal(value, before["encoder"][key])
    changed = {
        key
        for key, value in state.nets["generator"].state_dict().items()
        if not torch.equal(value, before["generator"][key])
    }
    assert changed
    assert all(key.startswith("codes.") for key in changed)


def test_decoder_undoes_the_units_of_the_encoder():
    system, state = start(
        "8gaussians", features="autoencoder:2", n_features=300, width=64, depth=2, lr_autoencoder=1e-2
    )
    for _ in range(300):
        system.step(state.nets, state.optimizers, state.batches)
    for net in state.nets.values():
        net.eval()
    x = state.batches.real()
    decoded = state.nets["generator"].decode(state.nets["encoder"](x)).detach()
    assert float((decoded - x).square().sum(1).mean()) < 0.1 * float(x.square().sum(1).mean())


def test_learning_rate_rises_and_falls():
    rates = [learning_rate(k, 100) for k in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(0.96)
    assert rates.index(max(rates)) == 4
    assert rates[-1] == pytest.approx(0.02)
    assert learning_rate(0, 1) == 1.0
