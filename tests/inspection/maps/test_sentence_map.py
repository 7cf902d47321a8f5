"""The words, weights and gold links of attention maps."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.attention_maps import random_pair, two_maps
from helpers.slow_merge import slow_merge
from mt.data.links import Links, format_links, parse_links
from mt.errors import MTError, UsageError
from mt.inspection.maps.sentence_map import View, panels, sentence_map
from mt.inspection.pair_attention import PairAttention


def test_self_attention_of_words_is_merged_like_cross_attention() -> None:
    made = random_pair()
    source, target = made.source_words, made.target_words
    rows, columns = len(target), len(source)
    for layer in range(3):
        for head in range(2):
            cross = slow_merge(made.cross[layer, head, :rows, :columns], source, target)
            encoder = slow_merge(made.encoder[layer, head, :columns, :columns], source, source)
            # Column t is what step t reads, BOS at step 0: a word's weight is one column to the
            # right of its piece's row.
            decoder = slow_merge(made.decoder[layer, head, :rows, 1:], target, target)
            later = slow_merge(made.decoder[layer, head, 1:, 1:], target, target)
            for kind, expected in (("cross", cross), ("encoder", encoder), ("decoder", decoder)):
                assert made.word_weights(layer, head, kind=kind) == pytest.approx(
                    expected, abs=1e-6
                )
                assert made.all_word_weights(kind)[layer, head] == pytest.approx(expected, abs=1e-6)
            assert made.word_weights(layer, head, "input", "decoder") == pytest.approx(
                later, abs=1e-6
            )
    assert np.triu(made.word_weights(0, 0, kind="decoder"), 1).max() == 0
    assert made.word_weights(kind="encoder") == pytest.approx(
        made.all_word_weights("encoder")[1].mean(0), abs=1e-6
    )


def test_missing_kinds_of_attention_are_named() -> None:
    made = PairAttention(["\u2581a"], ["\u2581b"], [0], [0], None, False)
    for kind in ("cross", "encoder", "decoder"):
        assert made.piece_weights(kind) is None
        with pytest.raises(UsageError, match="there is no layer 0.* has 0"):
            made.word_weights(kind=kind)
        with pytest.raises(UsageError, match="has no .*attention"):
            made.all_word_weights(kind)
    with pytest.raises(UsageError, match="cross, encoder, decoder: 'x'"):
        made.piece_weights("x")
    assert sentence_map(made, "line 1").weights == {}


def test_a_view_selects_its_panels() -> None:
    made, first = random_pair(), two_maps()[0]
    (only,) = panels(first, View())[0]
    assert (only.rows, only.columns) == (["die", "Katze", "schläft"], ["the", "cat", "sleeps"])
    assert only.title == "layer 2, mean of the heads" and format_links(only.gold) == "0-0 1-1 2p2"
    np.testing.assert_allclose(only.weights, made.word_weights(), atol=1e-6)
    shown = panels(first, View("encoder", "all", "all"))
    assert [[panel.title for panel in row] for row in shown] == [
        [f"layer {i}, head {j}" for j in (1, 2)] for i in (1, 2, 3)
    ]
    np.testing.assert_allclose(
        shown[2][1].weights, made.word_weights(2, 1, kind="encoder"), atol=1e-6
    )
    assert shown[0][0].rows == shown[0][0].columns == first.source and shown[0][0].gold == Links()
    assert panels(first, View("decoder", 0, 1))[0][0].columns == first.target
    for view, message in (
        (View(layer=3), "no layer 4: .* 3, counted from 1"),
        (View(head=2), "no head 3"),
        (View("x"), "'x': it has cross"),
    ):
        with pytest.raises(UsageError, match=message):
            panels(first, view)


def test_pieces_of_bytes_and_controls_are_shown_as_text() -> None:
    marked = ["\u2581", "<0xE2>", "<0x82>", "<0xAC>", "s", "\u2581a\nb", "\u2581", "\u2581<0xE2>"]
    made = PairAttention(
        marked,
        ["\u2581x"],
        [0, 0, 0, 0, 0, 1, -1, 2],
        [0],
        np.ones((1, 1, 2, 9), np.float32) / 9,
        True,
    )
    assert sentence_map(made, "line 1").source == ["\u20acs", "a\ufffdb", "\ufffd"]


def test_unspaced_scripts_are_shown_in_pieces_unless_gold_links_count_words() -> None:
    weights = np.random.default_rng(0).random((1, 1, 3, 5)).astype(np.float32)
    made = PairAttention(
        ["\u2581", "我", "爱", "猫"], ["\u2581I", "\u2581love"], [0, 0, 0, 0], [0, 1], weights, True
    )
    shown = sentence_map(made, "line 1")
    assert (shown.source, shown.target) == (["我", "爱", "猫"], ["I", "love"])
    np.testing.assert_allclose(shown.weights["cross"][0, 0], weights[0, 0, :2, 1:4], atol=1e-6)
    assert sentence_map(made, "line 1", parse_links("0-0")).source == ["我爱猫"]


def test_gold_links_must_fit_the_words() -> None:
    with pytest.raises(
        MTError, match="line 7 has a link of words 3 and 0, but the pair has 3 and 3"
    ):
        sentence_map(random_pair(), "line 7", parse_links("0-0 3p0"))
