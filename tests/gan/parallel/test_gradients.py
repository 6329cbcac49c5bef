import torch
from torch import nn
from torch.optim import SGD

from otgan.gan.parallel import gradients
from otgan.gan.parallel.gradients import summed_gradients
from tests.gan.parallel.threads import ranks


def test_an_optimizer_steps_by_the_sum_until_the_end(monkeypatch):
    monkeypatch.setattr(gradients, "_MOST", 4)  # so that there are several bundles

    def act(team):
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((2, 3), (2,), (), (3,))]
        parameters.append(nn.Parameter(torch.zeros(2, dtype=torch.float64)))
        optimizer = SGD(parameters, lr=1.0)

        def step():
            for k, each in enumerate(parameters):
                each.grad = None if k == 1 else torch.full_like(each, team.rank + k + 1.0)
            optimizer.step()
            return [each.detach().clone() for each in parameters]

        with summed_gradients(team, {"sgd": optimizer}):
            together = step()
        return together, step()

    for rank, (together, after) in enumerate(ranks(2, act)):
        for k, each in enumerate(together):
            whole = 0.0 if k == 1 else -(2 * k + 3.0)
            assert torch.equal(each, torch.full_like(each, whole))
            own = 0.0 if k == 1 else whole - (rank + k + 1.0)
            assert torch.equal(after[k], torch.full_like(each, own))
