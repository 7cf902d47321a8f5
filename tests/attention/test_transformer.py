"""Transformer attention against slow references: kernels, selections and positions.

The references follow the papers in plain Python, one query and one key at a time.
tests/models/test_equivalences.py tests models with these mechanisms.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from helpers.transformer_attention import HEADS, WIDTH, inputs
from mt.attention.masks import Visibility, causal_mask, padding_mask
from mt.attention.select import SELECTIONS
from mt.attention.transformer.kernels import attend_eager, attend_fused
from mt.attention.transformer.layouts import DotProductAttention, FullLayout
from mt.attention.transformer.positions import (
    RotaryPositions,
    SinusoidalPositions,
    T5Buckets,
    alibi_slopes,
    build_positions,
)
from mt.config.schema import TransformerConfig

# Kernels and selections.


def slow_attention(query, key, value, mask):
    """Compute equation 1 of Vaswani et al. 2017, one query at a time."""
    context = torch.zeros_like(query)
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for t in range(query.shape[2]):
                seen = [s for s in range(key.shape[2]) if mask[b, 0, t, s]]
                scores = [
                    sum(
                        query[b, h, t, d].item() * key[b, h, s, d].item()
                        for d in range(query.shape[3])
                    )
                    for s in seen
                ]
                top = max(scores, default=0)
                exps = [math.exp((score - top) / math.sqrt(query.shape[3])) for score in scores]
                for s, e in zip(seen, exps, strict=True):
                    context[b, h, t] += e / sum(exps) * value[b, h, s]
    return context


@pytest.fixture
def fully_masked_row():
    """Return inputs, and a mask under which the second sentence's first query sees no key."""
    at = torch.arange(4)
    return inputs(4, heads=3), padding_mask(
        torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]]).bool()
    ) & causal_mask(at, at)


@pytest.mark.parametrize("gain", [1, 30, 1000])
def test_both_kernels_equal_the_slow_reference(fully_masked_row, gain):
    (query, key, value), mask = fully_masked_row
    qkv = (gain * query, key, value)
    expected = slow_attention(*qkv, mask)
    close = {"atol": 1e-6 * gain, "rtol": 1e-6 * max(2, gain)}
    torch.testing.assert_close(attend_eager(*qkv, mask)[0], expected, **close)
    torch.testing.assert_close(attend_fused(*qkv, mask), expected, **close)
    assert expected[1, :, 0].abs().max() == 0


