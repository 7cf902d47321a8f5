"""Batches by token budget: which pairs go together, in which order, and the tensors that are made of them.

`BatchOrder` decides the order of an epoch from seed and epoch alone, `BatchStream` deals it out to
ranks and optimizer steps and can begin at any `Position`, `collate` makes tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mt.data.vocabulary import BOS, EOS, PAD
from mt.errors import MTError, UsageError

if TYPE_CHECKING:
    from mt.data.table import PairTable  # and with it `datasets`, which translation has no use for

LADDER = np.array([*range(2, 16), *range(16, 64, 2), *range(64, 128, 8), *range(128, 2**20, 32)])
PAIRS, ORDER = 1, 2  # random streams of an epoch order that must not be alike

OVERFLOW = 1.5  # sampled pieces in a batch over those it was made for, at most

Segment = Callable[[str, str, int, int], Sequence[int]]


def pad_width(length: int | np.ndarray) -> Any:
    """The width to which `length` is padded (an array, for an array).

    Itself from 2 to 16, the next multiple of 2 up to 64, of 8 up to 128, of 32 above: little
    padding, and shapes stay few.
    """
    return LADDER[np.searchsorted(LADDER, length)]


def pool_size(batch_tokens: int) -> int:
    """Pairs sorted together: enough that the batches of a pool are of alike pairs, few enough to stay random."""
    return max(100_000, 25 * batch_tokens)


@dataclass
class Batch:
    """B pairs, padded on the right to S source and T target positions. True in a mask is a real token."""

    source: Tensor  # [B, S] int64: pieces, EOS, PAD
    source_mask: Tensor  # [B, S] bool
    target_input: Tensor  # [B, T] int64: BOS, pieces, PAD
    target: Tensor  # [B, T] int64: pieces, EOS, PAD
    target_tokens: int  # real positions of `target`, EOS included: what the loss is averaged over
    padded: int  # B * (S + T)
    real: int  # positions of source and target that are not padding

    def to(self, device: torch.device) -> Batch:
        """Copy to `device`; to a GPU from page-locked memory, so that the copy does not wait for the GPU's work."""

        def move(tensor: Tensor) -> Tensor:
            return (
                tensor.pin_memory().to(device, non_blocking=True)
                if device.type == "cuda"
                else tensor.to(device)
            )

        return replace(
            self,
            source=move(self.source),
            source_mask=move(self.source_mask),
            target_input=move(self.target_input),
            target=move(self.target),
        )


def make_batch(
    sources: Sequence[Sequence[int] | np.ndarray], targets: Sequence[Sequence[int] | np.ndarray]
) -> Batch:
    """Tensors of pieces that have no BOS and no EOS yet."""
    source, source_mask = _pad(sources)
    target, target_mask = _pad(targets)
    target_input = np.full_like(target, PAD)
    target_input[:, 0] = BOS
    target_input[:, 1:] = np.where(target == EOS, PAD, target)[:, :-1]
    target_tokens = int(target_mask.sum())
    return Batch(
        source=torch.from_numpy(source),
        source_mask=torch.from_numpy(source_mask),
        target_input=torch.from_numpy(target_input),
        target=torch.from_numpy(target),
        target_tokens=target_tokens,
        padded=source.size + target.size,
        real=int(source_mask.sum()) + target_tokens,
    )


