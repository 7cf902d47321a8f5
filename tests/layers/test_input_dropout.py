"""Which tokens are dropped, how often, and that the others keep their scale."""

from __future__ import annotations

import pytest
import torch

from mt.data.vocabulary import BOS, EOS, PAD
from mt.layers.input_dropout import cut_tokens, drop_words

RATE, TAG = 0.3, 11
KEPT = torch.tensor([PAD, BOS, EOS, TAG])


def some_ids() -> torch.Tensor:
    """Return sentences of few distinct pieces, with all special tokens."""
    torch.manual_seed(0)
    ids = torch.randint(4, 12, (400, 20))
    ids[:, 0], ids[:, 10], ids[::2, 11:] = BOS, EOS, PAD
    return ids


@pytest.mark.parametrize("drop, kept", [(cut_tokens, 1.0), (drop_words, 1 / (1 - RATE))])
def test_dropped_tokens_become_zero_and_special_ones_stay(drop, kept: float) -> None:
    ids = some_ids()
    factors, piece = drop(ids, RATE, KEPT), ~torch.isin(ids, KEPT)
    assert factors.shape == ids.shape and factors.dtype == torch.float32
    assert (factors[~piece] == 1).all()
    values = factors[piece].unique()
    torch.testing.assert_close(values, torch.tensor([0.0, kept]))


def test_the_rate_of_cut_tokens_counts_pieces_only() -> None:
    """Within four standard deviations of a binomial distribution."""
    ids = some_ids()
    cut = (cut_tokens(ids, RATE, KEPT) == 0).sum().item()
    pieces = (~torch.isin(ids, KEPT)).sum().item()
    assert abs(cut - RATE * pieces) < 4 * (pieces * RATE * (1 - RATE)) ** 0.5


def test_each_cut_is_a_draw_of_its_own() -> None:
    ids = torch.full((1, 2000), 5)
    assert 0 < (cut_tokens(ids, RATE, KEPT) == 0).sum() < 2000


def test_words_are_dropped_with_all_their_occurrences_in_a_sentence_only() -> None:
    """Counted in plain Python, with the rate over distinct pieces of each sentence."""
    ids = some_ids()
    factors = drop_words(ids, RATE, KEPT)
    dropped: dict[tuple[int, int], bool] = {}
    for number, (row, row_factors) in enumerate(zip(ids.tolist(), factors.tolist(), strict=True)):
        for piece, factor in zip(row, row_factors, strict=True):
            if piece not in KEPT.tolist():
                assert dropped.setdefault((number, piece), factor == 0) == (factor == 0)
    words = len(dropped)
    assert abs(sum(dropped.values()) - RATE * words) < 4 * (words * RATE * (1 - RATE)) ** 0.5
    fates = {piece: {dropped[key] for key in dropped if key[1] == piece} for piece in range(4, TAG)}
    assert all(fate == {True, False} for fate in fates.values())  # another draw in each sentence


def test_the_expected_embedding_is_kept_by_word_dropout() -> None:
    factors = drop_words(torch.arange(4, 20_004)[None], RATE, KEPT)
    assert factors.mean().item() == pytest.approx(1, abs=0.03)
