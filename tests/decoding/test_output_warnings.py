"""Marks of outputs that seem bad."""

from __future__ import annotations

import pytest

from mt.decoding.output_warnings import find_warnings, has_loop, is_copy, is_short


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], False),
        ([7] * 7, False),
        ([7] * 8, True),
        ([5, 6] * 3 + [5], False),
        ([5, 6] * 4, True),
        ([4, 5, 6] * 2 + [4, 5], False),
        ([4, 5, 6] * 3, True),
        ([9, 8, *[4, 5, 6] * 3, 4, 3], True),  # after a good beginning, before a full stop
        (list(range(4, 104)) * 3, True),
        (list(range(4, 400)), False),
        ([10, 0xD800, 9_000_000] * 3, True),  # line ends, surrogates and no character at all
    ],
)
def test_a_loop_is_an_n_gram_that_is_repeated_in_a_row(pieces: list[int], expected: bool) -> None:
    assert has_loop(pieces) is expected


def test_short_is_less_than_half_of_the_expected_length() -> None:
    source = "x" * 100
    assert is_short(source, "y" * 49, 1.0) and not is_short(source, "y" * 50, 1.0)
    assert is_short(source, "y" * 99, 2.0) and is_short(source, "", 1.0)
    assert not is_short("x" * 29, "", 1.0)  # lengths of short texts vary
    assert not is_short(source, "", 0.29) and not is_short(source, "", 0.0)  # unknown


def test_a_repetition_of_the_source_is_no_fault() -> None:
    loop, other = [7] * 9, [1, 2, 3]
    assert find_warnings("x" * 40, other, "y" * 10, loop, 1.0) == ["repetition", "short"]
    assert find_warnings("x" * 40, loop, "y" * 40, loop, 1.0) == []


def test_a_copy_is_the_whole_source_and_no_name() -> None:
    assert is_copy("The dog sees a cat.", "the Dog sees a cat.")
    assert not is_copy("The dog sees a cat.", "The dog sees a cat")
    assert not is_copy("Barack Obama", "Barack Obama")
    assert find_warnings("The dog sees a cat.", [1, 2], "The dog sees a cat.", [5], 1.0) == ["copy"]
