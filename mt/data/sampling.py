"""Subword regularisation: random segmentations of words into pieces.

SentencePiece samples too, but its generator is seeded per process: the same seed gives other pieces
in another process, and a resumed run would not repeat. SentencePiece pieces never cross a space, so
the words of a text are segmented independently. Sampling word by word is therefore exact. It is
fast too, because the state computed for a word is cached and most words of a text are frequent.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable, Iterator
from functools import lru_cache

import sentencepiece

SPACE = "\u2581"  # SentencePiece writes a space like this, at the beginning of a word
CACHED_WORDS = 100_000

# For each end position in a word: cumulative probabilities of the last piece, and the (start, ids)
# of each candidate.
Lattice = list[tuple[list[float], list[tuple[int, tuple[int, ...]]]]]

Uniform = Callable[[], float]  # draws a number in [0, 1)


class Pieces:
    """The ordinary pieces of a SentencePiece model, from which a sampler builds words."""

    def __init__(self, model: sentencepiece.SentencePieceProcessor) -> None:
        ordinary = [
            i
            for i in range(len(model))
            if not (model.is_control(i) or model.is_unknown(i) or model.is_byte(i))
        ]
        self.ids = {model.id_to_piece(i): i for i in ordinary}
        self.scores = {piece: model.get_score(i) for piece, i in self.ids.items()}
        self.bytes = [model.piece_to_id(f"<0x{byte:02X}>") for byte in range(256)]
        self.max_length = max(map(len, self.ids), default=1)
        # The score that SentencePiece gives to a character without a piece.
        self.unknown_score = min(self.scores.values(), default=0.0) - 10.0

    def spell(self, piece: str) -> tuple[int, ...]:
        """Return the id of a piece, or the ids of the bytes of a character without a piece."""
        if piece in self.ids:
            return (self.ids[piece],)
        return tuple(self.bytes[byte] for byte in piece.encode())


class UnigramSampler:
    """Sample a segmentation with probability proportional to p(segmentation) ** alpha.

    Kudo 2018, equation 7, with l = infinity, by forward filtering and backward sampling. The
    forward pass sums the weights of all segmentations of each prefix, once for each word. A sample
    walks back from the end and draws each last piece by its share of that sum.
    """

    def __init__(self, pieces: Pieces, alpha: float) -> None:
        self.pieces, self.alpha = pieces, alpha
        self.lattice = lru_cache(CACHED_WORDS)(self._lattice)

    def _lattice(self, word: str) -> Lattice:
        ids, scores, alpha = self.pieces.ids, self.pieces.scores, self.alpha
        total = [0.0]  # log of the summed weights of the segmentations of word[:end]
        lattice: Lattice = [([], [])]
        for end in range(1, len(word) + 1):
            weights: list[float] = []
            steps: list[tuple[int, tuple[int, ...]]] = []
            for start in range(max(0, end - self.pieces.max_length), end):
                piece = word[start:end]
                if piece in ids:
                    weights.append(total[start] + alpha * scores[piece])
                    steps.append((start, (ids[piece],)))
                elif start == end - 1:
                    weights.append(total[start] + alpha * self.pieces.unknown_score)
                    steps.append((start, self.pieces.spell(piece)))
            highest = max(weights)
            cumulative, running_sum = [], 0.0
            for weight in weights:
                running_sum += math.exp(weight - highest)
                cumulative.append(running_sum)
            total.append(highest + math.log(running_sum))
            lattice.append(([value / running_sum for value in cumulative], steps))
        return lattice

    def __call__(self, word: str, uniform: Uniform) -> list[int]:
        """Sample the ids of a word."""
        lattice, end = self.lattice(word), len(word)
        backward: list[tuple[int, ...]] = []
        while end:
            cumulative, steps = lattice[end]
            # Rounding may leave the last value slightly below 1. A single candidate needs no draw.
            index = min(bisect(cumulative, uniform()), len(steps) - 1) if len(steps) > 1 else 0
            end, ids = steps[index]
            backward.append(ids)
        return [i for ids in reversed(backward) for i in ids]


class BPEDropout:
    """Merge characters as BPE does, but skip each possible merge with probability alpha.

    Provilkov et al. 2020, algorithm 1: skips are drawn anew at every step. Alpha 0 gives BPE.
    """

    def __init__(self, pieces: Pieces, alpha: float) -> None:
        self.pieces, self.alpha = pieces, alpha

    def __call__(self, word: str, uniform: Uniform) -> list[int]:
        """Sample the ids of a word."""
        *_, parts = self.states(word, uniform)
        return [i for part in parts for i in self.pieces.spell(part)]

    def states(self, word: str, uniform: Uniform) -> Iterator[list[str]]:
        """Yield the characters of a word, and its parts after each merge: one list that changes."""
        scores, parts = self.pieces.scores, list(word)
        yield parts
        while len(parts) > 1:
            merges = [
                (scores[merged], -position)
                for position, merged in enumerate(map(str.__add__, parts, parts[1:]))
                if merged in scores and uniform() >= self.alpha
            ]
            if not merges:
                break
            position = -max(merges)[1]
            parts[position : position + 2] = [parts[position] + parts[position + 1]]
            yield parts
