"""Words for word alignment: a word is a maximal run of text between spaces (U+0020).

Comparisons use another definition, `mt.data.word_counts`: runs of letters, marks and digits. Here,
punctuation belongs to the word it touches: "Yes, sir." has the words "Yes," and "sir.". Blanks
other than U+0020 are part of a word, because SentencePiece treats them as letters.
"""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.sampling import SPACE
from mt.data.tags import is_tag_piece


def count_words(text: str) -> int:
    """Return the number of words between spaces."""
    return sum(map(bool, text.split(" ")))


def piece_words(pieces: Sequence[str]) -> list[int]:
    """Return the index of the word (from 0) that each piece belongs to.

    The first piece of a word begins with U+2581. If the vocabulary has no such piece, U+2581 stands
    alone before the first piece and belongs to the word too. Any other U+2581 belongs to no word:
    -1. A piece that encodes a byte belongs to the word that contains it. A tag is no word.
    """
    words: list[int] = []
    word, at_boundary = -1, True
    for piece in pieces:
        if is_tag_piece(piece):
            words.append(-1)
            continue
        has_space, has_letters = piece.startswith(SPACE), bool(piece.strip(SPACE))
        at_boundary |= has_space
        if has_letters and at_boundary:
            word, at_boundary = word + 1, False
            if words and not has_space and not is_tag_piece(pieces[len(words) - 1]):
                words[-1] = word  # the U+2581 that stands alone before this piece
        words.append(word if has_letters else -1)
    return words
