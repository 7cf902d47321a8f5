"""Words as alignments count them: what stands between spaces (U+0020), in a text and in its pieces.

Other blanks (no-break, ideographic) stand inside a word here, because SentencePiece takes them for
letters.
"""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.sampling import SPACE


def count_words(text: str) -> int:
    return sum(map(bool, text.split(" ")))


def piece_words(pieces: Sequence[str]) -> list[int]:
    """The word from 0 that each piece belongs to; -1 for a space that no word follows at once.

    A word's first piece begins with U+2581; where the vocabulary has no such piece, U+2581 alone
    comes before it and belongs to the word too. A piece that spells a byte belongs to the word it
    stands in.
    """
    words: list[int] = []
    word, between = -1, True
    for piece in pieces:
        begins, letters = piece.startswith(SPACE), bool(piece.strip(SPACE))
        between |= begins
        if letters and between:
            word, between = word + 1, False
            if words and not begins:
                words[-1] = word  # U+2581 alone came before
        words.append(word if letters else -1)
    return words