def _pad(rows: Sequence[Sequence[int] | np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pieces -> [B, width] int64 with EOS and padding, and the mask of what is real."""
    lengths = np.array([len(row) for row in rows])
    positions = np.arange(pad_width(lengths.max() + 1))
    ids = np.full((len(rows), len(positions)), PAD, np.int64)
    ids[positions < lengths[:, None]] = np.concatenate(rows)
    ids[np.arange(len(rows)), lengths] = EOS
    return ids, positions <= lengths[:, None]


def cut(source: np.ndarray, target: np.ndarray, batch_tokens: int) -> list[int]:
    """Ends of consecutive batches of pairs with these lengths, as many as fit: pairs * widest padded side <= batch_tokens.

    A pair that is wider than the budget makes a batch of its own.
    """
    widths = pad_width(np.maximum(source, target))
    ends, start = [], 0
    while start < len(widths):
        widest = np.maximum.accumulate(
            widths[start : start + max(1, batch_tokens // int(widths[start]))]
        )
        fits = widest * np.arange(1, len(widest) + 1) <= batch_tokens
        start += max(1, int(fits.sum()))  # `widest` never falls, so what fits comes first
        ends.append(start)
    return ends


class BatchOrder:
    """The batches of an epoch: a function of the tables, the budget, the seed and the epoch, and of nothing else.

    Pairs are drawn by weight, shuffled, and cut into pools. A pool is sorted by target width and
    source length, so that a batch has little padding, and cut into batches; then the batches of all
    pools are shuffled. Rows are counted through all tables: row r of the second table is
    `len(tables[0]) + r`.
    """

    def __init__(self, tables: Sequence[PairTable], batch_tokens: int, seed: int) -> None:
        self.tables, self.batch_tokens, self.seed = list(tables), batch_tokens, seed
        self.starts = table_starts(tables)
        self.src_lengths = np.concatenate([table.src_lengths for table in tables])
        self.tgt_lengths = np.concatenate([table.tgt_lengths for table in tables])
        self._epochs: dict[int, list[np.ndarray]] = {}
        self._lock = threading.Lock()
        if any(table.weight <= 0 for table in tables):
            raise UsageError(
                "the weight of a corpus must be above 0: leave out a corpus that is not wanted"
            )
        if not len(self.src_lengths):
            raise MTError("there are no training pairs")
        longest = int(pad_width(max(self.src_lengths.max(), self.tgt_lengths.max())))
        if longest > batch_tokens:
            raise MTError(
                f"a training pair takes {longest} tokens, more than a batch of {batch_tokens}: "
                f"raise trainer.batch_tokens to {longest} or lower data.max_pieces"
            )

    def epoch(self, number: int) -> list[np.ndarray]:
        """The micro-batches of epoch `number` (from 0), each an array of rows.

        The last two epochs asked for are remembered, because batches made ahead are soon in the
        next one.
        """
        with self._lock:
            if number not in self._epochs:
                self._epochs = dict([*self._epochs.items()][-1:])
                self._epochs[number] = self._epoch(number)
            return self._epochs[number]

    def _epoch(self, number: int) -> list[np.ndarray]:
        random = np.random.default_rng((self.seed, ORDER, number))
        rows = np.concatenate(
            [start + self._draw(index, number) for index, start in enumerate(self.starts[:-1])]
        )
        random.shuffle(rows)
        batches: list[np.ndarray] = []
        for pool in np.array_split(rows, max(1, -(-len(rows) // pool_size(self.batch_tokens)))):
            batches += self._batches(pool)
        return [batches[index] for index in random.permutation(len(batches))]

    def _draw(self, index: int, epoch: int) -> np.ndarray:
        """Rows of one table in an epoch: all of it `weight` times; the fraction walks round a fixed permutation."""
        size, weight = len(self.tables[index]), self.tables[index].weight
        whole = np.tile(np.arange(size), int(weight))
        fraction = weight - int(weight)
        first, last = round(epoch * fraction * size), round((epoch + 1) * fraction * size)
        if first == last:
            return whole
        circle = np.random.default_rng((self.seed, PAIRS, index)).permutation(size)
        return np.concatenate([whole, circle[np.arange(first, last) % size]])

    def _batches(self, pool: np.ndarray) -> list[np.ndarray]:
        source, target = self.src_lengths[pool].astype(np.int64), self.tgt_lengths[pool]
        rung = np.searchsorted(LADDER, target).astype(np.int64)
        # Source lengths rise in one target width and fall in the next, so that neighbours are alike
        # at the seams too.
        order = np.argsort((rung << 32) + np.where(rung % 2, -source, source), kind="stable")
        ends = cut(source[order], target[order], self.batch_tokens)
        return np.split(pool[order], ends[:-1]) if len(pool) else []

    def padding(self, epoch: int) -> float:
        """Share of an epoch's positions, source and target, that are padding."""
        real = padded = 0
        for rows in self.epoch(epoch):
            source, target = self.src_lengths[rows], self.tgt_lengths[rows]
            real += int(source.sum()) + int(target.sum())
            padded += len(rows) * int(pad_width(source.max()) + pad_width(target.max()))
        return 1 - real / max(1, padded)


def table_starts(tables: Sequence[PairTable]) -> np.ndarray:
    """The first row of each table when rows are counted through all of them, and their total."""
    return np.cumsum([0, *map(len, tables)])


def batches_in_order(sources: Sequence[Sequence[int]], batch_tokens: int) -> list[list[int]]:
    """Indices of sentences to translate together, longest first, so that too large a batch shows at once."""
    lengths = np.array([len(source) for source in sources], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    ends = cut(lengths[order], lengths[order], batch_tokens)
    return [rows.tolist() for rows in np.split(order, ends[:-1])] if len(order) else []


def validation_batches(table: PairTable, batch_tokens: int, longest: int) -> list[np.ndarray]:
    """Every pair of at most `longest` tokens a side once, in batches by length; one over the budget is a batch of its own."""
    order = np.lexsort((table.src_lengths, pad_width(table.tgt_lengths)))
    order = order[np.maximum(table.src_lengths, table.tgt_lengths)[order] <= longest]
    ends = cut(table.src_lengths[order], table.tgt_lengths[order], batch_tokens)
    return np.split(order, ends[:-1]) if len(order) else []


@dataclass(frozen=True)
class Position:
    """How far a run has come: micro-batches consumed, by all ranks together, in an epoch (both from 0)."""

    epoch: int = 0
    batch: int = 0


@dataclass
class Step:
    """What one rank does in one optimizer step."""

    epoch: int  # from 0
    progress: float  # epochs done after this step
    position: Position  # where a run continues after this step
    micro_batches: list[
        tuple[int, np.ndarray]
    ]  # number in the epoch, rows; may be empty in an epoch's last step


class BatchStream:
    """Optimizer steps without end: `group` micro-batches each (world * accumulation), dealt round the ranks.

    The last step of an epoch takes what is left, so a rank may get nothing; it still takes part in
    that step. Epochs do not mix, and the work of a step is the same for one rank and for many.
    """

    def __init__(
        self,
        order: BatchOrder,
        group: int,
        rank: int = 0,
        world: int = 1,
        start: Position | None = None,
    ) -> None:
        self.order, self.group, self.rank, self.world, self.start = (
            order,
            group,
            rank,
            world,
            start or Position(),
        )

    def __iter__(self) -> Iterator[Step]:
        epoch, first = self.start.epoch, self.start.batch
        while True:
            batches = self.order.epoch(epoch)
            while first < len(batches):
                end = min(first + self.group, len(batches))
                after = Position(epoch, end) if end < len(batches) else Position(epoch + 1)
                mine = [
                    (index, batches[index]) for index in range(first + self.rank, end, self.world)
                ]
                yield Step(epoch, epoch + end / len(batches), after, mine)
                first = end
            epoch, first = epoch + 1, 0


def collate(tables: Sequence[PairTable], rows: np.ndarray, segment: Segment | None = None) -> Batch:
    """Tensors of the rows, which are counted through all tables; in the batch, the rows of one table stay together.

    Tables that hold text need `segment(text, side, row, longest) -> pieces`: see
    `mt.data.tokenizer.Segmenter`. Sampled pieces may be up to `OVERFLOW` times as many as the batch
    was made for, so that it stays near its budget.
    """
    starts = table_starts(tables)
    owner = np.searchsorted(starts, rows, side="right") - 1
    sources: list[Sequence[int] | np.ndarray] = []
    targets: list[Sequence[int] | np.ndarray] = []
    for index, table in enumerate(tables):
        picked = rows[owner == index]
        local = picked - starts[index]
        if not len(local):
            continue
        if not table.holds_text:
            source_pieces, target_pieces = table.pieces(local)
            sources += source_pieces
            targets += target_pieces
            continue
        if segment is None:
            raise TypeError("a table of text needs `segment`")
        source_text, target_text = table.text(local)
        longest = [
            int(OVERFLOW * lengths[local].max()) - 1
            for lengths in (table.src_lengths, table.tgt_lengths)
        ]
        sources += [
            segment(text, "src", row, longest[0])
            for text, row in zip(source_text, picked.tolist(), strict=True)
        ]
        targets += [
            segment(text, "tgt", row, longest[1])
            for text, row in zip(target_text, picked.tolist(), strict=True)
        ]
    return make_batch(sources, targets)
