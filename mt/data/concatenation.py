"""Concatenation of training pairs into longer ones (Varis and Bojar 2021).

Corpora have few long sentences, and models translate lengths that they have not seen badly.
Joining pairs makes long examples without new text. Which pairs are joined is a function of (seed,
epoch, row) alone, so that runs resume exactly, on any number of ranks. Pairs are joined with others
of the same tag, which the joined pair has once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mt.data.collate import table_starts
from mt.data.scripts import mostly_unspaced
from mt.data.table import PairTable
from mt.data.tags import add_tag, split_tag, split_tags

if TYPE_CHECKING:
    from mt.data.tokenizer import Tokenizer

Side = TypeVar("Side", np.ndarray, str)  # one side of a pair: pieces or text

CONCAT_STREAM = 3  # a key of random streams, apart from those of `mt.data.batch_order`
ALONE = -1  # in place of the number of a second pair
PROBED_ROWS = 200  # pairs whose script decides how the text of a table is joined


class Concatenation:
    """Tables in which a share of the pairs is followed by another pair of the same table.

    A pair stays as it is if a side of the joined pair would be longer than `longest` tokens, end of
    sentence included.
    """

    def __init__(
        self,
        tables: Sequence[PairTable],
        share: float,
        seed: int,
        longest: int,
        tokenizer: Tokenizer,
    ) -> None:
        self.tables_alone, self.share, self.seed, self.longest = tables, share, seed, longest
        self.joiners = [Joiner(table, tokenizer, longest) for table in tables]
        self.starts = table_starts(tables)
        self._epochs: dict[int, list[PairTable]] = {}
        self._lock = threading.Lock()

    def tables(self, epoch: int) -> Sequence[PairTable]:
        """Return the tables of an epoch (from 0); those of the last two are cached."""
        if not self.share:
            return self.tables_alone
        with self._lock:
            if epoch not in self._epochs:
                self._epochs = dict([*self._epochs.items()][-1:])
                self._epochs[epoch] = [
                    ConcatenatedTable(table, self._partners(index, epoch)[0], joiner)
                    for index, (table, joiner) in enumerate(
                        zip(self.tables_alone, self.joiners, strict=True)
                    )
                ]
            return self._epochs[epoch]

    def _partners(self, index: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the second pair of each row of a table or `ALONE`, and which were too long."""
        table, size = self.tables_alone[index], len(self.tables_alone[index])
        random = np.random.default_rng((self.seed, CONCAT_STREAM, index, epoch))
        chosen = random.random(size) < self.share
        partners = np.arange(size)
        for rows in table.rows_by_tag().values():
            # Any other row with the same tag, with equal probability.
            count = len(rows)
            steps = random.integers(1, max(2, count), count)
            partners[rows] = rows[(np.arange(count) + steps) % max(1, count)]
        chosen &= partners != np.arange(size)
        too_long = np.zeros(size, bool)
        added_by = added_lengths(table, self.joiners[index].tokenizer)
        for lengths, added in zip(side_lengths(table), added_by, strict=True):
            too_long |= lengths + added[partners] > self.longest
        return np.where(chosen & ~too_long, partners, ALONE), chosen & too_long

    def describe(self, epoch: int, batches: Sequence[np.ndarray]) -> str:
        """Return a line with the number of joined pairs in the batches of an epoch."""
        rows = np.concatenate(batches)
        partners, too_long = (
            np.concatenate(parts)
            for parts in zip(
                *(self._partners(index, epoch) for index in range(len(self.tables_alone))),
                strict=True,
            )
        )
        joined = int((partners[rows] != ALONE).sum())
        return (
            f"data.concat: {joined:,} of {len(rows):,} training pairs ({joined / len(rows):.1%}) "
            f"are joined with another in epoch {epoch + 1}; {int(too_long[rows].sum()):,} are not, "
            "because they would be over data.max_pieces"
        )


def side_lengths(table: PairTable) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths of the source and the target of each row."""
    return table.src_lengths, table.tgt_lengths


def added_lengths(table: PairTable, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much each row makes another one longer: without its end, tag and language."""
    tag = 0 if table.tags is None else (table.tags > 0).astype(np.int32)
    starts = {side: len(ids) for side, ids in tokenizer.starts.items()}
    return table.src_lengths - 1 - tag - starts["src"], table.tgt_lengths - 1 - starts["tgt"]


