"""Statistics of attention maps whose values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from helpers.planted_maps import (
    approximately,
    head_statistics,
    one_hot_rows,
    stack_heads,
    uniform_map,
)
from mt.errors import MTError
from mt.inspection.diagnostics import map_statistics
from mt.inspection.diagnostics.map_statistics import (
    COVERAGE_STATISTICS,
    STATISTICS,
    head_pairs,
    head_similarity,
    measure_maps,
)

LN2 = math.log(2)


def test_a_uniform_head_has_the_largest_entropy() -> None:
    result = head_statistics(uniform_map(6, 6), "encoder", punctuation=(1, 4))
    assert result["entropy"] == approximately(math.log(6)) and result["evenness"] == approximately(
        1
    )
    assert result["special"] == approximately(1 / 6) and result["punctuation"] == approximately(
        2 / 6
    )
    assert result["distance"] == approximately(
        35 / 18
    )  # (n^2 - 1) / 3n, the mean distance of two of n positions


def test_a_row_with_a_single_key_is_left_out() -> None:
    result = head_statistics(uniform_map(4, 4, causal=True), "decoder", punctuation=(1,))
    assert result["evenness"] == approximately(1) and result["entropy"] == approximately(
        (math.log(2) + math.log(3) + math.log(4)) / 3
    )
    assert result["distance"] == approximately((0.5 + 1 + 1.5) / 3)
    assert (
        result["special"] == result["punctuation"] == approximately((1 / 2 + 1 / 3 + 1 / 4) / 3)
    )  # BOS; the piece after it


def test_a_diagonal_head_has_neither_entropy_nor_distance() -> None:
    result = head_statistics(np.eye(5), "encoder", punctuation=(4,))
    assert [result[name] for name in ("entropy", "evenness", "distance")] == [0, 0, 0]
    assert result["special"] == result["punctuation"] == approximately(1 / 5)


def test_the_distance_of_a_head_is_the_number_of_pieces_that_it_looks_away() -> None:
    assert head_statistics(one_hot_rows([0, 0, 1, 2], 4), "decoder")["distance"] == approximately(1)
    assert head_statistics(one_hot_rows([0, 0, 1, 2], 4), "encoder")["distance"] == approximately(
        3 / 4
    )  # the first row counts: it has several keys
    assert head_statistics(one_hot_rows([2, 3, 4, 4, 4], 5), "encoder")[
        "distance"
    ] == approximately((2 + 2 + 2 + 1 + 0) / 5)


@pytest.mark.parametrize(("kind", "column"), [("encoder", 4), ("cross", 4), ("decoder", 0)])
def test_a_head_on_the_key_without_text_has_all_its_weight_on_special_tokens(
    kind: str, column: int
) -> None:
    result = head_statistics(one_hot_rows([column] * 5, 5), kind)
    assert result["special"] == 1 and result["evenness"] == 0 and result["punctuation"] == 0
    if kind == "cross":
        assert result["coverage"] == 0 and result["under"] == 1
    else:
        assert result["distance"] == approximately(
            {"encoder": 2, "decoder": 2.5}[kind]
        )  # the decoder's first row is left out


def test_distance_from_the_diagonal_is_relative_to_the_length_of_each_side() -> None:
    assert head_statistics(np.eye(7), "cross")["distance"] == approximately(0)
    assert head_statistics(one_hot_rows([0, 0, 1, 1], 2), "cross")["distance"] == approximately(
        1 / 8
    )  # the centres 1/8, 3/8, 5/8, 7/8 and 1/4, 3/4
    assert head_statistics(one_hot_rows([1, 0], 2), "cross")["distance"] == approximately(1 / 2)
    assert head_statistics(uniform_map(300, 200), "cross")["distance"] == pytest.approx(
        1 / 3, abs=1e-3
    )


def test_coverage_counts_tokens_with_little_and_with_much_attention() -> None:
    weights = np.array(
        [[0.1, 0.9, 0, 0], [0, 1, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]
    )  # 0.1, 2.4, 0.5 and EOS
    result = head_statistics(weights, "cross")
    assert (
        result["coverage"] == approximately(1)
        and result["under"] == approximately(1 / 3)
        and result["over"] == approximately(1 / 3)
    )
    assert result["coverage_sd"] == approximately(math.sqrt((0.9**2 + 1.4**2 + 0.5**2) / 3))
    assert "coverage" not in head_statistics(uniform_map(4, 4), "encoder")


def test_the_mean_map_covers_what_its_heads_share() -> None:
    halves = stack_heads([one_hot_rows([0, 0, 4, 2], 5), one_hot_rows([1, 1, 4, 3], 5)])
    result = measure_maps(halves, "cross", np.zeros(5, bool))
    assert result.heads["under"].tolist() == [[0.5, 0.5]] and result.mean_map["under"].tolist() == [
        0
    ]
    assert result.mean_map["entropy"] == approximately(LN2 * 3 / 4) and result.heads[
        "entropy"
    ].tolist() == [[0, 0]]


def test_similarity_of_heads_equals_that_by_hand() -> None:
    ahead, back = one_hot_rows([1, 2, 3, 3], 4), one_hot_rows([0, 0, 1, 2], 4)
    result = head_similarity(stack_heads([ahead, ahead, back], [uniform_map(4, 4)] * 3))
    assert head_pairs(3) == [(0, 1), (0, 2), (1, 2)]
    assert result == pytest.approx(np.array([[1, 0, 0], [1, 1, 1]]), abs=1e-6)
    # JS of (1, 0) and (1/2, 1/2): H(3/4, 1/4) - ln 2 / 2
    js = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) - LN2 / 2
    assert head_similarity(stack_heads([np.array([[1.0, 0]]), np.array([[0.5, 0.5]])]))[
        0, 0
    ] == approximately(1 - js / LN2)
    assert head_similarity(stack_heads([ahead])).shape == (1, 0)


def test_rows_with_a_single_key_do_not_add_to_similarity() -> None:
    result = measure_maps(
        stack_heads([one_hot_rows([0, 0], 2), one_hot_rows([0, 1], 2)]),
        "decoder",
        np.zeros(2, bool),
    )
    assert result.similarity[0, 0] == approximately(0)


def random_maps(kind: str, queries: int, keys: int, seed: int = 0) -> np.ndarray:
    weights = np.random.default_rng(seed).gamma(0.3, size=(2, 3, queries, keys)) + 1e-6
    weights *= np.tril(np.ones((queries, keys))) if kind == "decoder" else 1
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "queries", "keys"), [("encoder", 7, 7), ("decoder", 6, 6), ("cross", 5, 8)]
)
def test_all_metrics_equal_slow_loops(
    kind: str, queries: int, keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = random_maps(kind, queries, keys)
    punctuation = np.arange(keys) % 3 == 1
    result = measure_maps(weights, kind, punctuation)
    assert (
        {*result.heads}
        == {*result.mean_map}
        == {*result.uniform}
        == {*STATISTICS, *(COVERAGE_STATISTICS if kind == "cross" else ())}
    )
    monkeypatch.setattr(map_statistics, "MAX_CHUNK_WEIGHTS", 1)  # row by row
    np.testing.assert_allclose(
        measure_maps(weights, kind, punctuation).similarity, result.similarity, atol=1e-6
    )
    for layer in range(2):
        for head, each in enumerate([*weights[layer], weights[layer].mean(0)]):
            rows = []
            for t in range(1 if kind == "decoder" else 0, queries):
                visible = t + 1 if kind == "decoder" else keys
                p = [float(each[t, s]) for s in range(visible)]
                entropy = -sum(x * math.log(x) for x in p)
                far = [
                    abs((t + 0.5) / queries - (s + 0.5) / keys) if kind == "cross" else abs(t - s)
                    for s in range(visible)
                ]
                special = p[0] if kind == "decoder" else p[-1]
                marks = sum(x for s, x in enumerate(p) if s % 3 == 1)
                rows.append(
                    (
                        entropy,
                        entropy / math.log(visible),
                        sum(x * d for x, d in zip(p, far, strict=True)),
                        special,
                        marks,
                    )
                )
            part = {name: values[layer] for name, values in result.mean_map.items()}
            if head < 3:
                part = {name: values[layer, head] for name, values in result.heads.items()}
            assert [part[name] for name in STATISTICS] == pytest.approx(
                np.mean(rows, axis=0), abs=1e-5
            )


def test_uniform_values_are_those_of_a_uniform_head() -> None:
    for kind, keys in (("encoder", 5), ("decoder", 5), ("cross", 7)):
        punctuation = np.arange(keys) == 2
        result = measure_maps(random_maps(kind, 5, keys), kind, punctuation).uniform
        assert result == pytest.approx(
            head_statistics(uniform_map(5, keys, kind == "decoder"), kind, (2,)), abs=1e-5
        )


def test_maps_of_a_single_key_have_no_statistics() -> None:
    result = measure_maps(np.ones((1, 2, 1, 1), np.float32), "decoder", np.zeros(1, bool))
    assert (
        all(np.isnan(values).all() for values in result.heads.values())
        and np.isnan(result.similarity).all()
    )
    blank = measure_maps(np.ones((1, 1, 3, 1), np.float32), "cross", np.zeros(1, bool))
    assert np.isnan(blank.heads["coverage"]).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MTError, match="encoder weights of 3 queries and 4 keys"):
        measure_maps(np.ones((1, 1, 3, 4)), "encoder", np.zeros(4, bool))
    with pytest.raises(MTError, match="with 3 pieces"):
        measure_maps(np.ones((1, 1, 3, 4)), "cross", np.zeros(3, bool))
