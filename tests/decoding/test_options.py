"""Validation of search options."""

from __future__ import annotations

import pytest

from mt.decoding.options import SearchOptions
from mt.errors import UsageError


@pytest.mark.parametrize(
    "bad",
    [
        {"beam": 0},
        {"nbest": 0},
        {"max_ratio": -1},
        {"max_extra": 0},
        {"min_length": -1},
        {"nbest": 6},
        {"sample": True, "temperature": 0.0},
        {"sample": True, "top_p": 0.0},
        {"sample": True, "top_k": -1},
        {"top_k": 5},
        {"temperature": 0.5},
        {"epsilon": 0.02},
        {"sample": True, "epsilon": 1.0},
        {"no_repeat_ngram": -1},
        {"repetition_penalty": 0.0},
        {"mbr": 1},
        {"mbr": 4, "nbest": 5},
        {"mbr": 4, "mbr_metric": "ter"},
    ],
)
def test_invalid_options_are_refused(bad: dict) -> None:
    with pytest.raises(UsageError):
        SearchOptions(**bad)
