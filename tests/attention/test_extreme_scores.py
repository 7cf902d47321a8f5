"""Attention with moderate, large and very large scores, against slow references in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers.transformer_attention import inputs, make_visibility
from mt.attention.masks import Visibility
from mt.attention.transformer import linear
from mt.attention.transformer.layouts import DotProductAttention
from mt.attention.transformer.patterns import LinearAttention
from mt.attention.transformer.positions import NoPositions

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
