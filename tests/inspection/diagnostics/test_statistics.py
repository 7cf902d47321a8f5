"""Figures of attention maps whose answers are known, and what is said about them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mt.errors import MTError
from mt.inspection.diagnostics import map_statistics
from mt.inspection.diagnostics.map_statistics import (
    COVERAGE_STATISTICS,
    STATISTICS,
    PairStatistics,
    head_pairs,
    head_similarity,
    measure_maps,
)
from mt.inspection.diagnostics.summary import Diagnostics, summarise
from mt.inspection.diagnostics.tables import diagnostics_dict, diagnostics_table, findings

LN2 = math.log(2)


def even(queries: int, keys: int, causal: bool = False) -> np.ndarray:
    seen = np.tril(np.ones((queries, keys))) if causal else np.ones((queries, keys))
    return seen / seen.sum(1, keepdims=True)


def pointing(columns: list[int], keys: int) -> np.ndarray:
    """Each row wholly on one key."""
    return np.eye(keys)[columns]


def stack(*layers: list[np.ndarray]) -> np.ndarray:
    return np.array(layers, dtype=np.float32)


def one(weights: np.ndarray, kind: str, punctuation: tuple[int, ...] = ()) -> dict[str, float]:
    """Figures of a single map."""
    keys = weights.shape[1]
    found = measure_maps(stack([weights]), kind, np.isin(np.arange(keys), punctuation))
    return {name: float(values[0, 0]) for name, values in found.heads.items()}


def close(expected: float) -> object:
    return pytest.approx(expected, abs=1e-5)


# One sentence


def test_a_uniform_head_has_the_largest_entropy() -> None:
    found = one(even(6, 6), "encoder", punctuation=(1, 4))
    assert found["entropy"] == close(math.log(6)) and found["evenness"] == close(1)
    assert found["special"] == close(1 / 6) and found["punctuation"] == close(2 / 6)
    assert found["distance"] == close(
        35 / 18
    )  # (n^2 - 1) / 3n, the mean distance of two of n positions


def test_an_even_causal_head_leaves_out_the_row_without_a_choice() -> None:
    found = one(even(4, 4, causal=True), "decoder", punctuation=(1,))
    assert found["evenness"] == close(1) and found["entropy"] == close(
        (math.log(2) + math.log(3) + math.log(4)) / 3
    )
    assert found["distance"] == close((0.5 + 1 + 1.5) / 3)
    assert (
        found["special"] == found["punctuation"] == close((1 / 2 + 1 / 3 + 1 / 4) / 3)
    )  # BOS; the piece after it


def test_a_diagonal_head_has_neither_entropy_nor_distance() -> None:
    found = one(np.eye(5), "encoder", punctuation=(4,))
    assert [found[name] for name in ("entropy", "evenness", "distance")] == [0, 0, 0]
    assert found["special"] == found["punctuation"] == close(1 / 5)


def test_the_distance_of_a_head_is_the_number_of_pieces_that_it_looks_away() -> None:
    assert one(pointing([0, 0, 1, 2], 4), "decoder")["distance"] == close(1)
    assert one(pointing([0, 0, 1, 2], 4), "encoder")["distance"] == close(
        3 / 4
    )  # there the first row has a choice
    assert one(pointing([2, 3, 4, 4, 4], 5), "encoder")["distance"] == close(
        (2 + 2 + 2 + 1 + 0) / 5
    )


@pytest.mark.parametrize(("kind", "column"), [("encoder", 4), ("cross", 4), ("decoder", 0)])
def test_a_head_on_the_key_without_text_has_all_its_weight_on_special_tokens(
    kind: str, column: int
) -> None:
    found = one(pointing([column] * 5, 5), kind)
    assert found["special"] == 1 and found["evenness"] == 0 and found["punctuation"] == 0
    if kind == "cross":
        assert found["coverage"] == 0 and found["under"] == 1
    else:
        assert found["distance"] == close(
            {"encoder": 2, "decoder": 2.5}[kind]
        )  # the decoder's first row is left out


def test_distance_from_the_diagonal_is_relative_to_the_length_of_each_side() -> None:
    assert one(np.eye(7), "cross")["distance"] == close(0)
    assert one(pointing([0, 0, 1, 1], 2), "cross")["distance"] == close(
        1 / 8
    )  # the centres 1/8, 3/8, 5/8, 7/8 and 1/4, 3/4
    assert one(pointing([1, 0], 2), "cross")["distance"] == close(1 / 2)
    assert one(even(300, 200), "cross")["distance"] == pytest.approx(1 / 3, abs=1e-3)


def test_coverage_counts_tokens_with_little_and_with_much_attention() -> None:
    weights = np.array(
        [[0.1, 0.9, 0, 0], [0, 1, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]
    )  # 0.1, 2.4, 0.5 and EOS
    found = one(weights, "cross")
    assert (
        found["coverage"] == close(1)
        and found["under"] == close(1 / 3)
        and found["over"] == close(1 / 3)
    )
    assert found["coverage_sd"] == close(math.sqrt((0.9**2 + 1.4**2 + 0.5**2) / 3))
    assert "coverage" not in one(even(4, 4), "encoder")


def test_the_mean_map_covers_what_its_heads_share() -> None:
    halves = stack([pointing([0, 0, 4, 2], 5), pointing([1, 1, 4, 3], 5)])
    found = measure_maps(halves, "cross", np.zeros(5, bool))
    assert found.heads["under"].tolist() == [[0.5, 0.5]] and found.mean_map["under"].tolist() == [0]
    assert found.mean_map["entropy"] == close(LN2 * 3 / 4) and found.heads["entropy"].tolist() == [
        [0, 0]
    ]


def test_similarity_of_heads_equals_that_by_hand() -> None:
    ahead, back = pointing([1, 2, 3, 3], 4), pointing([0, 0, 1, 2], 4)
    found = head_similarity(stack([ahead, ahead, back], [even(4, 4)] * 3))
    assert head_pairs(3) == [(0, 1), (0, 2), (1, 2)]
    assert found == pytest.approx(np.array([[1, 0, 0], [1, 1, 1]]), abs=1e-6)
    # JS of (1, 0) and (1/2, 1/2): H(3/4, 1/4) - ln 2 / 2
    js = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) - LN2 / 2
    assert head_similarity(stack([np.array([[1.0, 0]]), np.array([[0.5, 0.5]])]))[0, 0] == close(
        1 - js / LN2
    )
    assert head_similarity(stack([ahead])).shape == (1, 0)


def test_rows_without_a_choice_do_not_make_heads_alike() -> None:
    found = measure_maps(
        stack([pointing([0, 0], 2), pointing([0, 1], 2)]), "decoder", np.zeros(2, bool)
    )
    assert found.similarity[0, 0] == close(0)


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
    found = measure_maps(weights, kind, punctuation)
    assert (
        {*found.heads}
        == {*found.mean_map}
        == {*found.uniform}
        == {*STATISTICS, *(COVERAGE_STATISTICS if kind == "cross" else ())}
    )
    monkeypatch.setattr(map_statistics, "MAX_CHUNK_WEIGHTS", 1)  # row by row
    np.testing.assert_allclose(
        measure_maps(weights, kind, punctuation).similarity, found.similarity, atol=1e-6
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
            part = {name: values[layer] for name, values in found.mean_map.items()}
            if head < 3:
                part = {name: values[layer, head] for name, values in found.heads.items()}
            assert [part[name] for name in STATISTICS] == pytest.approx(
                np.mean(rows, axis=0), abs=1e-5
            )


def test_even_heads_are_the_measure() -> None:
    for kind, keys in (("encoder", 5), ("decoder", 5), ("cross", 7)):
        punctuation = np.arange(keys) == 2
        found = measure_maps(random_maps(kind, 5, keys), kind, punctuation).uniform
        assert found == pytest.approx(one(even(5, keys, kind == "decoder"), kind, (2,)), abs=1e-5)


def test_maps_of_a_single_key_have_no_figures() -> None:
    found = measure_maps(np.ones((1, 2, 1, 1), np.float32), "decoder", np.zeros(1, bool))
    assert (
        all(np.isnan(values).all() for values in found.heads.values())
        and np.isnan(found.similarity).all()
    )
    blank = measure_maps(np.ones((1, 1, 3, 1), np.float32), "cross", np.zeros(1, bool))
    assert np.isnan(blank.heads["coverage"]).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MTError, match="encoder weights of 3 queries and 4 keys"):
        measure_maps(np.ones((1, 1, 3, 4)), "encoder", np.zeros(4, bool))
    with pytest.raises(MTError, match="with 3 pieces"):
        measure_maps(np.ones((1, 1, 3, 4)), "cross", np.zeros(3, bool))


# A test set


def sentence(weights: np.ndarray, loss: float = 1.0, kind: str = "encoder") -> PairStatistics:
    return PairStatistics(
        {kind: measure_maps(weights, kind, np.zeros(weights.shape[-1], bool))}, loss
    )


def blend(share: float, keys: int = 6) -> np.ndarray:
    """The diagonal, with a share of even attention."""
    return share * even(keys, keys) + (1 - share) * np.eye(keys)


def test_summaries_are_means_and_correlations_over_sentences() -> None:
    shares, losses = [0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 2, 4, 3, 5]
    lengths = np.array([5, 4, 3, 2, 1])
    noise = 1 + 1e-7 * np.arange(5)  # the order of the shares
    maps = [
        stack([blend(share), blend(1 - share), even(6, 6) * more])
        for share, more in zip(shares, noise, strict=True)
    ]
    found = summarise(
        [sentence(*each) for each in zip(maps, losses, strict=True)],
        lengths,
        threshold=2,
        left_out=3,
    )
    evenness = found.kinds["encoder"]["evenness"]
    single = [one(blend(share), "encoder")["evenness"] for share in shares]
    assert evenness.heads.mean[0, 0] == close(np.mean(single)) and evenness.uniform == close(1)
    assert evenness.heads.short[0, 0] == close(np.mean(single[3:])) and evenness.heads.long[
        0, 0
    ] == close(np.mean(single[:3]))
    assert evenness.heads.rho_length[0, :2].tolist() == [-1, 1]
    assert evenness.heads.rho_loss[0, :2] == pytest.approx([0.9, -0.9])
    assert np.isnan(evenness.heads.rho_loss[0, 2]) and np.isnan(evenness.heads.rho_length[0, 2]), (
        "rounding is no relation"
    )
    assert np.isnan(evenness.heads.rho_loss_given_length[0, 0]), "length explains it all"
    assert evenness.layer.mean[0] == close(evenness.heads.mean[0].mean())
    assert (found.sentences, found.short, found.long, found.left_out) == (5, 2, 3, 3)
    assert found.loss == close(3) and found.rho_loss_length == close(-0.9)
    assert found.kinds["encoder"]["alike"].heads.mean.shape == (1, 3)


def test_without_long_sentences_their_means_are_absent() -> None:
    found = summarise([sentence(stack([np.eye(4)]))] * 3, np.array([3, 3, 3]), threshold=20)
    assert np.isnan(found.kinds["encoder"]["evenness"].heads.long).all()
    assert "alike" not in found.kinds["encoder"]
    json.dumps(diagnostics_dict(found), allow_nan=False)
    assert "0 long" in diagnostics_table(found) and "nan" not in diagnostics_table(found)
    with pytest.raises(MTError, match="no sentence pairs"):
        summarise([], np.array([]), threshold=20)


# In words


def planted(*layers: list[np.ndarray], kind: str = "encoder") -> Diagnostics:
    return summarise([sentence(stack(*layers), kind=kind)] * 3, np.array([3, 4, 5]), threshold=4)


BACK, AHEAD = pointing([0, 0, 1, 2, 3], 5), pointing([1, 2, 3, 4, 4], 5)


def test_healthy_heads_are_not_remarked_on() -> None:
    assert findings(planted([np.eye(5), BACK, AHEAD])) == []
    assert "findings" not in diagnostics_table(planted([np.eye(5), BACK, AHEAD]))


def test_uniform_and_redundant_heads_are_reported() -> None:
    smooth, parked = even(5, 5), pointing([4] * 5, 5)
    found = findings(
        planted(
            [BACK, AHEAD, BACK], [np.eye(5), smooth, AHEAD], [smooth] * 3, [parked, BACK, np.eye(5)]
        )
    )
    assert found == [
        "encoder layer 1: heads 1 and 3 are nearly identical (similarity 1.00)",
        "encoder layer 2: head 2 is close to uniform (1.00 normalised entropy)",
        "encoder layer 3 is close to uniform (1.00 normalised entropy)",
        "encoder layer 3: all heads are nearly identical (similarity 1.00 or more)",
        "encoder layer 4: head 1 is mostly on EOS (1.00 of the weight)",
    ]
    assert "decoder layer 1 is mostly on BOS (1.00 of the weight)" in findings(
        planted([pointing([0] * 5, 5)], kind="decoder")
    )


def test_punctuation_stands_out() -> None:
    maps = stack([pointing([1] * 5, 5), BACK])
    figures = measure_maps(maps, "cross", np.arange(5) == 1)
    found = findings(
        summarise([PairStatistics({"cross": figures}, 1.0)] * 3, np.array([3, 4, 5]), 4)
    )
    assert found == ["cross layer 1: head 1 is mostly on punctuation (1.00 of the weight)"]


def test_the_table_shows_every_layer_and_its_extremes() -> None:
    table = diagnostics_table(
        planted([np.eye(5), even(5, 5)], [pointing([0] * 5, 5), pointing([1] * 5, 5)], kind="cross")
    ).splitlines()
    assert table[0] == "attention in 3 pairs of source and reference"
    rows = {line.split()[0]: line.split() for line in table[3:7]}
    assert rows["cross"] == ["cross", "entropy", "distance", "EOS", "punctuation", "similarity"]
    assert rows["1"][1:3] == ["0.50", "(0.00-1.00)"] and rows["1"][5:7] == ["0.20", "(0.20-0.20)"]
    assert rows["uniform"][1] == "1.00"
    at = next(number for number, line in enumerate(table) if line.startswith("coverage"))
    assert table[at + 2].split() == ["1", "1.00", "0.00", "0", "%", "0", "%"]
    assert table[at + 3].split() == ["2", "1.25", "1.25", "50", "%", "50", "%"]  # 2.5, 2.5, 0 and 0
    assert max(map(len, table)) < 110


def test_json_has_every_head() -> None:
    data = json.loads(
        json.dumps(
            diagnostics_dict(planted([BACK, AHEAD, BACK], [even(5, 5)] * 3)), allow_nan=False
        )
    )
    kind = data["kinds"]["encoder"]
    assert (kind["layers"], kind["heads"], kind["special"], kind["pairs"]) == (
        2,
        3,
        "EOS",
        [[0, 1], [0, 2], [1, 2]],
    )
    evenness = kind["figures"]["evenness"]
    assert np.allclose(evenness["heads"]["mean"], [[0, 0, 0], [1, 1, 1]]) and evenness["even"] == 1
    assert kind["figures"]["alike"]["heads"]["mean"][0] == [0, 1, 0]
    assert evenness["heads"]["rho_length"] == [[None] * 3] * 2
    assert data["findings"][0].startswith("encoder layer 1: heads 1 and 3")
