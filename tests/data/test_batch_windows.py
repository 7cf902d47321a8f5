"""The order of an epoch of a large corpus, in windows of blocks; and of a small one, as before."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from mt.data import batch_order
from mt.data.batch_order import DRAW_STREAM, SHUFFLE_STREAM, BatchOrder
from mt.data.batch_stream import BatchStream

BLOCK, WINDOW = 16, 200  # rows


class Lengths:
    """The part of a table that the order uses."""

    def __init__(self, size: int, weight: float = 1.0) -> None:
        random = np.random.default_rng(size)
        self.weight = weight
        self.src_lengths, self.tgt_lengths = random.integers(2, 40, (2, size)).astype(np.int32)

    def __len__(self) -> int:
        return len(self.src_lengths)


def order(*tables: Lengths, seed: int = 1) -> BatchOrder:
    return BatchOrder(tables, 256, seed)  # type: ignore[arg-type]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make corpora of some hundred rows large ones."""
    monkeypatch.setattr(batch_order, "pool_size", lambda batch_tokens: 90)
    for name, rows in {"LARGE": 400, "BLOCK": BLOCK, "WINDOW": WINDOW}.items():
        monkeypatch.setattr(batch_order, f"{name}_ROWS", rows)


def one_permutation(tables: list[Lengths], epoch: int) -> list[int]:
    """Return the rows of an epoch before they are split into pools, by the rule of version 1."""
    drawn: list[int] = []
    start = 0
    for index, table in enumerate(tables):
        size, part = len(table), table.weight % 1
        drawn += [*range(start, start + size)] * int(table.weight)
        walk = np.random.default_rng((1, DRAW_STREAM, index)).permutation(size)
        first, last = round(epoch * part * size), round((epoch + 1) * part * size)
        drawn += [start + int(walk[step % size]) for step in range(first, last)]
        start += size
    rows = np.array(drawn, np.int64)
    np.random.default_rng((1, SHUFFLE_STREAM, epoch)).shuffle(rows)
    return rows.tolist()


@pytest.mark.parametrize("weights", [(1.0,), (2.5, 0.3, 1.0)])
def test_a_small_corpus_keeps_its_order(weights: tuple[float, ...], windows: None) -> None:
    tables = [Lengths(100 + 7 * index, weight) for index, weight in enumerate(weights)]
    assert sum(map(len, tables)) <= batch_order.LARGE_ROWS
    small = order(*tables)
    src, tgt = batch_order.row_lengths(tables)  # type: ignore[arg-type]
    for epoch in range(3):
        rows = np.array(one_permutation(tables, epoch))
        batches = [
            batch.tolist()
            for pool in np.array_split(rows, -(-len(rows) // 90))
            for batch in small._split_pool(pool, src, tgt)
        ]
        random = np.random.default_rng((1, SHUFFLE_STREAM, epoch))
        random.shuffle(rows.copy())
        expected = [batches[index] for index in random.permutation(len(batches))]
        assert [batch.tolist() for batch in small.epoch(epoch)] == expected


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.5, 0.3), (0.4, 3.0)])
def test_a_large_corpus_has_each_pair_as_often_as_its_weight_says(
    weights: tuple[float, ...], windows: None
) -> None:
    tables = [Lengths(700, weights[0]), Lengths(333, weights[1])]
    large = order(*tables)
    for epoch in range(4):
        rows = np.concatenate(large.epoch(epoch)).tolist()
        assert Counter(rows) == Counter(one_permutation(tables, epoch))
    last, again, other = (
        [rows.tolist() for rows in each.epoch(3)]
        for each in (large, order(*tables), order(*tables, seed=2))
    )
    assert last == again != other


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_few_blocks_are_read_at_a_time_and_each_once(weight: float, windows: None) -> None:
    table = Lengths(4000, weight)
    left = Counter(row // BLOCK for row in one_permutation([table], 0))
    blocks_of_window = -(-len(left) // -(-left.total() // WINDOW))
    begun: set[int] = set()
    most, spread, mixed = 0, 0, []
    for batch in order(table).epoch(0):
        blocks = [row // BLOCK for row in batch.tolist()]
        mixed.append(len(set(blocks)) / len(blocks))
        for block in blocks:
            begun.add(block)
            left[block] -= 1
        begun = {block for block in begun if left[block]}
        most = max(most, len(begun))
        spread = max([spread, *np.diff(sorted(begun))])
    assert not begun and blocks_of_window - 1 <= most <= blocks_of_window
    assert spread > blocks_of_window and np.mean(mixed) > 0.6  # a batch has pairs of many blocks


def test_a_rare_part_of_a_large_corpus_is_in_one_window(windows: None) -> None:
    rare = order(Lengths(2000, weight=0.05))
    assert [len(np.concatenate(rare.epoch(epoch))) for epoch in range(3)] == [100] * 3


@pytest.mark.parametrize("world", [2, 3])
def test_windows_do_not_depend_on_the_number_of_ranks(world: int, windows: None) -> None:
    large = order(Lengths(1000))
    alone = list(islice(BatchStream(large, 6), 40))
    assert alone[-1].epoch > 0
    ranks = [islice(BatchStream(order(Lengths(1000)), 6, rank, world), 40) for rank in range(world)]
    for step, *shares in zip(alone, *ranks, strict=True):
        dealt = sorted(
            (number, rows.tolist()) for share in shares for number, rows in share.micro_batches
        )
        assert dealt == [(number, rows.tolist()) for number, rows in step.micro_batches]
        assert {share.position for share in shares} == {step.position}


def test_row_numbers_take_four_bytes_while_they_fit() -> None:
    assert order(Lengths(50)).epoch(0)[0].dtype == np.int32

    class Many(Lengths):
        def __len__(self) -> int:
            return 2**31

    assert order(Many(50)).dtype == np.int64
