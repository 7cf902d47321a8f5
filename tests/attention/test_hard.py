"""Hard attention: its samples, and its gradients against enumeration."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import mt.attention.recurrent.hard as hard
from helpers.recurrent_attention import model_of, softmax
from mt.attention.recurrent.attention import SELECTORS
from mt.attention.recurrent.hard import Reinforce, StraightThrough
from mt.config.schema import RNNConfig


def test_samples_follow_the_softmax_and_evaluation_takes_the_argmax():
    scores = torch.tensor([1.0, 0.0, 2.0, 5.0]).expand(1, 1, 4000, 4)
    mask, query = torch.tensor([True, True, True, False]), torch.zeros(1, 4000, 3)
    for select in (Reinforce(3, 0.0), StraightThrough(0.5)):
        torch.manual_seed(6)
        weights, _ = select(scores, mask, query)
        assert set(weights.unique().tolist()) == {0.0, 1.0}
        torch.testing.assert_close(weights.sum(-1), torch.ones(1, 1, 4000))
        expected = torch.tensor([math.e, 1.0, math.e**2, 0.0])
        torch.testing.assert_close(
            weights.mean((0, 1, 2)), expected / expected.sum(), atol=0.03, rtol=0
        )
        torch.manual_seed(6)
        assert torch.equal(select(scores, mask, query)[0], weights)
        before = torch.get_rng_state()
        weights, terms = select.eval()(scores, mask, query)
        assert torch.equal(weights, torch.tensor([0.0, 0.0, 1.0, 0.0]).expand_as(weights))
        assert (terms, torch.equal(torch.get_rng_state(), before)) == ({}, True)


def test_straight_through_has_the_gradient_of_the_noisy_softmax(monkeypatch):
    torch.manual_seed(7)
    scores, noise, towards = (
        torch.randn(2, 1, 3, 5, requires_grad=True),
        torch.randn(2, 1, 3, 5),
        torch.randn(2, 1, 3, 5),
    )
    monkeypatch.setattr(hard, "gumbel_noise_like", lambda _: noise)
    weights, _ = StraightThrough(0.7)(scores, torch.ones(5, dtype=torch.bool), torch.zeros(2, 3, 4))
    assert torch.equal(weights, F.one_hot((scores + noise).argmax(-1), 5).float())
    (got,) = torch.autograd.grad((weights * towards).sum(), scores)
    (expected,) = torch.autograd.grad(
        (((scores + noise) / 0.7).softmax(-1) * towards).sum(), scores
    )
    torch.testing.assert_close(got, expected)
    assert got.abs().max() > 0.01


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attention_heads": 2},
        {"scope": "local_p"},
        {"placement": "luong"},
        {"placement": "luong", "input_feeding": False},
        {"placement": "luong", "input_feeding": False, "coverage": True},
    ],
    ids=str,
)
def test_reinforce_is_the_gradient_of_the_expected_cost(changes, monkeypatch):
    """The expected gradient of the surrogate loss is the gradient of the expected NLL.

    Both are computed by enumerating all choices of positions. The last of three target tokens is
    padding, and the baseline is arbitrary.
    """
    torch.manual_seed(8)
    heads, length = changes.get("attention_heads", 1), 3
    size = 2 if heads > 1 else 3
    model = model_of(hidden=4, select="hard", hard_entropy=0.0, **changes)
    for parameter in model.decoder.parameters():
        nn.init.normal_(parameter, std=0.7)
    source, read, predicted = (torch.randint(4, 12, (1, n)) for n in (size, length, length))
    real = torch.tensor([[True, True, False]])
    unpatched = hard.masked_log_softmax
    computed: list[torch.Tensor] = []
    choices: list[tuple[int, ...]] = []

    def masked_log_softmax(scores, mask):
        computed.append(unpatched(scores, mask))
        return computed[-1]

    def gumbel_noise_like(scores):  # makes the choices the argmax
        done = sum(log_p.shape[2] for log_p in computed[:-1])
        noise = torch.zeros_like(scores)
        for query in range(scores.shape[2]):
            for head in range(heads):
                noise[0, head, query, choices[done + query][head]] = 1e9
        return noise

    monkeypatch.setattr(hard, "masked_log_softmax", masked_log_softmax)
    monkeypatch.setattr(hard, "gumbel_noise_like", gumbel_noise_like)
    parameters = {name: p for name, p in model.named_parameters() if "baseline" not in name}
    mean_gradient = [torch.zeros_like(p) for p in parameters.values()]
    mean_cost, total = 0.0, 0.0
    for positions in itertools.product(itertools.product(range(size), repeat=heads), repeat=length):
        computed.clear()
        choices[:] = positions
        output = model(source, source > 0, read)
        logits = model.output(output.hidden).transpose(1, 2)
        nll = F.cross_entropy(logits, predicted, reduction="none") * real
        log_p = torch.cat(computed, 2)[0]
        probability = math.prod(
            log_p[head, t, positions[t][head]].exp() for t in range(length) for head in range(heads)
        )
        surrogate = nll.sum() + sum(term(nll.detach(), real) for term in output.losses)
        gradients = torch.autograd.grad(
            surrogate, list(parameters.values()), retain_graph=True, allow_unused=True
        )
        for mean, gradient in zip(mean_gradient, gradients, strict=True):
            mean += probability.item() * (0 if gradient is None else gradient)
        mean_cost, total = mean_cost + probability * nll.sum(), total + probability.item()
    assert total == pytest.approx(1)
    expected = torch.autograd.grad(mean_cost, list(parameters.values()), allow_unused=True)
    seen = 0
    for name, got, true in zip(parameters, mean_gradient, expected, strict=True):
        torch.testing.assert_close(
            got,
            torch.zeros_like(got) if true is None else true,
            atol=1e-4,
            rtol=1e-3,
            msg=lambda m, n=name: f"{n}: {m}",
        )
        seen += "attention.score" in name and got.abs().max() > 1e-3
    assert seen


@pytest.mark.parametrize("affects_later_tokens", [True, False])
def test_reinforce_loss_equals_a_sum_in_a_loop(affects_later_tokens):
    torch.manual_seed(9)
    nll, real = torch.rand(2, 4), torch.arange(4) < torch.tensor([4, 2])[:, None]
    nll = nll * real
    terms = {
        name: torch.randn(2, 4, requires_grad=True) for name in ("log_prob", "entropy", "baseline")
    }
    (term,) = Reinforce(3, 0.3).losses(terms, affects_later_tokens)
    log_prob, entropy, baseline = (
        terms[name].tolist() for name in ("log_prob", "entropy", "baseline")
    )
    expected = 0.0
    for row, length in enumerate((4, 2)):
        for t in range(length):
            counted = range(t, length) if affects_later_tokens else [t]
            cost = sum(nll[row, u].item() for u in counted)
            expected += (cost - len(counted) * baseline[row][t]) * log_prob[row][t]
            expected -= 0.3 * entropy[row][t]
            expected += (cost / len(counted) - baseline[row][t]) ** 2
    loss = term(nll, real)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    loss.backward()
    # The baseline moves towards the cost; neither choices nor padding move it.
    assert all((terms[name].grad[~real] == 0).all() for name in terms)
    torch.testing.assert_close(terms["entropy"].grad[real], torch.full((6,), -0.3))
    if affects_later_tokens:
        counts = torch.tensor([[4.0, 3.0, 2.0, 1.0], [2.0, 1.0, 0.0, 0.0]])
        cost = nll.flip(1).cumsum(1).flip(1)
    else:
        counts, cost = real.float(), nll
    mean = cost / counts.clamp(min=1)
    torch.testing.assert_close(
        terms["baseline"].grad, -2 * (mean - terms["baseline"].detach()) * real
    )


def test_loss_terms_of_hard_attention_belong_to_the_sample():
    torch.manual_seed(10)
    select, scores, query = (
        Reinforce(3, 0.0),
        torch.randn(2, 2, 3, 4),
        torch.randn(2, 3, 3, requires_grad=True),
    )
    nn.init.normal_(select.baseline.weight)
    weights, terms = select(scores, torch.ones(4, dtype=torch.bool), query)
    for row, t in itertools.product(range(2), range(3)):
        shares = [softmax(scores[row, head, t].tolist()) for head in range(2)]
        chosen = [int(weights[row, head, t].argmax()) for head in range(2)]
        assert terms["log_prob"][row, t].item() == pytest.approx(
            sum(math.log(p[j]) for p, j in zip(shares, chosen, strict=True)), abs=1e-4
        )
        assert terms["entropy"][row, t].item() == pytest.approx(
            -sum(x * math.log(x) for p in shares for x in p), abs=1e-4
        )
    terms["baseline"].sum().backward()
    assert query.grad is None  # the baseline's loss does not reach the decoder


def test_settings_of_hard_attention_reach_the_selector():
    assert SELECTORS["hard"](RNNConfig(hard_entropy=0.3), 4).entropy == 0.3
    gumbel = RNNConfig(hard_estimator="gumbel", hard_temperature=0.4)
    assert SELECTORS["hard"](gumbel, 4).temperature == 0.4
