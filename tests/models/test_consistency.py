"""Losses over several passes, against their formulas with all logits in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.models import loss
from mt.models.consistency import ConsistencyLoss, r_drop, simcut, token_cutoff
from mt.models.loss import sum_token_loss

VOCABULARY, SENTENCES, LENGTH = 20, 3, 5


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def r_drop_formula(log_p: Tensor, nll: Tensor, alpha: float) -> Tensor:
    both = kl(log_p[0], log_p[1]) + kl(log_p[1], log_p[0])
    return (nll[0] + nll[1] + alpha * both / 2) / 2


def simcut_formula(log_p: Tensor, nll: Tensor, alpha: float) -> Tensor:
    return nll[0] + alpha * kl(log_p[0], log_p[1])


def token_cutoff_formula(log_p: Tensor, nll: Tensor, alpha: float) -> Tensor:
    mean = log_p.exp().mean(0).log()
    divergence = torch.stack([kl(each, mean) for each in log_p]).mean(0)
    return (nll[0] + nll[1:].mean(0) + alpha * divergence) / 2


CASES = {
    "rdrop": (lambda smoothing: r_drop(smoothing, 5.0), r_drop_formula, 5.0),
    "simcut": (lambda smoothing: simcut(smoothing, 3.0), simcut_formula, 3.0),
    "one view": (lambda smoothing: token_cutoff(smoothing, 2.0, 1), token_cutoff_formula, 2.0),
    "three views": (lambda smoothing: token_cutoff(smoothing, 2.0, 3), token_cutoff_formula, 2.0),
}


def some_predictions(passes: int) -> tuple[Tensor, nn.Linear, Tensor]:
    """Return hidden states, an output layer, and targets with padding."""
    torch.manual_seed(0)
    output, hidden = nn.Linear(8, VOCABULARY), 2 * torch.randn(passes * SENTENCES, LENGTH, 8)
    target = torch.randint(1, VOCABULARY, (SENTENCES, LENGTH))
    target[1, 3:] = 0
    return hidden.requires_grad_(), output, target


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_equals_its_formula(
    monkeypatch: pytest.MonkeyPatch, name: str, smoothing: float, padded: bool
) -> None:
    """Value and gradient, with some padding, as on a CPU, and with all of it, as on a GPU."""
    monkeypatch.setattr(loss, "ROUND_POSITIONS", 3)
    # Several chunks, the last one shorter, and slices of them.
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 300)
    monkeypatch.setattr(loss, "SLICE_LOGITS", 130)
    build, formula, alpha = CASES[name]
    token_loss = build(smoothing)
    hidden, output, target = some_predictions(token_loss.passes)
    inputs = hidden, output.weight, output.bias
    if padded:
        rows = hidden.unflatten(0, (-1, SENTENCES)).movedim(0, 2).flatten(0, 1)
        got, nll = loss._LinearTokenLoss.apply(
            rows, output.weight, output.bias, target.flatten(), token_loss, torch.float, True
        )
        nll = nll.T.reshape(-1, LENGTH)
    else:
        got, nll = sum_token_loss(hidden, output, target, token_loss)
    wide = [tensor.detach().double().requires_grad_() for tensor in inputs]
    log_p = F.linear(*wide).log_softmax(-1).unflatten(0, (-1, SENTENCES))
    targets = target.repeat(len(log_p), 1).flatten()
    expected_nll, smoothed = (
        F.cross_entropy(
            log_p.flatten(0, 2), targets, ignore_index=0, reduction="none", label_smoothing=share
        ).view(-1, SENTENCES, LENGTH)
        for share in (0.0, smoothing)
    )
    expected = (formula(log_p, smoothed, alpha) * (target != 0)).sum()
    torch.testing.assert_close(got.double(), expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(nll.double(), expected_nll.flatten(0, 1), rtol=1e-5, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(2 * got, inputs), torch.autograd.grad(2 * expected, wide), strict=True
    ):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_equal_passes_have_the_loss_and_gradient_of_one(name: str) -> None:
    token_loss: ConsistencyLoss = CASES[name][0](0.1)
    hidden, output, target = some_predictions(1)
    one = loss.cross_entropy(hidden, output, target, 0.1)[0]
    passes = sum_token_loss(hidden.repeat(token_loss.passes, 1, 1), output, target, token_loss)[0]
    torch.testing.assert_close(passes, one)
    for got, expected in zip(
        *(torch.autograd.grad(each, (hidden, output.weight)) for each in (passes, one)), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_probabilities_that_vanish_in_float32_give_finite_losses(name: str) -> None:
    token_loss: ConsistencyLoss = CASES[name][0](0.1)
    hidden, output, target = some_predictions(token_loss.passes)
    got, _ = sum_token_loss(300 * hidden, output, target, token_loss)
    assert math.isfinite(got.item()) and got > 0
    gradients = torch.autograd.grad(got, (hidden, output.weight, output.bias))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_bf16_changes_the_loss_by_rounding_only() -> None:
    hidden, output, target = some_predictions(2)
    exact, _ = sum_token_loss(hidden, output, target, r_drop(0.1, 5.0))
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = sum_token_loss(hidden, output, target, r_drop(0.1, 5.0))
    assert rounded.dtype == torch.float32 and rounded != exact
    torch.testing.assert_close(rounded, exact, rtol=0.02, atol=0)
