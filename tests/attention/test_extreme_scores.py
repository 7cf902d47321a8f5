"""Attention with moderate, large and very large scores, against slow references in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers.transformer_attention import HEADS, WIDTH, inputs, make_visibility
from mt.attention.masks import Visibility
from mt.attention.recurrent.hard import masked_log_softmax
from mt.attention.select import SELECTIONS
from mt.attention.transformer import linear
from mt.attention.transformer.layouts import DotProductAttention, FullLayout
from mt.attention.transformer.patterns import AdaptiveSpan, LinearAttention
from mt.attention.transformer.position_scheme import relative_positions
from mt.attention.transformer.positions import NoPositions, build_positions
from mt.config.schema import TransformerConfig

# Scores or features are multiplied by the gain. float32 has seven digits: the larger a score, the
# larger the error of its exponential.
TOLERANCES = {1: 1e-5, 5: 1e-5, 30: 1e-4, 1000: 2e-3}
PLAIN = DotProductAttention(NoPositions())


def slow_linear_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Compute equation 7 of Katharopoulos et al. 2020 through logarithms, which do not underflow.

    log phi(x) is x below 0, log(1 + x) above.
    """
    log_query, log_key = (torch.where(x < 0, x, x.clamp(min=0).log1p()) for x in (query, key))
    # Masked with a finite number, so that rows without a key have finite gradients.
    products = (log_query[..., :, None, :] + log_key[..., None, :, :]).logsumexp(-1)
    weights = products.masked_fill(~mask, -1e300).softmax(-1)
    return weights.masked_fill(~mask.any(-1, keepdim=True), 0) @ value


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("gain", TOLERANCES)
@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
@pytest.mark.parametrize("length", [1, 2, 37, 150])
def test_linear_attention_equals_the_reference_at_any_gain(length, causal, gain, fast, monkeypatch):
    """Context, weights, incremental decoding and gradients; without `fast` as on a GPU."""
    if not fast:
        monkeypatch.setattr(linear, "MODERATE", -1.0)
    query, key, value = (x.detach() for x in inputs(length))
    qkv = [x.requires_grad_() for x in (query * gain, key * gain, value)]
    exact = [x.detach().double().requires_grad_() for x in qkv]
    visibility = make_visibility(length, causal)
    mask = visibility.mask()
    assert mask is not None
    mask = mask.expand(2, 1, length, length)
    expected = slow_linear_attention(*exact, mask)
    pattern, tolerance = LinearAttention(), TOLERANCES[gain]
    context = pattern.attend(*qkv, visibility, PLAIN)[0]
    close = {"atol": tolerance, "rtol": tolerance, "check_dtype": False}
    torch.testing.assert_close(context, expected, **close)
    watched = DotProductAttention(NoPositions(), need_weights=True)
    weighted, weights = pattern.attend(*qkv, visibility, watched)
    torch.testing.assert_close(weighted, expected, **close)
    assert weights is not None and (weights[~mask.expand(weights.shape)] == 0).all()
    gradients = torch.autograd.grad(context.sin().sum(), qkv)
    for found, right in zip(
        gradients, torch.autograd.grad(expected.sin().sum(), exact), strict=True
    ):
        torch.testing.assert_close(found, right, **close)
    if causal:
        cache = None
        for t in range(length):
            token = (x[:, :, t : t + 1] for x in qkv)
            step, _, cache = pattern.step(*token, cache, torch.tensor([t]), PLAIN)
            torch.testing.assert_close(step[:, :, 0], expected[:, :, t], **close)


def test_a_query_with_very_negative_features_gets_the_mean_of_equal_keys():
    """elu(x) + 1 is 0 in float32 if x < -17."""
    qkv = [torch.full((1, 1, 2, 3), x).requires_grad_() for x in (-40.0, -40.0, 2.0)]
    at = torch.arange(2)
    for causal in (False, True):
        context = LinearAttention().attend(*qkv, Visibility(at, at, causal=causal), PLAIN)[0]
        torch.testing.assert_close(context, qkv[2])
        assert all(x.isfinite().all() for x in torch.autograd.grad(context.sum(), qkv))


@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
def test_linear_attention_to_hidden_keys_only_is_zero_with_finite_gradients(causal):
    qkv, at = inputs(5), torch.arange(5)
    visibility = Visibility(at, at, torch.zeros(2, 5, dtype=torch.bool), causal)
    for attention in (PLAIN, DotProductAttention(NoPositions(), need_weights=True)):
        context = LinearAttention().attend(*qkv, visibility, attention)[0]
        assert (context == 0).all()
        assert all((x == 0).all() for x in torch.autograd.grad(context.sum(), qkv))


def test_a_large_later_key_does_not_hide_small_earlier_ones():
    """Query 64 reads 64 keys with value 1 and its own, equal key with value 0, but not key 65."""
    key, value = torch.full((1, 1, 66, 1), -20.0), torch.ones(1, 1, 66, 1)
    key[:, :, 65], value[:, :, 64] = 20.0, 0.0
    at = torch.arange(66)
    context = LinearAttention().attend(key, key, value, Visibility(at, at, causal=True), PLAIN)[0]
    assert context[0, 0, 64].item() == pytest.approx(64 / 65)


def test_keys_beyond_an_adaptive_span_are_hidden_from_any_score():
    """They had a score of -1e4, which other scores fall below and this one exceeds."""
    pattern = AdaptiveSpan(1, max_span=2, cost=0.0)
    key = torch.zeros(1, 1, 40, 1)
    key[:, :, 0] = 2e4
    at = torch.arange(40)
    watched = DotProductAttention(NoPositions(), need_weights=True)
    for causal in (False, True):
        weights = pattern.attend(key + 1, key, key, Visibility(at, at, causal=causal), watched)[1]
        assert weights is not None and (weights[..., 6:, 0] == 0).all()
        context = pattern.attend(key + 1, key, key, Visibility(at, at, causal=causal), PLAIN)[0]
        assert (context[:, :, 6:] == 0).all() and context[0, 0, 0] == 2e4


@pytest.mark.parametrize("name", SELECTIONS)
def test_hidden_keys_get_no_weight_beside_the_lowest_scores(name):
    scores, mask = torch.tensor([[-1e10, -2e10, 5.0]]), torch.tensor([[True, True, False]])
    assert SELECTIONS[name](scores, mask).tolist() == [[1, 0, 0]]
    log_p = masked_log_softmax(scores, mask)
    assert log_p.exp().tolist() == [[1, 0, 0]] and log_p.isfinite().all()


@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
def test_soft_cap_bounds_products_with_vectors_of_shaw(causal):
    length, cap = 20, 2.0
    query, key, value = inputs(length)
    config = TransformerConfig(heads=HEADS)
    scheme = build_positions("shaw", config, HEADS * WIDTH, 1, causal).for_layer(0)
    with torch.no_grad():
        scheme.key.weight.mul_(1000)
    visibility = make_visibility(length, causal)
    attention = DotProductAttention(scheme, softcap=cap, need_weights=True)
    weights = FullLayout().attend(query, key, value, visibility, attention)[1]
    offset = relative_positions(visibility.query_positions, visibility.key_positions)
    vectors = scheme.key.weight[offset.clamp(-16, 16) + 16].double()  # [T, S, D]
    products = (query[..., None, :] * (key[:, :, None] + vectors)).sum(-1) / WIDTH**0.5
    scores = cap * torch.tanh(products / cap)
    expected = scores.masked_fill(~visibility.mask(), -torch.inf).softmax(-1)
    torch.testing.assert_close(weights, expected, atol=1e-5, rtol=1e-4, check_dtype=False)
