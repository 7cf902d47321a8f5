"""The best continuations of a beam, compared with sorting all of them."""

from __future__ import annotations

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
