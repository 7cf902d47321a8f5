"""The parts of a pretrained model, and the order of its vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.config.schema import ModelConfig
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, Vocabulary
from mt.errors import MTError

# Output bias of a start symbol that the model had no output for: probability 0 in float32, and
# small enough to leave the mean of the logits, which label smoothing uses, as it is.
ABSENT_LOGIT = -100.0


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model as settings, weights and tokenizer of mt."""

    model: ModelConfig
    tensors: dict[str, Tensor]
    tokenizer: Tokenizer
    languages: tuple[str, str]  # source and target; empty if they are not known
    max_pieces: int  # of a source, end of sentence excluded


@dataclass(frozen=True)
class RowOrder:
    """The row of a foreign vocabulary for each id of mt: special tokens first, then the others.

    Models that start with the embedding of another special token, such as MarianMT with that of
    padding, get a row of their own for the start symbol: a copy, without a probability.
    """

    rows: list[int]
    copies_start: bool

    @classmethod
    def build(cls, size: int, pad: int, unk: int, start: int, eos: int) -> RowOrder:
        """Order a vocabulary of `size` rows, given the rows of its special tokens."""
        specials = [pad, unk, start, eos]
        rest = sorted(set(range(size)) - set(specials))
        return cls(specials + rest, start in (pad, unk, eos))

    def vocabulary(self, pieces: Mapping[int, str]) -> Vocabulary:
        """Return the vocabulary in mt's order, given the piece of each foreign id."""
        ordered = [pieces[row] for row in self.rows]
        if self.copies_start:
            ordered[BOS] = next(
                name for name in ("<s>", "<start>", "<start of sentence>") if name not in ordered
            )
        return Vocabulary(ordered)

    def embeddings(self, weight: Tensor) -> Tensor:
        """Return the embeddings [V, D] in mt's order."""
        return weight[torch.tensor(self.rows)]

    def bias(self, bias: Tensor) -> Tensor:
        """Return the output bias [V] in mt's order."""
        ordered = bias.flatten()[torch.tensor(self.rows)]
        if self.copies_start:
            ordered[BOS] = ABSENT_LOGIT
        return ordered


def pieces_by_id(content: Mapping[str, object], name: str) -> dict[int, str]:
    """Return the pieces of a vocabulary file by id. Raises MTError unless ids are 0, 1, 2, ..."""
    pieces = {number: piece for piece, number in content.items() if type(number) is int}
    if pieces.keys() != set(range(len(content))):
        raise MTError(f"{name} must give each piece an id, from 0 on without gaps")
    return pieces
