"""Encoding of text tables: pieces, or text with its expected number of pieces."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa

from mt.data.arrow_files import PIECES, SAMPLED_TEXT, TAG, Pair, list_array
from mt.data.cleaning.cleaner import EXAMPLES
from mt.data.noise import Noise
from mt.data.tags import split_tag
from mt.data.tokenizer import Tokenizer

PROBE_INTERVAL = 20  # sample one pair in so many to estimate the length of sampled segmentations


class PairEncoder:
    """Convert tables of text to tables of pieces, or of text with its expected number of pieces.

    With `sampling` > 0 or `noise`, pieces are drawn anew in each epoch, so the table keeps the
    text. Sampled segmentations are longer than the usual one (almost twice as long with sampling
    0.1). Batches planned by the usual length would exceed their token budget. The table therefore
    holds expected lengths, estimated from a sample of the pairs.

    Placeholders are numbered as in training; without `max_pieces`, in validation, as in
    translation. With a tokenizer that has tags, a table has the column of `TAG` too.

    Pairs with a side of more than `max_pieces` pieces are dropped, unless `max_pieces` is None.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_pieces: int | None,
        sampling: float,
        noise: Noise | None = None,
    ) -> None:
        self.tokenizer, self.max_pieces, self.sampling = tokenizer, max_pieces, sampling
        self.noise = noise
        self.keeps_text = bool(sampling or noise)
        self.schema = SAMPLED_TEXT if self.keeps_text else PIECES
        if tokenizer.tags:
            self.schema = self.schema.append(TAG)

    def __call__(self, table: pa.Table) -> pa.Table:
        """Encode a table with the columns of `mt.data.arrow_files.TEXT`."""
        return self.encode(table)[0]

    def encode(self, table: pa.Table) -> tuple[pa.Table, list[Pair]]:
        """Encode a table; return also the first pairs that are dropped, without tags."""
        sources, targets = (table.column(side).to_pylist() for side in ("src", "tgt"))
        texts = self._mark(sources, targets)
        pieces = {side: self.tokenizer.encode_marked(texts[side], side) for side in texts}
        lengths = {
            side: np.fromiter(map(len, rows), np.int32, len(table)) for side, rows in pieces.items()
        }
        limit = np.inf if self.max_pieces is None else self.max_pieces
        keep = np.maximum(lengths["src"], lengths["tgt"]) <= limit
        columns: dict[str, pa.Array] = {}
        if self.keeps_text:
            probed = self._probe(sources, targets)
            columns = {side: table.column(side).combine_chunks() for side in texts}
            for side in texts:
                expected = self._expected_lengths(probed[side], lengths[side], side)
                columns[f"{side}_pieces"] = pa.array(expected)
        else:
            columns = {side: list_array(pieces[side]) for side in texts}
        if self.tokenizer.tags:
            ids = set(self.tokenizer.tags.values())
            first = (row[0] if row else 0 for row in pieces["src"])
            columns["tag"] = pa.array([i if i in ids else 0 for i in first], pa.int32())
        dropped = [
            (split_tag(sources[row])[1], targets[row]) for row in np.flatnonzero(~keep)[:EXAMPLES]
        ]
        return pa.table(columns, schema=self.schema).filter(pa.array(keep)), dropped

    def _mark(self, sources: list[str], targets: list[str]) -> dict[str, list[str]]:
        """Return both sides as marked text."""
        symbols = self.tokenizer.symbols
        if not symbols:
            return {"src": sources, "tgt": targets}
        mark = symbols.mark_pair if self.max_pieces is None else symbols.mark_training_pair
        marked_sources, marked_targets = zip(*map(mark, sources, targets), strict=True)
        return {"src": list(marked_sources), "tgt": list(marked_targets)}

    def _probe(self, sources: list[str], targets: list[str]) -> dict[str, list[str]]:
        """Return a sample of the pairs with noise, as marked text."""
        pairs = list(zip(sources, targets, strict=True))[::PROBE_INTERVAL]
        if self.noise:
            pairs = [self.noise(*pair, random.Random(seed)) for seed, pair in enumerate(pairs)]
        return self._mark([source for source, _ in pairs], [target for _, target in pairs])

    def _expected_lengths(self, probed: list[str], lengths: np.ndarray, side: str) -> np.ndarray:
        """Estimate the lengths of segmentations, at most `max_pieces`, [N] int32.

        `probed` are texts of `_probe`.
        """
        if self.sampling:
            rows = [
                self.tokenizer.sample_marked(text, side, self.sampling, seed)
                for seed, text in enumerate(probed)
            ]
        else:
            rows = self.tokenizer.encode_marked(probed, side)
        sampled = sum(map(len, rows))
        ratio = sampled / max(1, int(lengths[::PROBE_INTERVAL].sum()))
        return np.clip(np.ceil(lengths * ratio), None, self.max_pieces).astype(np.int32)