@pytest.mark.parametrize("lead", [(), (3,), (1,)])
def test_fused_kernel_accepts_more_batch_dimensions(lead):
    """Masks and biases either have these dimensions or broadcast over them."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, *lead, 3, n, 5) for n in (4, 6, 6))
    masks, biases = (
        ((4, 6), (2, *(1 for _ in lead), 1, 1, 6), (*lead, 1, 4, 6)),
        (None, (3, 4, 6), (2, *lead, 3, 4, 6)),
    )
    for mask_shape, bias_shape in itertools.product(masks, biases):
        mask, bias = (
            torch.rand(mask_shape) < 0.5,
            None if bias_shape is None else torch.randn(bias_shape),
        )
        torch.testing.assert_close(
            attend_fused(query, key, value, mask, bias),
            attend_eager(query, key, value, mask, bias)[0],
        )


@pytest.mark.parametrize("biased", [False, True])
def test_both_kernels_have_the_same_gradients(fully_masked_row, biased):
    qkv, mask = fully_masked_row
    bias = torch.randn(3, 4, 4, requires_grad=True)
    wanted = [*qkv, bias] if biased else qkv
    eager = torch.autograd.grad(
        attend_eager(*qkv, mask, bias if biased else None)[0].square().sum(), wanted
    )
    fused = torch.autograd.grad(
        attend_fused(*qkv, mask, bias if biased else None).square().sum(), wanted
    )
    for one, other in zip(eager, fused, strict=True):
        torch.testing.assert_close(one, other)
        assert one.isfinite().all()


def slow_entmax(scores: list[float], alpha: float) -> list[float]:
    """Find the threshold by bisection (Peters et al. 2019, equation 9); alpha = 2 is sparsemax."""
    scaled = [(alpha - 1) * score for score in scores]
    low, high = max(scaled) - 1, max(scaled)
    for _ in range(60):
        middle = (low + high) / 2
        if sum(max(0.0, x - middle) ** (1 / (alpha - 1)) for x in scaled) > 1:
            low = middle
        else:
            high = middle
    return [max(0.0, x - low) ** (1 / (alpha - 1)) for x in scaled]


@pytest.mark.parametrize("name", SELECTIONS)
def test_masked_keys_get_no_weight_even_beside_very_low_scores(name):
    scores, mask = torch.tensor([[-300.0, -301.0, 5.0]]), torch.tensor([[True, True, False]])
    torch.testing.assert_close(
        SELECTIONS[name](scores, mask)[:, :2], SELECTIONS[name](scores[:, :2])
    )
    assert SELECTIONS[name](scores, mask)[0, 2] == 0


@pytest.mark.parametrize("gain", [1, 30, 1000])
@pytest.mark.parametrize("name", SELECTIONS)
def test_selections_equal_slow_references_and_respect_the_mask(name, gain):
    torch.manual_seed(0)
    scores = torch.randn(5, 7) * 2 * gain
    mask = torch.rand(5, 7) < 0.7
    mask[2] = False
    found = SELECTIONS[name](scores, mask)
    for row in range(5):
        seen = [s for s in range(7) if mask[row, s]]
        kept = [scores[row, s].item() for s in seen]
        if name == "softmax":
            expected = [1 / sum(math.exp(min(y - x, 700)) for y in kept) for x in kept]
        else:
            expected = slow_entmax(kept, 2 if name == "sparsemax" else 1.5) if kept else []
        assert found[row, seen].tolist() == pytest.approx(expected, abs=1e-5)
        assert found[row].sum().item() == pytest.approx(float(bool(kept)), abs=1e-5)
    assert (found[~mask] == 0).all()
    if name == "sparsemax":
        assert (found[mask] == 0).any()


def test_softcap_bounds_the_scores():
    query, key, value = inputs(5)
    weights = attend_eager(100 * query, key, value, softcap=2.0)[1]
    scores = 100 * query @ key.transpose(-2, -1) / math.sqrt(WIDTH)
    torch.testing.assert_close(weights, (2 * torch.tanh(scores / 2)).softmax(-1))
    assert weights.min() > math.exp(-4) / 5  # scores are within -2 and 2


# Positions. A reference takes the scheme, query q and key k of head h, and offset s - t.


def shaw(scheme, q, k, h, offset):
    row = max(-16, min(16, offset)) + 16
    return q @ (k + scheme.for_layer(0).key.weight[row]) / math.sqrt(len(q))


def t5(scheme, q, k, h, offset):
    """Raffel et al. 2020: half of the buckets per side; half of those hold one distance each."""
    each = 32 if scheme.causal else 16
    distance = abs(offset)
    bucket = (
        distance
        if distance < each // 2
        else each // 2
        + int(math.log(distance / (each // 2)) / math.log(128 / (each // 2)) * (each // 2))
    )
    bucket = min(bucket, each - 1) + (each if offset > 0 else 0)
    return q @ k / math.sqrt(len(q)) + scheme.table.weight[bucket, h]


def alibi(scheme, q, k, h, offset):
    rates = [2.0 ** (-2 * (head + 1)) for head in range(HEADS)]  # 2^(-8/4), 2^(-16/4), ...
    return q @ k / math.sqrt(len(q)) - (rates[h] if offset <= 0 else rates[HEADS - 1 - h]) * abs(
        offset
    )


def rope(scheme, q, k, h, offset):
    """Only relative positions matter: rotate the key by the offset, pair by pair."""
    total = 0.0
    for i in range(WIDTH // 2):
        angle = offset * 10_000 ** (-2 * i / WIDTH)
        a, b = k[i], k[i + WIDTH // 2]
        total += q[i] * (a * math.cos(angle) - b * math.sin(angle)) + q[i + WIDTH // 2] * (
            b * math.cos(angle) + a * math.sin(angle)
        )
    return total / math.sqrt(len(q))


def test_rotation_and_its_gradient_are_products_of_complex_numbers():
    torch.manual_seed(0)
    scheme = RotaryPositions(8)
    x = torch.randn(2, 5, 3, 8).transpose(1, 2).requires_grad_()
    at = torch.arange(7, 12)
    grad = torch.randn(2, 3, 5, 8)
    rotated = scheme.rotate(x, at)
    rotated.backward(grad)

    def as_complex(y):
        return torch.complex(*y.detach().chunk(2, dim=-1))

    turn = torch.polar(torch.ones(5, 4), at[:, None] * scheme.frequencies)
    torch.testing.assert_close(as_complex(rotated), as_complex(x) * turn)
    torch.testing.assert_close(as_complex(x.grad), as_complex(grad) * turn.conj())


SCORES = {"shaw": shaw, "t5": t5, "alibi": alibi, "rope": rope}


@pytest.mark.parametrize("gain", [1, 30, 1000])
@pytest.mark.parametrize("causal", [False, True], ids=["encoder", "decoder"])
@pytest.mark.parametrize("name", SCORES)
def test_relative_positions_equal_slow_references(name, causal, gain):
    length, shift = 40, 100  # long enough for Shaw's clipping and T5's wide buckets
    query, key, value = inputs(length)
    query = gain * query
    close = {"atol": 1e-6 * max(10, gain), "rtol": 1e-5 * max(10, gain)}
    scheme = build_positions(name, TransformerConfig(heads=HEADS), HEADS * WIDTH, 2, causal)
    at = torch.arange(shift, shift + length)
    visibility = Visibility(at, at, causal=causal)
    layer, attention = FullLayout(), DotProductAttention(scheme.for_layer(0), need_weights=True)
    context, weights = layer.attend(
        scheme.for_layer(0).rotate(query, at),
        scheme.for_layer(0).rotate(key, at),
        value,
        visibility,
        attention,
    )
    for t in (0, 7, length - 1):
        for h in range(HEADS):
            seen = range(t + 1 if causal else length)
            scores = torch.stack(
                [
                    SCORES[name](scheme, query[0, h, t].double(), key[0, h, s].double(), h, s - t)
                    for s in seen
                ]
            )
            expected = scores.softmax(0).float()
            torch.testing.assert_close(weights[0, h, t, : len(seen)], expected, **close)
            values = value[0, h, : len(seen)]
            if name == "shaw":
                values = (
                    values
                    + scheme.for_layer(0).value.weight[
                        [max(-16, min(16, s - t)) + 16 for s in seen]
                    ]
                )
            torch.testing.assert_close(context[0, h, t], expected @ values, **close)


def test_sinusoids_equal_the_formula():
    dim = 8
    added = SinusoidalPositions(dim).add(torch.zeros(1, 3, dim), torch.tensor([0, 5, 1000]))[0]
    for row, position in enumerate((0, 5, 1000)):
        for i in range(dim // 2):
            angle = position / 10_000 ** (2 * i / dim)
            assert added[row, i].item() == pytest.approx(math.sin(angle), abs=1e-4)
            assert added[row, dim // 2 + i].item() == pytest.approx(math.cos(angle), abs=1e-4)


def test_sinusoids_of_fairseq_equal_its_formula():
    """The first position is 2; the frequencies fall from 1 to exactly 1 / 10,000."""
    dim = 8
    scheme = build_positions("fairseq", TransformerConfig(), dim, layers=1, causal=False)
    added = scheme.add(torch.ones(1, 3, dim), torch.tensor([0, 5, 1000]))[0] - 1
    for row, position in enumerate((2, 7, 1002)):
        for i in range(dim // 2):
            angle = position / 10_000 ** (i / (dim // 2 - 1))
            assert added[row, i].item() == pytest.approx(math.sin(angle), abs=1e-4)
            assert added[row, dim // 2 + i].item() == pytest.approx(math.cos(angle), abs=1e-4)


def test_alibi_slopes_equal_those_of_the_authors():
    assert alibi_slopes(8) == [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]
    assert alibi_slopes(6) == pytest.approx(
        [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
    )  # of 4, then every second of 8


def test_buckets_equal_those_of_t5():
    """Expected values from the reference implementation, bidirectional and causal."""
    both = T5Buckets(8, 2, causal=False)
    assert both.bucket(torch.tensor([0, -1, 1, -7, 7, -8, 8, -127, 127, -500, 500])).tolist() == [
        0,
        1,
        17,
        7,
        23,
        8,
        24,
        15,
        31,
        15,
        31,
    ]
    one = T5Buckets(8, 2, causal=True)
    assert one.bucket(torch.tensor([0, -1, -15, -16, -31, -64, -128, -500, 5])).tolist() == [
        0,
        1,
        15,
        16,
        21,
        26,
        31,
        31,
        0,
    ]
