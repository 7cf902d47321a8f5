"""The weights of words in one pair."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.slow_merge import slow_merge
from mt.errors import UsageError
from mt.inspection.pair_attention import PairAttention


def pair_attention(
    weights: np.ndarray, source_words: list[int], target_words: list[int], reads: bool = True
) -> PairAttention:
    names = [["x"] * len(words) for words in (source_words, target_words)]
    return PairAttention(*names, source_words, target_words, weights, reads)


def test_the_readings_differ_by_one_row() -> None:
    weights = np.random.default_rng(0).random((3, 2, 5, 4), dtype=np.float32)
    pair = pair_attention(weights, [0, 1, 2], [0, 1, 2, 3])
    output, shifted = (pair.word_weights(2, 1, reading) for reading in ("output", "input"))
    np.testing.assert_allclose(output, weights[2, 1, :4, :3])
    np.testing.assert_allclose(shifted, weights[2, 1, 1:, :3])
    np.testing.assert_allclose(shifted[:-1], output[1:])


def test_links_read_the_mean_of_heads_of_one_layer() -> None:
    random_numbers = np.random.default_rng(0)
    source_words, target_words = [0, 0, -1, 1], [0, 1, 1]
    for layers, chosen in ((6, 4), (2, 0), (1, 0)):
        weights = random_numbers.random((layers, 2, 4, 5), dtype=np.float32)
        for reads in (True, False):
            expected = slow_merge(weights[chosen].mean(0)[:3, :4], source_words, target_words)
            assert pair_attention(
                weights, source_words, target_words, reads
            ).word_weights() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, None, "output"), "no layer 3.* has 3"),
        ((-1, None, "output"), "no layer -1"),
        ((0, 2, "output"), "no head 2.* has 2"),
        ((0, 0, "middle"), "output, input, got 'middle'"),
        ((0, 0, "input"), "use reading 'output'"),
    ],
)
def test_layers_and_heads_that_do_not_exist_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pair_attention(np.ones((3, 2, 3, 3), np.float32), [0, 1], [0, 1], reads=False).word_weights(
            *arguments
        )
