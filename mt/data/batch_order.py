"""Which pairs form a batch, and the order of the batches in an epoch."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mt.data.batching import PAD_WIDTHS, pad_width, split_by_budget
from mt.data.collate import table_starts
from mt.errors import MTError, UsageError

if TYPE_CHECKING:
    from mt.data.concatenation import Concatenation
    from mt.data.table import PairTable

# A corpus of more rows may be larger than the page cache, and is read in windows: four million
# pairs of 25 pieces a side take 0.8 GB.
LARGE_ROWS = 4_000_000
BLOCK_ROWS = 4096  # consecutive rows, which stay in one window
WINDOW_ROWS = 1_000_000  # at least, and those of a pool

# Keys that keep the random streams for drawing and for shuffling apart.
DRAW_STREAM, SHUFFLE_STREAM = 1, 2


def pool_size(batch_tokens: int) -> int:
    """Return the number of pairs that are sorted by length together.

    Large enough for batches of pairs of similar length, small enough to keep batches random.
    """
    return max(100_000, 25 * batch_tokens)


class BatchOrder:
    """The batches of each epoch, a function of tables, token budget, seed and epoch alone.

    With a concatenation, its tables of the epoch take the place of `tables`.

    Pairs are drawn by weight, shuffled and split into pools. Each pool is sorted by target width
    and source length, which keeps padding small, and split into batches. Then the batches of all
    pools are shuffled. Rows are numbered through all tables (`mt.data.collate`).

    Of a large corpus, this holds for one window after the other: some hundreds of blocks of
    consecutive rows, drawn at random. So each block is read from the disk once.

    Processes that share a batch have micro-batches of an equal share of its tokens.
    """

    def __init__(
        self,
        tables: Sequence[PairTable],
        batch_tokens: int,
        seed: int,
        concatenation: Concatenation | None = None,
        processes: int = 1,
    ) -> None:
        self.tables, self.seed = list(tables), seed
        self.micro_batch_tokens = batch_tokens // processes
        self.starts = table_starts(tables)
        self.dtype = np.int32 if self.starts[-1] < 2**31 else np.int64  # of row numbers
        self.concatenation = concatenation
        self._epochs: dict[int, list[np.ndarray]] = {}
        self._lock = threading.Lock()
        for table in tables:
            if table.weight <= 0:
                raise UsageError(
                    f"the weight of a training corpus must be > 0, got {table.weight:g}: "
                    "to exclude a corpus, remove it"
                )
        if not self.starts[-1]:
            raise MTError("there are no training pairs")
        if (drawn := sum(table.weight * len(table) for table in tables)) < 1:
            raise MTError(
                f"an epoch of {self.starts[-1]} training pairs has {drawn:.2g} pairs after "
                "data.*.weight: set larger weights"
            )
        longest = int(pad_width(max(side.max() for side in row_lengths(tables))))
        if longest > self.micro_batch_tokens:
            sharing = f", shared by {processes} processes" if processes > 1 else ""
            raise MTError(
                f"a training pair takes {longest} tokens, but a batch holds {batch_tokens}{sharing}"
                f": raise trainer.batch_tokens to {longest * processes} or lower data.max_pieces"
            )

    def tables_in(self, epoch: int) -> Sequence[PairTable]:
        """Return the tables whose rows the batches of an epoch (from 0) name."""
        return self.concatenation.tables(epoch) if self.concatenation else self.tables

    def epoch(self, number: int) -> list[np.ndarray]:
        """Return the micro-batches of epoch `number` (from 0), each an array of rows.

        The last two epochs are cached, because prefetching soon reaches the next epoch.
        """
        with self._lock:
            if number not in self._epochs:
                self._epochs = dict([*self._epochs.items()][-1:])
                self._epochs[number] = self._make_epoch(number)
            return self._epochs[number]

    def _make_epoch(self, number: int) -> list[np.ndarray]:
        random = np.random.default_rng((self.seed, SHUFFLE_STREAM, number))
        lengths = row_lengths(self.tables_in(number))
        size = pool_size(self.micro_batch_tokens)
        epoch: list[np.ndarray] = []
        for rows in self._windows(number, max(WINDOW_ROWS, size), random):
            random.shuffle(rows)
            batches: list[np.ndarray] = []
            for pool in np.array_split(rows, max(1, -(-len(rows) // size))):
                batches += self._split_pool(pool, *lengths)
            epoch += [batches[index] for index in random.permutation(len(batches))]
        return epoch

    def _windows(
        self, epoch: int, window_rows: int, random: np.random.Generator
    ) -> Iterator[np.ndarray]:
        """Yield the rows of each window of an epoch; of a small corpus, all at once."""
        drawn = [rows for index in range(len(self.tables)) for rows in self._draw(index, epoch)]
        windows = -(-sum(map(len, drawn)) // window_rows)
        if self.starts[-1] <= LARGE_ROWS or windows < 2:
            yield np.concatenate(drawn)
            return
        blocks = [block for rows in drawn for block in split_into_blocks(np.sort(rows))]
        for chosen in np.array_split(random.permutation(len(blocks)), windows):
            yield np.concatenate([blocks[index] for index in chosen])

    def _draw(self, index: int, epoch: int) -> list[np.ndarray]:
        """Draw the rows of one table for an epoch, each `weight` times on average.

        All rows are drawn as often as the weight is whole. Its fractional part walks cyclically
        through a fixed permutation.
        """
        size, weight = len(self.tables[index]), self.tables[index].weight
        rows = int(self.starts[index]) + np.arange(size, dtype=self.dtype)
        fraction = weight - int(weight)
        first, last = round(epoch * fraction * size), round((epoch + 1) * fraction * size)
        part = np.zeros(0, np.int64)
        if first < last:
            permutation = np.random.default_rng((self.seed, DRAW_STREAM, index)).permutation(size)
            part = permutation[np.arange(first, last) % size]
        return [*[rows] * int(weight), rows[part]]

    def _split_pool(
        self, pool: np.ndarray, src_lengths: np.ndarray, tgt_lengths: np.ndarray
    ) -> list[np.ndarray]:
        source, target = src_lengths[pool].astype(np.int64), tgt_lengths[pool]
        width = np.searchsorted(PAD_WIDTHS, target).astype(np.int64)
        # Source lengths rise within one target width and fall within the next, so that neighbours
        # are similar across the border too.
        order = np.argsort((width << 32) + np.where(width % 2, -source, source), kind="stable")
        ends = split_by_budget(source[order], target[order], self.micro_batch_tokens)
        return np.split(pool[order], ends[:-1]) if len(pool) else []

    def padding(self, epoch: int) -> float:
        """Return the share of padding among the source and target positions of an epoch."""
        real = padded = 0
        src_lengths, tgt_lengths = row_lengths(self.tables_in(epoch))
        for rows in self.epoch(epoch):
            source, target = src_lengths[rows], tgt_lengths[rows]
            real += int(source.sum()) + int(target.sum())
            padded += len(rows) * int(pad_width(source.max()) + pad_width(target.max()))
        return 1 - real / max(1, padded)


def row_lengths(tables: Sequence[PairTable]) -> tuple[np.ndarray, np.ndarray]:
    """Return the source and the target lengths of the rows of all tables."""
    if len(tables) == 1:
        return tables[0].src_lengths, tables[0].tgt_lengths  # not copied
    return (
        np.concatenate([table.src_lengths for table in tables]),
        np.concatenate([table.tgt_lengths for table in tables]),
    )


def split_into_blocks(rows: np.ndarray) -> list[np.ndarray]:
    """Split ascending rows into those of each block, without the blocks that have none."""
    if not len(rows):
        return []
    ends = np.arange(BLOCK_ROWS, int(rows[-1]) + 1, BLOCK_ROWS, dtype=rows.dtype)
    return [block for block in np.split(rows, np.searchsorted(rows, ends)) if len(block)]


def validation_batches(table: PairTable, batch_tokens: int, longest: int) -> list[np.ndarray]:
    """Split the pairs of a table into batches of similar length, each pair once.

    Pairs with a side of more than `longest` tokens are left out. A pair over the token budget forms
    a batch of its own.
    """
    order = np.lexsort((table.src_lengths, pad_width(table.tgt_lengths)))
    order = order[np.maximum(table.src_lengths, table.tgt_lengths)[order] <= longest]
    ends = split_by_budget(table.src_lengths[order], table.tgt_lengths[order], batch_tokens)
    return np.split(order, ends[:-1]) if len(order) else []