class Joiner:
    """Joins the texts of two pairs: by a space, or by nothing in scripts without spaces."""

    def __init__(self, table: PairTable, tokenizer: Tokenizer, longest: int) -> None:
        self.tokenizer, self.longest = tokenizer, longest
        self.marks = [set(ids) for ids in tokenizer.marks]
        probe = np.arange(min(PROBED_ROWS, len(table)))
        texts = table.text(probe) if table.holds_text else decode(tokenizer, table.pieces(probe))
        texts = [split_tags(texts[0])[1], texts[1]]
        src, tgt = ("" if mostly_unspaced(side) else " " for side in texts)
        self.separators = src, tgt
        self.spaced = src == tgt == " "

    def join_text(self, first: Sequence[str], second: Sequence[str]) -> tuple[str, str]:
        """Join (source, target) and (source, target); the first alone if the result is too long."""
        source, target = self._join(first, second)
        # Pieces never cross a space, so only texts joined by nothing can take more pieces.
        if not self.spaced:
            marked = self.tokenizer.symbols.mark_training_pair(source, target)
            if max(map(len, self._encode(marked))) >= self.longest:
                return first[0], first[1]
        return source, target

    def join_pieces(
        self, first: Sequence[np.ndarray], second: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Join source and target pieces to those of the joined text.

        Placeholders keep their numbers, which then may occur in both texts.
        """
        if self.spaced:
            rest = [
                ids[1:] if len(ids) and int(ids[0]) in marks else ids
                for ids, marks in zip(second, self.marks, strict=True)
            ]
            return [np.concatenate(sides) for sides in zip(first, rest, strict=True)]
        texts = [decode(self.tokenizer, [[side] for side in pair]) for pair in (first, second)]
        (a, b), (c, d) = ([side[0] for side in pair] for pair in texts)
        joined = self._encode(self._join((a, b), (c, d)))
        if max(map(len, joined)) >= self.longest:
            return list(first)
        return [np.array(ids, np.int32) for ids in joined]

    def _join(self, first: Sequence[str], second: Sequence[str]) -> tuple[str, str]:
        source, target = (
            a + separator + split_tag(b)[1]
            for a, separator, b in zip(first, self.separators, second, strict=True)
        )
        return source, target

    def _encode(self, marked: Sequence[str]) -> list[list[int]]:
        return [
            self.tokenizer.encode_marked([text], side)[0]
            for text, side in zip(marked, ("src", "tgt"), strict=True)
        ]


def decode(tokenizer: Tokenizer, pieces: Sequence[Sequence[np.ndarray]]) -> list[list[str]]:
    """Return the marked texts of source pieces, with their tags, and of target pieces."""
    sources, targets = (
        tokenizer.decode_many([ids.tolist() for ids in rows], side)
        for rows, side in zip(pieces, ("src", "tgt"), strict=True)
    )
    names = {i: tag for tag, i in tokenizer.tags.items()}
    tags = (names.get(int(ids[0]) if len(ids) else 0, "") for ids in pieces[0])
    return [[add_tag(text, tag) for text, tag in zip(sources, tags, strict=True)], targets]


class ConcatenatedTable(PairTable):
    """A table in which row r is followed by row `partners[r]`, unless that is `ALONE`."""

    def __init__(self, table: PairTable, partners: np.ndarray, joiner: Joiner) -> None:
        self.table, self.partners, self.joiner = table, partners, joiner
        self.weight, self.holds_text, self.tags = table.weight, table.holds_text, table.tags
        first = np.flatnonzero(partners != ALONE)
        self.src_lengths, self.tgt_lengths = table.src_lengths.copy(), table.tgt_lengths.copy()
        for joined, added in zip(
            side_lengths(self), added_lengths(table, joiner.tokenizer), strict=True
        ):
            joined[first] += added[partners[first]]

    def pieces(self, rows: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        return self._join(rows, self.table.pieces, self.joiner.join_pieces)

    def text(self, rows: np.ndarray) -> tuple[list[str], list[str]]:
        return self._join(rows, self.table.text, self.joiner.join_text)

    def _join(
        self,
        rows: np.ndarray,
        read: Callable[[np.ndarray], tuple[list[Side], list[Side]]],
        join: Callable[[Sequence[Side], Sequence[Side]], Sequence[Side]],
    ) -> tuple[list[Side], list[Side]]:
        """Read the sides of the rows, and join those that have a partner with theirs."""
        sources, targets = read(rows)
        joined = np.flatnonzero(self.partners[rows] != ALONE)
        seconds = read(self.partners[rows[joined]])
        for i, source, target in zip(joined.tolist(), *seconds, strict=True):
            sources[i], targets[i] = join((sources[i], targets[i]), (source, target))
        return sources, targets
