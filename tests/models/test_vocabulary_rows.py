"""Rows of weights for new pieces."""

from __future__ import annotations

import torch

from mt.data.vocabulary import SPECIAL_TOKENS
from mt.models.vocabulary_rows import add_mean_rows


def test_a_new_row_is_the_mean_of_those_it_replaces_or_of_all_ordinary_ones() -> None:
    table, other = torch.randn(SPECIAL_TOKENS + 5, 3), torch.randn(4, 4)
    tensors = {"source_embedding.weight": table, "output.bias": table[:, 0], "other": other}
    replaced = {"src": [[5], [4, 6], []], "tgt": [[]]}
    found = add_mean_rows(tensors, replaced)
    mean = sum(table[SPECIAL_TOKENS:]) / 5
    expected = torch.stack([*table, table[5], (table[4] + table[6]) / 2, mean])
    torch.testing.assert_close(found["source_embedding.weight"], expected)
    torch.testing.assert_close(found["output.bias"], torch.stack([*table[:, 0], mean[0]]))
    assert found["other"] is other
