"""Attention patterns: the keys they allow, and sparse against full attention with a mask."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from helpers.transformer_attention import HEADS, WIDTH, inputs, make_visibility
from mt.attention.transformer import layouts
from mt.attention.transformer.layouts import (
    DotProductAttention,
    FullLayout,
    StridedLayout,
    WindowLayout,
)
from mt.attention.transformer.multihead import MultiHeadAttention
from mt.attention.transformer.patterns import AdaptiveSpan, LinearAttention, Pattern, build_pattern
from mt.attention.transformer.position_scheme import ALL_HEADS, PositionScheme
from mt.attention.transformer.positions import NoPositions, build_positions
from mt.config.model_schema import ADDED_POSITION_NAMES, POSITION_NAMES
from mt.config.schema import TransformerConfig

LAYOUTS = {
    "window": (WindowLayout(9), lambda t, s: abs(t - s) <= 9),
    "small window": (WindowLayout(2), lambda t, s: abs(t - s) <= 2),
    "strided": (StridedLayout(4), lambda t, s: (t - s) % 4 == 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_allow_the_keys_of_their_definition(layout):
    allowed = LAYOUTS[layout][0].allowed(torch.arange(3, 23), torch.arange(20))
    assert allowed.tolist() == [[LAYOUTS[layout][1](t, s) for s in range(20)] for t in range(3, 23)]


class AbsolutePositions(PositionScheme):
    """Trained scores and contexts for each position, which no distance can replace."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.query, self.key, self.value = (nn.Parameter(torch.randn(98)) for _ in range(3))

    def bias(self, query, query_positions, key_positions, heads=ALL_HEADS):
        own = self.query[query_positions][..., None, :, None]
        return own * self.key[key_positions][..., None, None, :]

    def key_products(self, query, query_positions, key_positions, heads=ALL_HEADS):
        return query.sum(-1, keepdim=True) * self.key[key_positions][..., None, None, :]

    def context_bias(self, weights, query_positions, key_positions):
        return weights @ self.value[key_positions][..., None, :, None]


