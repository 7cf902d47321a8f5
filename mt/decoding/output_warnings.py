"""Signs that an output may be bad.

It repeats itself, is much shorter than its source, copies it, or has other placeholders
(`mt.data.symbols`). The first three are chosen to be rare in good translations. Of the reference
translations of 30,000 pairs of Multi30k, Europarl and news each, 0.03 to 0.18 % are "short", at
most 0.01 % have a "repetition", and at most 0.03 % are a "copy".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

REPETITION, SHORT, COPY = "repetition", "short", "copy"
LOST, INVENTED = "placeholder lost", "placeholder invented"
# An n-gram of up to 100 pieces, at least 3 times in a row and over at least 8 pieces.
LOOP = re.compile(r"(.)\1{7,}|(..)\2{3,}|(.{3,100}?)\3{2,}", re.DOTALL)
MIN_LENGTH_RATIO = 0.5  # output length / expected length; a lost sentence is more
MIN_CHARACTERS = 30  # lengths of shorter sources and expected outputs vary more
MIN_COPIED_CHARACTERS = 15  # names and numbers are copied for good reasons


def has_loop(pieces: Sequence[int]) -> bool:
    """Return whether an n-gram is repeated in a row, as at the end of outputs that never end."""
    characters = {piece: chr(number) for number, piece in enumerate(set(pieces))}
    return LOOP.search("".join(characters[piece] for piece in pieces)) is not None


def is_short(source: str, output: str, length_ratio: float) -> bool:
    """Return whether the output has less than half of the expected length in characters.

    `length_ratio` is that of target to source in the training text; 0: unknown.
    """
    expected = length_ratio * len(source)
    if min(len(source), expected) < MIN_CHARACTERS:
        return False
    return len(output) < MIN_LENGTH_RATIO * expected


def is_copy(source: str, output: str) -> bool:
    """Return whether the output is the source, apart from case, and no short text."""
    return len(source) >= MIN_COPIED_CHARACTERS and source.casefold() == output.casefold()


def find_warnings(
    source: str,
    source_pieces: Sequence[int],
    output: str,
    output_pieces: Sequence[int],
    length_ratio: float,
) -> list[str]:
    """Return the warnings on the translation of one part of a line.

    A repetition counts only if the source has none.
    """
    warnings = []
    if has_loop(output_pieces) and not has_loop(source_pieces):
        warnings.append(REPETITION)
    if is_short(source, output, length_ratio):
        warnings.append(SHORT)
    if is_copy(source, output):
        warnings.append(COPY)
    return warnings
