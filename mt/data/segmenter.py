"""Segmentation of training pairs into pieces that differ in each epoch."""

from __future__ import annotations

from mt.data.tokenizer import Tokenizer


class Segmenter:
    """Subword regularisation for one epoch.

    A call with (source, target, row, longest) samples pieces from seed, epoch and row alone: other
    pieces in each epoch, the same whenever an epoch is repeated. `longest` has the largest number
    of pieces for each side. A sample of more than that, or of more than `max_pieces` pieces, is
    replaced by the usual segmentation, which is known to fit.
    """

    def __init__(
        self, tokenizer: Tokenizer, alpha: float, seed: int, epoch: int, max_pieces: int
    ) -> None:
        self.tokenizer, self.alpha, self.max_pieces = tokenizer, alpha, max_pieces
        self.base = (seed << 72) + (epoch << 40)  # a row takes up to 39 bits, its side one

    def __call__(
        self, source: str, target: str, row: int, longest: tuple[int, int]
    ) -> tuple[list[int], list[int]]:
        """Return the ids of the pieces of both sides."""
        marked = self.tokenizer.symbols.mark_training_pair(source, target)
        src, tgt = (
            self._sample(text, side, self.base + 2 * row + number, min(limit, self.max_pieces))
            for number, (text, side, limit) in enumerate(
                zip(marked, ("src", "tgt"), longest, strict=True)
            )
        )
        return src, tgt

    def _sample(self, marked: str, side: str, seed: int, longest: int) -> list[int]:
        ids = self.tokenizer.sample_marked(marked, side, self.alpha, seed)
        return ids if len(ids) <= longest else self.tokenizer.encode_marked([marked], side)[0]
