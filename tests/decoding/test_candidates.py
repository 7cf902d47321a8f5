"""The best continuations of a beam, compared with sorting all of them."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest
import torch

from mt.decoding.candidates import TABLE_ROWS, expand_hypotheses


@pytest.mark.parametrize(
    "vocabulary",
    [4, 7, TABLE_ROWS**2 - 1, TABLE_ROWS**2, TABLE_ROWS**2 + 1, 17 * TABLE_ROWS - 1, 1000],
)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_best_continuations_equal_those_of_sorting_all(width: int, vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(width * vocabulary)
    for case in ("likely", "clustered", "first step", "forbidden"):
        log_probs = torch.randn(6, width, vocabulary, generator=generator)
        scores = torch.randn(6, width, generator=generator)
        if case == "clustered":  # the best are adjacent, at the end of the vocabulary
            log_probs[..., -2 * width :] += 9
        if case == "first step":
            scores[:, 1:] = -torch.inf
        if case == "forbidden":
            log_probs[..., :3] = -torch.inf
        every = (log_probs + scores[..., None]).flatten(1)
        expected = every.sort(1, descending=True).values[:, : 2 * width]
        best, parent, token = expand_hypotheses(log_probs, scores)
        assert torch.equal(best, expected)
        place = parent * vocabulary + token
        assert torch.equal(every.gather(1, place), expected)
        assert all(len(set(row)) == len(row) for row in place.tolist())


@hypothesis.given(
    width=st.integers(1, 50),
    vocabulary=st.integers(4, 3000),
    dead=st.lists(st.booleans(), min_size=4, max_size=4),
    seed=st.integers(0, 2**16),
)
@hypothesis.settings(max_examples=100)
def test_every_continuation_is_a_token_of_the_vocabulary(
    width: int, vocabulary: int, dead: list[bool], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_probs = torch.randn(4, width, vocabulary, generator=generator)
    scores = torch.randn(4, width, generator=generator)
    scores[torch.tensor(dead)] = -torch.inf  # sentences that are done
    scores[:, 1 + seed % width :] = -torch.inf  # hypotheses that have ended
    best, parent, token = expand_hypotheses(log_probs, scores)
    expected = (log_probs + scores[..., None]).flatten(1).sort(1, descending=True).values
    assert torch.equal(best, expected[:, : 2 * width])
    assert token.min() >= 0 and token.max() < vocabulary
    assert parent.min() >= 0 and parent.max() < width
