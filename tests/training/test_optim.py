"""Loss, optimizer and average of the weights, against PyTorch and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mt.config.schema import OptimConfig
from mt.training.optim import WeightAverage, apply_gradients, build_optimizer


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_updates_equal_clipping_and_adamw_of_torch(clip):
    torch.manual_seed(0)
    config = OptimConfig(weight_decay=0.1)
    ours, theirs = (nn.Linear(4, 3) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    one, other = (
        build_optimizer(config, ours),
        torch.optim.AdamW(
            [
                {"params": [theirs.weight], "weight_decay": 0.1},
                {"params": [theirs.bias], "weight_decay": 0.0},
            ],
            lr=0.01,
            betas=(0.9, 0.98),
            eps=1e-9,
        ),
    )
    for _ in range(3):
        x = torch.randn(5, 4)
        for model, scale in ((ours, 7.0), (theirs, 1.0)):  # ours: a sum over 7 tokens
            model.zero_grad()
            (scale * model(x).square().mean()).backward()
        norm, skipped = apply_gradients(
            one, [p.grad for p in ours.parameters()], torch.tensor(7.0), clip, 0.01
        )
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), clip or math.inf)
        other.step()
        torch.testing.assert_close(norm, expected)
        assert not skipped
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_a_gradient_that_is_not_finite_changes_nothing():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = build_optimizer(OptimConfig(), model)
    for bad in (1.0, math.nan, math.inf):
        before = {name: p.clone() for name, p in model.named_parameters()}
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        model.weight.grad[0, 0] = bad
        _, skipped = apply_gradients(
            optimizer, [p.grad for p in model.parameters()], torch.tensor(1.0), 1.0, 0.1
        )
        assert bool(skipped) is (bad != 1.0)
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, before[name]) is bool(skipped)


def test_the_average_is_an_exponential_moving_average():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average, expected = WeightAverage(dict(model.named_parameters()), 0.9), 0.0
    for step in range(1, 200):
        model.weight.data.fill_(float(step))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.applied():
        assert model.weight.item() == pytest.approx(expected, rel=1e-5)
    assert model.weight.item() == 199
