"""Attention of recurrent decoders against slow references in plain Python, from the papers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from helpers.recurrent_attention import softmax
from mt.attention.recurrent.attention import (
    HARD_ESTIMATORS,
    SCOPES,
    SCORES,
    SELECTORS,
    build_attention,
)
from mt.config import model_schema
from mt.config.schema import RNNConfig
from mt.errors import MTError
from mt.models.build import PLACEMENTS

# Slow references. w: parameters by name, as nested lists. A score function takes query s, state h
# at position j, the term `extra` that coverage adds to the key, and the head.


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def times(matrix, vector):
    return [dot(row, vector) for row in matrix]


def plus(*vectors):
    return [sum(elements) for elements in zip(*vectors, strict=True)]


def share(vector, head, heads):
    size = len(vector) // heads
    return vector[head * size : (head + 1) * size]


def additive(w, s, h, j, extra, head, heads):
    """v^T tanh(W s + U h) (Bahdanau et al. 2014, A.1.2), or See et al. 2017, equation 11."""
    inner = [
        math.tanh(x)
        for x in plus(
            times(w["score.query.weight"], s),
            times(w["score.key.weight"], h),
            w["score.key.bias"],
            extra,
        )
    ]
    return dot(w["score.energy.weight"][head], share(inner, head, heads))


def product(w, s, h, j, extra, head, heads):
    """s^T h, of projections if there are several heads."""
    if heads == 1:
        return dot(s, plus(h, extra))
    return dot(
        *(
            share(x, head, heads)
            for x in (
                times(w["score.query.weight"], s),
                plus(times(w["score.key.weight"], h), extra),
            )
        )
    )


def scaled(w, s, h, j, extra, head, heads):
    width = len(s) if heads == 1 else len(w["score.query.weight"]) // heads
    return product(w, s, h, j, extra, head, heads) / math.sqrt(width)


def general(w, s, h, j, extra, head, heads):
    return dot(s, plus(times(w["score.key.weight"], h), extra))


def scaled_general(w, s, h, j, extra, head, heads):
    return general(w, s, h, j, extra, head, heads) / math.sqrt(len(s))


def location(w, s, h, j, extra, head, heads):
    return times(w["score.position.weight"], s)[j]


def everywhere(w, s, t, length):
    return range(length), lambda j: 1.0


def local_m(w, s, t, length, window=2):
    centre = min(t, length - 1)
    return [j for j in range(length) if centre - window <= j <= centre + window], lambda j: 1.0


def local_p(w, s, t, length, window=2):
    """Luong et al. 2015, equations 9 and 10."""
    energy = dot(
        w["scope.position.weight"][0], [math.tanh(x) for x in times(w["scope.inner.weight"], s)]
    )
    centre, sigma = length / (1 + math.exp(-energy)), window / 2
    return [j for j in range(length) if abs(j - centre) <= window], lambda j: math.exp(
        -((j - centre) ** 2) / (2 * sigma**2)
    )


def by_threshold(weight, scores):
    """Find the threshold at which the weights sum to 1, by bisection."""
    low, high = min(scores) - 2, max(scores) + 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if sum(weight(score, middle) for score in scores) > 1 else (low, middle)
        )
    return [weight(score, low) for score in scores]


def sparsemax(scores):
    """max(0, z - tau) (Martins and Astudillo 2016, proposition 1)."""
    return by_threshold(lambda z, tau: max(0.0, z - tau), scores)


def entmax15(scores):
    """max(0, z / 2 - tau)^2 (Peters et al. 2019)."""
    return by_threshold(lambda z, tau: max(0.0, z / 2 - tau) ** 2, scores)


def best(scores):
    return [float(j == scores.index(max(scores))) for j in range(len(scores))]


MECHANISMS = {
    "additive": ({}, additive, everywhere, softmax),
    "concat": ({"attention": "concat"}, additive, everywhere, softmax),
    "dot": ({"attention": "dot"}, product, everywhere, softmax),
    "scaled dot": ({"attention": "scaled_dot"}, scaled, everywhere, softmax),
    "general": ({"attention": "general"}, general, everywhere, softmax),
    "scaled general": ({"attention": "scaled_general"}, scaled_general, everywhere, softmax),
    "location": ({"attention": "location"}, location, everywhere, softmax),
    "multi-head additive": ({"attention_heads": 2}, additive, everywhere, softmax),
    "multi-head dot": ({"attention": "dot", "attention_heads": 2}, product, everywhere, softmax),
    "multi-head scaled dot": (
        {"attention": "scaled_dot", "attention_heads": 3},
        scaled,
        everywhere,
        softmax,
    ),
    "local-m": ({"scope": "local_m"}, additive, local_m, softmax),
    "local-p": ({"scope": "local_p", "attention": "general"}, general, local_p, softmax),
    "local-p, heads": ({"scope": "local_p", "attention_heads": 2}, additive, local_p, softmax),
    "sparsemax": ({"select": "sparsemax"}, additive, everywhere, sparsemax),
    "sparsemax, local-m": (
        {"select": "sparsemax", "scope": "local_m", "attention": "dot"},
        product,
        local_m,
        sparsemax,
    ),
    "entmax15": ({"select": "entmax15", "attention": "general"}, general, everywhere, entmax15),
    # Products, because very large additive scores are equal: tanh is 1 or -1.
    "hard": ({"select": "hard", "attention": "dot"}, product, everywhere, best),
    "hard gumbel, local-p": (
        {
            "select": "hard",
            "hard_estimator": "gumbel",
            "scope": "local_p",
            "attention": "general",
        },
        general,
        local_p,
        best,
    ),
    "coverage": ({"coverage": True}, additive, everywhere, softmax),
    "coverage, dot": ({"coverage": True, "attention": "dot"}, product, everywhere, softmax),
    "coverage, general, local-p": (
        {"coverage": True, "attention": "general", "scope": "local_p"},
        general,
        local_p,
        softmax,
    ),
    "coverage, heads": (
        {"coverage": True, "attention": "scaled_dot", "attention_heads": 2},
        scaled,
        everywhere,
        softmax,
    ),
}


def slow_attention(w, score, scope, select, heads, queries, states):
    """Return the context and the weights [head][position] of each query of one sentence."""
    covered = [[0.0] * len(states) for _ in range(heads)]
    outputs = []
    for t, s in enumerate(queries):
        inside, factor = scope(w, s, t, len(states))
        weights = [[0.0] * len(states) for _ in range(heads)]
        for head in range(heads):
            extras = [
                times(w["coverage.weight"], [covered[k][j] for k in range(heads)])
                if "coverage.weight" in w
                else None
                for j in inside
            ]
            scores = [
                score(w, s, states[j], j, extra or [0.0] * key_width(w, states), head, heads)
                for j, extra in zip(inside, extras, strict=True)
            ]
            for j, weight in zip(inside, select(scores), strict=True):
                weights[head][j] = weight * factor(j)
        values = [times(w["value.weight"], h) if heads > 1 else h for h in states]
        context = []
        for head in range(heads):
            context += plus(
                *(
                    [weight * x for x in share(value, head, heads)]
                    for weight, value in zip(weights[head], values, strict=True)
                )
            )
        covered = [plus(*pair) for pair in zip(covered, weights, strict=True)]
        outputs.append((context, weights))
    return outputs


def key_width(w, states):
    return len(w["score.key.weight"]) if "score.key.weight" in w else len(states[0])


@pytest.mark.parametrize("gain", [1, 30, 1000])
@pytest.mark.parametrize("mechanism", MECHANISMS.values(), ids=MECHANISMS.keys())
def test_mechanisms_equal_their_slow_references(mechanism, gain):
    changes, score, scope, select = mechanism
    config = RNNConfig(attention_dim=6, window=2, longest_source=8, **changes)
    torch.manual_seed(1)
    attention = build_attention(config, 6, 6).eval()
    for parameter in attention.parameters():
        nn.init.normal_(parameter)
    # More steps than source positions.
    states, queries, lengths = torch.randn(2, 7, 6), gain * torch.randn(2, 9, 6), (7, 3)
    memory = attention.project(states, torch.arange(7) < torch.tensor(lengths)[:, None])
    at, attention_state, parts = torch.arange(9), attention.initial_state(memory, 2), []
    for query, when in zip(queries.split(1, 1), at.split(1), strict=True):
        found, attention_state = attention(query, memory, when, attention_state)
        parts.append(found)
    ways = [parts] if attention.sequential else [parts, [attention(queries, memory, at, ())[0]]]
    w = {name: parameter.tolist() for name, parameter in attention.named_parameters()}
    close = {"atol": 1e-5 * max(10, gain), "rtol": 1e-5 * max(10, gain)}
    options = (score, scope, select, config.attention_heads)
    for row, length in enumerate(lengths):
        sides = (queries[row].tolist(), states[row, :length].tolist())
        expected = slow_attention(w, *options, *sides)
        right = [torch.tensor([step[part] for step in expected]) for part in range(2)]
        for way in ways:
            context = torch.cat([part.context for part in way], 1)[row]
            got = torch.cat([part.weights for part in way], 2)[row].transpose(0, 1)
            torch.testing.assert_close(context, right[0], **close)
            torch.testing.assert_close(got[..., :length], right[1], **close)
            assert got[..., length:].abs().sum() == 0


def test_queries_and_states_may_differ_in_width():
    for name in ("additive", "general", "location"):
        attention = build_attention(RNNConfig(attention=name, attention_dim=5), 3, 4)
        memory = attention.project(torch.randn(2, 6, 4), torch.ones(2, 6, dtype=torch.bool))
        assert attention(torch.randn(2, 1, 3), memory, torch.arange(1), ())[0].context.shape == (
            2,
            1,
            4,
        )


def choices(key):
    return set(RNNConfig.__dataclass_fields__[key].metadata["choices"])


def test_every_choice_has_a_class_and_a_reference():
    assert choices("attention") == {*SCORES, "none"}
    assert (choices("scope"), choices("select")) == (set(SCOPES), set(SELECTORS))
    assert (choices("hard_estimator"), choices("placement")) == (
        set(HARD_ESTIMATORS),
        set(PLACEMENTS),
    )
    rows = [RNNConfig(**changes) for changes, *_ in MECHANISMS.values()]
    assert {row.attention for row in rows} == set(SCORES)
    assert {row.scope for row in rows} == set(SCOPES)
    assert {row.select for row in rows} == set(SELECTORS)
    assert {row.attention for row in rows if row.attention_heads > 1} == set(
        model_schema.MULTI_HEAD_SCORES
    ) - {"concat"}  # = additive


def test_location_score_rejects_a_source_over_its_maximum_length():
    attention = build_attention(RNNConfig(attention="location", longest_source=5), 4, 4)
    attention.project(torch.zeros(1, 5, 4), torch.ones(1, 5, dtype=torch.bool))
    mask = torch.arange(8)[None] < 6
    with pytest.raises(MTError, match="at most 5 pieces, got 6: .*model.rnn.longest_source over 5"):
        attention.project(torch.zeros(1, 8, 4), mask)


def test_location_score_allows_padding_beyond_its_maximum_length():
    attention = build_attention(RNNConfig(attention="location", longest_source=5), 4, 4)
    query, states, mask = torch.randn(1, 3, 4), torch.randn(1, 8, 4), torch.arange(8)[None] < 5

    def attend(length: int) -> torch.Tensor:
        memory = attention.project(states[:, :length], mask[:, :length])
        return attention(query, memory, torch.arange(3), ())[0].context

    torch.testing.assert_close(attend(8), attend(5))
