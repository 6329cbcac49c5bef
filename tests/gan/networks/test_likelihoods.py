import pytest
import torch
from torch.distributions import Bernoulli, Independent, Normal

from otgan.gan.errors import RunError
from otgan.gan.networks import Space, initialize, likelihoods

CPU = torch.device("cpu")
IMAGES = Space((1, 4, 4))


def draw(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("learned", [True, False])
def test_gaussian_is_that_of_torch(learned):
    x, decoded = draw(0, 6, 1, 4, 4), draw(1, 6, 1, 4, 4)
    reference = Independent(Normal(decoded, 0.3), 3).log_prob(x)
    assert torch.allclose(likelihoods.Gaussian(0.09, learned).double()(x, decoded), reference)


def test_bernoulli_is_that_of_torch():
    x, decoded = (draw(0, 6, 1, 4, 4) < 0.5).double(), draw(1, 6, 1, 4, 4)
    reference = Independent(Bernoulli(decoded), 3).log_prob(x)
    assert torch.allclose(likelihoods.Bernoulli()(x, decoded), reference)


def test_bernoulli_of_sure_pixels_has_a_finite_gradient():
    decoded = torch.tensor([[[[0.0, 1.0]]]], requires_grad=True)
    x = torch.tensor([[[[1.0, 1.0]]]])
    value = likelihoods.Bernoulli()(x, decoded).sum()
    assert float(value.detach()) == pytest.approx(-100)
    (gradient,) = torch.autograd.grad(value, decoded)
    assert torch.isfinite(gradient).all()


def test_learned_variance_starts_where_it_is_told_after_the_meta_device():
    with torch.device("meta"):
        made = likelihoods.likelihood("gaussian", IMAGES, 0.25, True)
    filled = initialize(made, torch.Generator().manual_seed(0), CPU)
    assert float(filled.log_variance.detach().exp()) == pytest.approx(0.25)
    fixed = likelihoods.likelihood("gaussian", IMAGES, 0.25, False)
    assert not list(fixed.parameters())


def test_best_variance_is_the_mean_square():
    x, decoded = draw(0, 50, 7), draw(1, 50, 7)
    model = likelihoods.Gaussian(float((x - decoded).square().mean()), True).double()
    (gradient,) = torch.autograd.grad(model(x, decoded).mean(), model.log_variance)
    assert abs(float(gradient)) < 1e-6


def test_points_are_no_probabilities():
    with pytest.raises(RunError, match="use likelihood=gaussian"):
        likelihoods.likelihood("bernoulli", Space((2,)), 1.0, False)


def test_density_of_codes_is_that_of_torch():
    z, mean, log_variance = draw(0, 5, 3), draw(1, 5, 3), draw(2, 5, 3)
    reference = Independent(Normal(mean, (0.5 * log_variance).exp()), 1).log_prob(z)
    assert torch.allclose(likelihoods.gaussian_log_prob(z, mean, log_variance), reference)
