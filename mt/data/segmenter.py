"""Segmentation of training pairs into pieces that differ in each epoch."""

from __future__ import annotations

import random

from mt.config.schema import Config
from mt.data.noise import Noise
from mt.data.tokenizer import Tokenizer

NOISE_STREAM = 1 << 200  # above all seeds of subword sampling


class Segmenter:
    """Noise and subword regularisation for one epoch.

    A call with (source, target, row, longest) draws noise and pieces from seed, epoch and row
    alone: others in each epoch, the same whenever an epoch is repeated. `longest` has the largest
    number of pieces for each side. A pair that noise makes longer than that, or than `max_pieces`,
    stays without noise; a sample that is longer is replaced by the usual segmentation, which is
    known to fit. With `alpha` 0, segmentations are the usual ones.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        alpha: float,
        seed: int,
        epoch: int,
        max_pieces: int,
        noise: Noise | None = None,
    ) -> None:
        self.tokenizer, self.alpha, self.max_pieces = tokenizer, alpha, max_pieces
        self.noise = noise
        self.base = (seed << 72) + (epoch << 40)  # a row takes up to 39 bits, its side one

    def __call__(
        self, source: str, target: str, row: int, longest: tuple[int, int]
    ) -> tuple[list[int], list[int]]:
        """Return the ids of the pieces of both sides."""
        src, tgt = (min(limit, self.max_pieces) for limit in longest)
        if self.noise:
            draw = random.Random(NOISE_STREAM + self.base + 2 * row)
            noisy = self.noise(source, target, draw)
            if noisy != (source, target):
                pieces = self._segment(*noisy, row, (src, tgt))
                if len(pieces[0]) <= src and len(pieces[1]) <= tgt:
                    return pieces
        return self._segment(source, target, row, (src, tgt))

    def _segment(
        self, source: str, target: str, row: int, longest: tuple[int, int]
    ) -> tuple[list[int], list[int]]:
        marked = self.tokenizer.symbols.mark_training_pair(source, target)
        src, tgt = (
            self._sample(text, side, self.base + 2 * row + number, limit)
            for number, (text, side, limit) in enumerate(
                zip(marked, ("src", "tgt"), longest, strict=True)
            )
        )
        return src, tgt

    def _sample(self, marked: str, side: str, seed: int, longest: int) -> list[int]:
        if self.alpha:
            ids = self.tokenizer.sample_marked(marked, side, self.alpha, seed)
            if len(ids) <= longest:
                return ids
        return self.tokenizer.encode_marked([marked], side)[0]


def build_segmenter(config: Config, tokenizer: Tokenizer, epoch: int) -> Segmenter | None:
    """Return the segmenter of an epoch (from 0); None if pairs are the same in all epochs."""
    noise = Noise(config.data.noise, tokenizer.symbols)
    sampling = config.data.tokenizer.sampling
    if not sampling and not noise:
        return None
    return Segmenter(tokenizer, sampling, config.seed, epoch, config.data.max_pieces, noise)
