"""Ids of the special tokens, the same in every vocabulary; and vocabularies apart from a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

PAD, UNK, BOS, EOS = 0, 1, 2, 3
SPECIAL_TOKENS = 4  # their number; ordinary pieces follow


class Vocabulary:
    """The pieces of a pretrained model in the order of their ids, special tokens first.

    SentencePiece models of its two languages may share one vocabulary. `ids` has the ordinary
    pieces only, so that no text can produce a special token.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        """Take the pieces. Raises ValueError unless they are distinct and have special tokens."""
        if len(pieces) < SPECIAL_TOKENS or len(set(pieces)) < len(pieces):
            raise ValueError("a vocabulary must have special tokens and no piece twice")
        self.pieces = list(pieces)
        self.ids = {piece: i for i, piece in enumerate(pieces) if i >= SPECIAL_TOKENS}

    @classmethod
    def from_json(cls, content: bytes) -> Vocabulary:
        """Read the format of `to_json`. Raises ValueError for another one."""
        pieces = json.loads(content)
        if not isinstance(pieces, list) or not all(isinstance(piece, str) for piece in pieces):
            raise ValueError("a vocabulary must be a JSON list of pieces")
        return cls(pieces)

    def to_json(self) -> bytes:
        """Return the list of pieces as JSON, one piece a line."""
        return (json.dumps(self.pieces, ensure_ascii=False, indent=0) + "\n").encode()
