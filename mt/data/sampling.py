"""Sampled segmentations of words, for subword regularisation.

SentencePiece samples too, but its generator is salted by process: the same seed gives other pieces
in another process, and a resumed run would not repeat. SentencePiece never lets a piece reach over
a space, so the words of a text are segmented independently of each other: sampling word by word,
with what was worked out for a word remembered, is exact, and fast, because most words of a text are
frequent ones.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Callable
from functools import lru_cache

import sentencepiece

SPACE = "\u2581"  # how SentencePiece writes a space: at the beginning of a word
REMEMBERED = 100_000  # words

Lattice = list[tuple[list[float], list[tuple[int, tuple[int, ...]]]]]

Uniform = Callable[[], float]  # a number in [0, 1)


class Pieces:
    """The vocabulary of a SentencePiece model: what a sampler may put together."""

    def __init__(self, model: sentencepiece.SentencePieceProcessor) -> None:
        ordinary = [
            i
            for i in range(len(model))
            if not (model.is_control(i) or model.is_unknown(i) or model.is_byte(i))
        ]
        self.ids = {model.id_to_piece(i): i for i in ordinary}
        self.scores = {piece: model.get_score(i) for piece, i in self.ids.items()}
        self.bytes = [model.piece_to_id(f"<0x{byte:02X}>") for byte in range(256)]
        self.longest = max(map(len, self.ids), default=1)
        # The score that SentencePiece gives to a character without a piece.
        self.unknown_score = min(self.scores.values(), default=0.0) - 10.0

    def spell(self, piece: str) -> tuple[int, ...]:
        """A piece's id, or the bytes of a character that has no piece."""
        found = self.ids.get(piece)
        return (found,) if found is not None else tuple(self.bytes[byte] for byte in piece.encode())


class UnigramSampler:
    """Draws a segmentation with probability proportional to p(segmentation) ** alpha (Kudo 2018, equation 7, l = infinity).

    Forward filtering, backward sampling: the weight of all segmentations of each prefix is summed
    up once for a word; a draw then walks back from its end, choosing each last piece by its share
    of that sum.
    """

    def __init__(self, pieces: Pieces, alpha: float) -> None:
        self.pieces, self.alpha = pieces, alpha
        self.lattice = lru_cache(REMEMBERED)(self._lattice)

    def _lattice(self, word: str) -> Lattice:
        """For each end in the word: cumulative shares of the last piece, and each one's (start, ids)."""
        ids, scores, alpha = self.pieces.ids, self.pieces.scores, self.alpha
        total = [0.0]  # log of the summed weight of the segmentations of word[:end]
        lattice: Lattice = [([], [])]
        for end in range(1, len(word) + 1):
            weights: list[float] = []
            steps: list[tuple[int, tuple[int, ...]]] = []
            for start in range(max(0, end - self.pieces.longest), end):
                piece = word[start:end]
                if piece in ids:
                    weights.append(total[start] + alpha * scores[piece])
                    steps.append((start, (ids[piece],)))
                elif start == end - 1:
                    weights.append(total[start] + alpha * self.pieces.unknown_score)
                    steps.append((start, self.pieces.spell(piece)))
            highest = max(weights)
            cumulative, so_far = [], 0.0
            for weight in weights:
                so_far += math.exp(weight - highest)
                cumulative.append(so_far)
            total.append(highest + math.log(so_far))
            lattice.append(([share / so_far for share in cumulative], steps))
        return lattice

    def __call__(self, word: str, uniform: Uniform) -> list[int]:
        lattice, end = self.lattice(word), len(word)
        backward: list[tuple[int, ...]] = []
        while end:
            cumulative, steps = lattice[end]
            # Rounding may leave the last share a little under 1; a certain choice draws nothing.
            chosen = min(bisect(cumulative, uniform()), len(steps) - 1) if len(steps) > 1 else 0
            end, ids = steps[chosen]
            backward.append(ids)
        return [i for ids in reversed(backward) for i in ids]


class BPEDropout:
    """Merges characters as BPE does, but skips each possible merge with probability `alpha`, anew at every step.

    Provilkov et al. 2020, algorithm 1. With alpha 0 it is BPE.
    """

    def __init__(self, pieces: Pieces, alpha: float) -> None:
        self.pieces, self.alpha = pieces, alpha

    def __call__(self, word: str, uniform: Uniform) -> list[int]:
        scores, parts = self.pieces.scores, list(word)
        while len(parts) > 1:
            merges = [
                (scores[merged], -place)
                for place, merged in enumerate(map(str.__add__, parts, parts[1:]))
                if merged in scores and uniform() >= self.alpha
            ]
            if not merges:
                break
            place = -max(merges)[1]
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        return [i for part in parts for i in self.pieces.spell(part)]
