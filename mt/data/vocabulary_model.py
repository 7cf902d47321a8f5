"""A SentencePiece model that only segments: a vocabulary apart from it has the ids.

This is the format of MarianMT: models of two languages share one vocabulary, which also has tokens
that are no pieces, such as the language tags of a multilingual model.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import cached_property

import sentencepiece

from mt.data.sampling import SPACE, Pieces
from mt.data.sentencepiece_model import SentencePieceModel
from mt.data.tags import is_tag_piece
from mt.data.vocabulary import EOS, UNK, Vocabulary

MIN_KNOWN_SHARE = 0.5  # of the pieces of a model, in its vocabulary
TAG = re.compile(r">>.+?<<")  # at the beginning of a text: the target language, such as >>fra<<


class VocabularyModel(SentencePieceModel):
    """A SentencePiece model with the ids of a vocabulary.

    Text is normalised as the model was trained to do, and white space at its ends is lost. What has
    no id becomes UNK. A tag at the beginning of a text is one token if the vocabulary has it.
    """

    def __init__(self, serialized: bytes, vocabulary: Vocabulary) -> None:
        """Load a model. Raises ValueError if it is none, or few pieces are in the vocabulary."""
        self.external = vocabulary
        super().__init__(serialized)

    def _check_ids(self) -> None:
        ordinary = Pieces(self.processor).ids
        known = sum(piece in self.external.ids for piece in ordinary)
        self.known_share = known / max(1, len(ordinary))
        if self.known_share < MIN_KNOWN_SHARE:
            raise ValueError(
                f"only {known:,} of its {len(ordinary):,} pieces are in the vocabulary, "
                "which belongs to another model"
            )

    @cached_property
    def tags(self) -> dict[str, int]:
        return {piece: i for piece, i in self.external.ids.items() if TAG.fullmatch(piece)}

    def __len__(self) -> int:
        return len(self.external.pieces)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        tags = [self._split_tag(text)[0] for text in texts]
        ids = self.external.ids
        return [
            [*tag, *(ids.get(piece, UNK) for piece in row)]
            for tag, row in zip(tags, self.segment(texts), strict=True)
        ]

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        pieces = (
            [piece for i in ids if i > EOS and not is_tag_piece(piece := self.piece(i))]
            for ids in rows
        )
        # SentencePiece leaves the space of pieces that only the model of the other side has.
        return [self.processor.decode_pieces(row).replace(SPACE, " ").strip() for row in pieces]

    def piece(self, number: int) -> str:
        return self.external.pieces[number]

    def find(self, piece: str) -> int:
        if piece not in self.external.ids:
            raise ValueError(f"it has no piece {piece!r}")
        return self.external.ids[piece]

    @cached_property
    def vocabulary(self) -> Pieces:
        return VocabularyPieces(self.processor, self.external)

    def sample(self, text: str, alpha: float, seed: int) -> list[int]:
        tag, text = self._split_tag(text)
        normalised = self.processor.normalize(text).replace(SPACE, " ").strip()
        ids = super().sample(normalised, alpha, seed)
        # SentencePiece makes one token of neighbouring characters without a piece.
        pairs = itertools.pairwise([EOS, *ids])
        return [*tag, *(i for before, i in pairs if i != UNK or before != UNK)]

    def split_written_tag(self, text: str) -> tuple[str, str]:
        match = TAG.match(text)
        if match and match[0] in self.tags:
            return match[0], text[match.end() :]
        return "", text

    def _split_tag(self, text: str) -> tuple[list[int], str]:
        """Return the id of the tag at the beginning, if there is one, and the text after it."""
        tag, text = self.split_written_tag(text)
        return [self.tags[tag]] if tag else [], text


class VocabularyPieces(Pieces):
    """The ordinary pieces of a model with the ids of a vocabulary."""

    def __init__(
        self, processor: sentencepiece.SentencePieceProcessor, vocabulary: Vocabulary
    ) -> None:
        super().__init__(processor)
        self.ids = {piece: vocabulary.ids.get(piece, UNK) for piece in self.ids}
        self.others = vocabulary.ids

    def spell(self, piece: str) -> tuple[int, ...]:
        """Return the id of a piece or of a character without one, which may be UNK."""
        return (self.ids.get(piece, self.others.get(piece, UNK)),)