@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
@pytest.mark.parametrize("length", [80, 81, 95])
@pytest.mark.parametrize("position", [*POSITION_NAMES, "absolute"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sparse_attention_equals_full_attention_with_a_mask(layout, position, length, causal):
    """Context and gradients, with padding and lengths that are no multiple of the block size."""
    chosen = LAYOUTS[layout][0]
    assert chosen.sparse_is_faster(length)
    qkv, visibility = inputs(length), make_visibility(length, causal)
    at = visibility.query_positions + 3
    visibility = replace(visibility, query_positions=at, key_positions=at)
    if position == "absolute":
        scheme = AbsolutePositions()
    else:
        scheme = build_positions(position, TransformerConfig(heads=HEADS), HEADS * WIDTH, 1, causal)
    attention = DotProductAttention(scheme.for_layer(0))
    wanted = [*qkv, *(p for p in scheme.parameters() if position not in ADDED_POSITION_NAMES)]
    sparse = chosen.attend(*qkv, visibility, attention)[0]
    dense = chosen.attend(*qkv, visibility, replace(attention, need_weights=True))[0]
    torch.testing.assert_close(sparse, dense, atol=1e-5, rtol=1e-4)
    gradients = [torch.autograd.grad(x.square().sum(), wanted) for x in (sparse, dense)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def config(**changes) -> TransformerConfig:
    return TransformerConfig(heads=HEADS, **changes)


PATTERNS = {
    "full": (config(), lambda h, t, s: True),
    "window": (config(window=3), lambda h, t, s: abs(t - s) <= 3),
    "multiscale": (config(window=12), lambda h, t, s: abs(t - s) <= (1, 2, 5, 12)[h]),
    "strided": (config(stride=4), lambda h, t, s: abs(t - s) <= 4 if h < 2 else (t - s) % 4 == 0),
}


@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
@pytest.mark.parametrize("length", [9, 80])
@pytest.mark.parametrize("gain", [1, 30, 1000])
@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_equal_full_attention_with_their_mask(name, length, causal, gain):
    settings, allowed = PATTERNS[name]
    query, key, value = inputs(length)
    query = query * gain
    visibility = make_visibility(length, causal)
    mask = torch.tensor(
        [[[allowed(h, t, s) for s in range(length)] for t in range(length)] for h in range(HEADS)]
    )
    visible = visibility.mask()
    mask = mask if visible is None else mask & visible
    scores = query.double() @ key.double().mT / math.sqrt(WIDTH)
    exact = scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num(0.0)
    expected, weights = (exact @ value.double()).float(), exact.float()
    tolerance = {"atol": 1e-5 * max(1, gain / 10), "rtol": 1e-4 * max(1, gain / 10)}
    pattern = build_pattern(name, settings)
    torch.testing.assert_close(
        pattern.attend(query, key, value, visibility, DotProductAttention(NoPositions()))[0],
        expected,
        **tolerance,
    )
    found = pattern.attend(
        query, key, value, visibility, DotProductAttention(NoPositions(), need_weights=True)
    )
    torch.testing.assert_close(found, (expected, weights), **tolerance)


@pytest.mark.parametrize("gain", [1, 30, 1000])
def test_adaptive_spans_equal_the_formula_and_have_the_stated_loss(gain):
    length, ramp = 70, AdaptiveSpan.RAMP
    query, key, value = inputs(length)
    query = gain * query
    close = 1e-6 * max(10, gain)
    pattern = AdaptiveSpan(HEADS, max_span=10, cost=0.5)
    with torch.no_grad():
        pattern.share.copy_(torch.tensor([0.0, 0.25, 0.8, 1.5]))
    spans = [0.0, 2.5, 8.0, 10.0]  # in tokens; the last is clamped
    context, weights = pattern.attend(
        query,
        key,
        value,
        make_visibility(length, True),
        DotProductAttention(NoPositions(), need_weights=True),
    )
    for h, span in enumerate(spans):
        for t in (0, 30):
            masks = [max(0.0, min(1.0, (ramp + span - (t - s)) / ramp)) for s in range(t + 1)]
            products = (key[0, h, : t + 1].double() @ query[0, h, t].double()).tolist()
            scores = [product / math.sqrt(WIDTH) for product in products]
            top = max(score for score, mask in zip(scores, masks, strict=True) if mask)
            parts = [
                mask and mask * math.exp(score - top)
                for score, mask in zip(scores, masks, strict=True)
            ]
            expected = [part / sum(parts) for part in parts]
            assert weights[0, h, t, : t + 1].tolist() == pytest.approx(expected, abs=close)
    without = pattern.attend(
        query, key, value, make_visibility(length, True), DotProductAttention(NoPositions())
    )[0]
    torch.testing.assert_close(without, context, atol=close, rtol=10 * close)
    assert pattern.loss().item() == pytest.approx(0.5 * sum(spans) / 4)


def test_a_span_outside_its_range_can_return():
    """Outside the range, only gradients that lead further outside are zero."""
    pattern = AdaptiveSpan(2, max_span=10, cost=1.0)
    with torch.no_grad():
        pattern.share.copy_(torch.tensor([1.2, -0.2]))
    assert pattern.span.tolist() == [10, 0]
    torch.testing.assert_close(
        torch.autograd.grad(pattern.span.sum(), pattern.share)[0], torch.tensor([10.0, 0.0])
    )
    torch.testing.assert_close(
        torch.autograd.grad(-pattern.span.sum(), pattern.share)[0], torch.tensor([0.0, -10.0])
    )


def test_span_gradients_equal_finite_differences():
    query, key, value = (x.detach() for x in inputs(20))
    pattern, step = AdaptiveSpan(HEADS, max_span=8, cost=0.1), 1e-2

    def loss(share: list[float]) -> torch.Tensor:
        with torch.no_grad():
            pattern.share.copy_(torch.tensor(share))
        return (
            pattern.attend(
                query, key, value, make_visibility(20, True), DotProductAttention(NoPositions())
            )[0]
            .square()
            .sum()
        )

    at = [0.11, 0.33, 0.54, 0.72]  # spans whose ramps end between two tokens
    gradient = torch.autograd.grad(loss(at), pattern.share)[0].tolist()
    for h in range(HEADS):
        above, below = (
            loss([x + sign * step * (i == h) for i, x in enumerate(at)]).item() for sign in (1, -1)
        )
        assert gradient[h] == pytest.approx((above - below) / (2 * step), rel=0.02)


@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
def test_linear_attention_equals_the_slow_reference(causal):
    length = 150  # more than two blocks
    query, key, value = inputs(length)
    visibility = make_visibility(length, causal)
    pattern = LinearAttention()
    context = pattern.attend(query, key, value, visibility, DotProductAttention(NoPositions()))[0]
    dense, weights = pattern.attend(
        query, key, value, visibility, DotProductAttention(NoPositions(), need_weights=True)
    )
    phi = nn.functional.elu
    for b, h, t in ((0, 0, 0), (1, 1, 70), (0, 3, 149)):
        real = length if causal else (length, length - 3)[b]
        seen = range(t + 1) if causal else range(real)
        products = [((phi(query[b, h, t]) + 1) @ (phi(key[b, h, s]) + 1)).item() for s in seen]
        expected = sum(
            p * value[b, h, s].detach() for p, s in zip(products, seen, strict=True)
        ) / sum(products)
        torch.testing.assert_close(context[b, h, t], expected, atol=1e-5, rtol=1e-4)
        assert weights[b, h, t, : len(seen)].tolist() == pytest.approx(
            [p / sum(products) for p in products], abs=1e-6
        )
    torch.testing.assert_close(context, dense, atol=1e-5, rtol=1e-4)
    gradients = [
        torch.autograd.grad(x.square().sum(), (query, key, value)) for x in (context, dense)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "name", ["full", "window", "strided", "multiscale", "adaptive_span", "linear"]
)
def test_grouped_query_heads_share_keys_as_in_pytorch(name):
    """Two key heads for four query heads equal four key heads, each repeated."""
    query, key, value = inputs(40)
    key, value = key[:, :2], value[:, :2]
    pattern = build_pattern(name, config(window=4, stride=4))
    twice = [x[:, [0, 0, 1, 1]] for x in (key, value)]
    visibility = make_visibility(40, True)
    torch.testing.assert_close(
        pattern.attend(query, key, value, visibility, DotProductAttention(NoPositions()))[0],
        pattern.attend(query, *twice, visibility, DotProductAttention(NoPositions()))[0],
    )
    if name == "full":
        expected = nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=True
        )
        torch.testing.assert_close(
            pattern.attend(query, key, value, visibility, DotProductAttention(NoPositions()))[0],
            expected,
        )


def test_weights_of_long_inputs_are_computed_in_chunks(monkeypatch):
    """The results are the same, and no chunk has more scores than the limit."""
    query, key, value = inputs(33)
    scheme = build_positions("shaw", config(), HEADS * WIDTH, 1, True).for_layer(0)
    visibility, attention = (
        make_visibility(33, False),
        DotProductAttention(scheme, need_weights=True),
    )
    expected = FullLayout().attend(query, key, value, visibility, attention)
    sizes = []

    def watched(query, key, *rest, **options):
        sizes.append(query[..., 0].numel() * key.shape[-2])
        return attend(query, key, *rest, **options)

    attend = layouts.attend
    monkeypatch.setattr(layouts, "attend", watched)
    monkeypatch.setattr(layouts, "MAX_SCORES", 2000)
    found = FullLayout().attend(query, key, value, visibility, attention)
    torch.testing.assert_close(found, expected)
    assert len(sizes) > 1 and max(sizes) <= 2000


@pytest.mark.parametrize(
    "pattern", ["full", "window", "strided", "multiscale", "adaptive_span", "linear"]
)
def test_attention_dropout_acts_in_training_only(pattern):
    settings = config(attention_dropout=0.0 if pattern == "linear" else 0.5, window=4, stride=4)
    torch.manual_seed(0)
    layer = MultiHeadAttention(settings, HEADS * WIDTH, pattern=pattern)
    x, visibility = torch.randn(2, 50, HEADS * WIDTH), make_visibility(50, True)
    expected = layer.eval().self_attend(x, visibility, NoPositions())[0]
    torch.testing.assert_close(layer.self_attend(x, visibility, NoPositions())[0], expected)
    if pattern != "linear":
        assert not torch.allclose(
            layer.train().self_attend(x, visibility, NoPositions())[0], expected
        )


def test_qk_norm_makes_weights_independent_of_scale():
    torch.manual_seed(0)
    layer = MultiHeadAttention(config(qk_norm=True), HEADS * WIDTH)
    x, visibility = torch.randn(1, 5, HEADS * WIDTH), make_visibility(5, True)
    once = layer.self_attend(x, visibility, NoPositions(), need_weights=True)[1]
    with torch.no_grad():
        layer.query.weight.mul_(50)
        layer.key_value.weight.chunk(2)[0].mul_(0.1)
    torch.testing.assert_close(
        layer.self_attend(x, visibility, NoPositions(), need_weights=True)[1],
        once,
        atol=1e-4,
        rtol=1e-3,
    )


def test_patterns_without_a_loss_term_return_none():
    assert Pattern((slice(None), FullLayout())).loss() is None
    assert LinearAttention().loss() is None
