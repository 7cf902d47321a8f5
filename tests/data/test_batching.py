"""Batches: weights, token budget, order, resume and ranks."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import torch

from mt.data.arrow_files import PIECES, SAMPLED_TEXT, list_array
from mt.data.batch_order import BatchOrder, validation_batches
from mt.data.batch_stream import BatchStream, Position, Step
from mt.data.batching import pad_width, split_by_budget, translation_batches
from mt.data.collate import MAX_SAMPLED_RATIO, collate
from mt.data.prefetch import prefetch
from mt.data.table import PairTable
from mt.data.vocabulary import BOS, EOS, PAD
from mt.errors import MTError, UsageError


def pieces_table(pairs: list[tuple[list[int], list[int]]], weight: float = 1.0) -> PairTable:
    src, tgt = [list(side) for side in zip(*pairs, strict=True)] if pairs else ([], [])
    return PairTable(pa.table([list_array(src), list_array(tgt)], schema=PIECES), weight)


def random_table(size: int, seed: int = 0, weight: float = 1.0, longest: int = 60) -> PairTable:
    """Return pairs with lengths like captions: about log-normal, the two sides correlated."""
    random = np.random.default_rng(seed)
    source = np.clip(np.exp(random.normal(2.7, 0.35, size)), 1, longest).astype(int)
    target = np.clip(source * np.exp(random.normal(0.0, 0.2, size)), 1, longest).astype(int)
    lengths = zip(source, target, strict=True)
    return pieces_table(
        [
            (random.integers(4, 99, s).tolist(), random.integers(4, 99, t).tolist())
            for s, t in lengths
        ],
        weight,
    )


def count(order: BatchOrder, epoch: int) -> Counter[int]:
    return Counter(np.concatenate(order.epoch(epoch)).tolist())


def plain(steps: list[Step]) -> list[tuple]:
    """Convert steps to comparable values."""
    return [
        (
            step.epoch,
            step.progress,
            step.position,
            [(number, rows.tolist()) for number, rows in step.micro_batches],
        )
        for step in steps
    ]


def test_table_gives_rows_across_chunks_and_slices() -> None:
    rows = [[1, 2], [], [3], [4, 5, 6], [7]]
    column = pa.chunked_array(
        [list_array(rows[:2]), list_array(rows).slice(2, 2), list_array(rows[4:])]
    )
    table = PairTable(pa.table([column, column], schema=PIECES))
    source, target = table.pieces(np.array([4, 1, 3, 0, 2, 4]))
    assert (
        [row.tolist() for row in source]
        == [rows[i] for i in (4, 1, 3, 0, 2, 4)]
        == [row.tolist() for row in target]
    )
    assert table.src_lengths.tolist() == [3, 1, 2, 4, 2] and table.src_lengths.dtype == np.int32


def test_table_of_text_gives_text_across_slices() -> None:
    text = ["a", "", "über", "日本", "z"]
    column = pa.chunked_array(
        [pa.array(text).slice(1, 3), pa.array(text).slice(4), pa.array(text[:1])]
    )
    pieces = pa.array([3, 0, 2, 2, 1], pa.int32())
    table = PairTable(pa.table([column, column, pieces, pieces], schema=SAMPLED_TEXT))
    assert table.text(np.array([0, 4, 1, 2, 3]))[0] == ["", "a", "über", "日本", "z"]
    assert table.tgt_lengths.tolist() == [4, 1, 3, 3, 2]


def test_widths_are_few_and_never_too_small() -> None:
    lengths = np.arange(1, 2000)
    widths = pad_width(lengths)
    assert (widths >= lengths).all()
    assert all(width % (2 if width <= 64 else 8 if width <= 128 else 32) == 0 for width in widths)
    assert (widths - lengths).max() < 32
    assert [pad_width(length) for length in (1, 2, 15, 63, 65, 129)] == [2, 2, 16, 64, 72, 160]


def test_larger_batches_have_a_multiple_of_8_pairs_and_are_nearly_full() -> None:
    lengths = np.full(1000, 30)
    ends = split_by_budget(lengths, lengths, 1024)
    assert np.diff([0, *ends]).tolist() == 31 * [32] + [8]  # and not 34
    assert split_by_budget(lengths[:34], lengths[:34], 1024) == [34]  # the last ones fit
    lengths = np.full(100, 66)  # padded to 72
    assert np.diff([0, *split_by_budget(lengths, lengths, 1024)]).tolist() == 7 * [14] + [2]


@pytest.mark.parametrize("pool", [100_000, 700])
def test_every_pair_once_an_epoch_and_within_the_budget(
    pool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mt.data.batch_order.pool_size", lambda batch_tokens: pool)
    tables = [random_table(2000, 1), random_table(501, 2)]
    order = BatchOrder(tables, 1024, seed=3)
    for epoch in range(2):
        assert count(order, epoch) == Counter(range(2501))
        for rows in order.epoch(epoch):
            batch = collate(tables, rows)
            assert len(rows) * max(batch.source.shape[1], batch.target.shape[1]) <= 1024


def test_order_is_a_function_of_seed_and_epoch() -> None:
    table = random_table(600)

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [rows.tolist() for rows in BatchOrder([table], 512, seed).epoch(epoch)]

    first = BatchOrder([table], 512, 1)
    assert [rows.tolist() for rows in first.epoch(5)] == order(1, 5)
    # Epochs requested before do not matter.
    assert [rows.tolist() for rows in first.epoch(0)] == order(1, 0)
    assert order(1, 0) != order(1, 1) and order(1, 0) != order(2, 0)


def test_a_weight_repeats_pairs_evenly_over_epochs() -> None:
    """Weight 2.5: all pairs twice, and alternating halves once more in each epoch.

    Weight 0.3: each pair three times in ten epochs.
    """
    order = BatchOrder([random_table(100, weight=2.5), random_table(50, weight=0.3)], 4096, seed=1)
    counts = [count(order, epoch) for epoch in range(10)]
    for epoch in range(0, 10, 2):
        extra = [{row for row in range(100) if counts[epoch + i][row] == 3} for i in range(2)]
        assert len(extra[0]) == 50 and extra[0] | extra[1] == set(range(100))
    assert all({counts[epoch][row] for row in range(100)} == {2, 3} for epoch in range(10))
    assert all(max(counts[epoch][row] for row in range(100, 150)) == 1 for epoch in range(10))
    assert all(sum(c[row] for c in counts) == 3 for row in range(100, 150))


def test_a_bad_weight_a_long_pair_and_an_empty_corpus_are_refused() -> None:
    with pytest.raises(UsageError, match="must be > 0, got 0"):
        BatchOrder([random_table(10, weight=0.0)], 512, 1)
    with pytest.raises(MTError, match="trainer.batch_tokens to 104 or lower data.max_pieces"):
        BatchOrder([pieces_table([([5], [5] * 100)])], 100, 1)
    for count in (1, 2):  # one table or two
        with pytest.raises(MTError, match=r"an epoch of \d+ training pairs has 0.\d+ pairs after"):
            BatchOrder([random_table(25, weight=0.01)] * count, 512, 1)
    with pytest.raises(MTError, match="no training pairs"):
        BatchOrder([pieces_table([])], 100, 1)
    # An epoch is skipped if a small weight draws no pair in it.
    order = BatchOrder([random_table(4, weight=0.1)] * 3, 512, 1)
    step = next(iter(BatchStream(order, 1)))
    assert step.epoch > 0


@pytest.mark.parametrize("group", [1, 3, 4])
def test_stream_continues_from_every_position(group: int) -> None:
    order = BatchOrder([random_table(300)], 512, seed=1)
    assert len(order.epoch(0)) % 3 or len(order.epoch(0)) % 4  # there is a short last step
    whole = list(islice(BatchStream(order, group), 40))
    assert whole[-1].epoch >= 2
    for done, step in enumerate(whole[:-1], start=1):
        position = Position(**json.loads(json.dumps(asdict(step.position))))
        rest = islice(BatchStream(order, group, start=position), len(whole) - done)
        assert plain(list(rest)) == plain(whole[done:])


@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (3, 2), (4, 1)])
def test_ranks_together_do_what_one_process_does(world: int, accumulate: int) -> None:
    order = BatchOrder([random_table(300)], 512, seed=1)
    steps = 2 * len(order.epoch(0)) // (world * accumulate)
    alone = list(islice(BatchStream(order, world * accumulate), steps))
    ranks = [
        list(islice(BatchStream(order, world * accumulate, rank, world), steps))
        for rank in range(world)
    ]
    for step, *shares in zip(alone, *ranks, strict=True):
        assert all(
            share.position == step.position and len(share.micro_batches) <= accumulate
            for share in shares
        )
        together = sorted(
            (number, rows.tolist()) for share in shares for number, rows in share.micro_batches
        )
        assert together == [(number, rows.tolist()) for number, rows in step.micro_batches]
        assert len(together) == world * accumulate or step.position.batch == 0


def test_progress_counts_epochs() -> None:
    order = BatchOrder([random_table(300)], 512, seed=1)
    steps = list(islice(BatchStream(order, 4), 30))
    assert all(b.progress > a.progress for a, b in zip(steps, steps[1:], strict=False))
    assert [step.progress for step in steps if step.position.batch == 0][:2] == [1.0, 2.0]


def test_collate_makes_shifted_padded_tensors() -> None:
    tables = [pieces_table([([5, 6, 7], [8])]), pieces_table([([9], [10, 11])])]
    batch = collate(tables, np.array([0, 1]))
    assert batch.source.tolist() == [[5, 6, 7, EOS], [9, EOS, PAD, PAD]]
    assert batch.source_mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert batch.target_input.tolist() == [[BOS, 8, PAD, PAD], [BOS, 10, 11, PAD]]
    assert batch.target.tolist() == [[8, EOS, PAD, PAD], [10, 11, EOS, PAD]]
    assert (batch.target_tokens, batch.real, batch.padded) == (5, 11, 16)
    assert batch.source.dtype == torch.int64
    moved = batch.to(torch.device("cpu"))
    assert torch.equal(moved.target, batch.target) and moved.real == batch.real


def test_collate_gives_empty_sides_their_special_tokens() -> None:
    batch = collate([pieces_table([([], []), ([], [7])])], np.array([0, 1]))
    assert batch.source.tolist() == [[EOS, PAD], [EOS, PAD]]
    assert batch.target_input.tolist() == [[BOS, PAD], [BOS, 7]]
    assert batch.target.tolist() == [[EOS, PAD], [7, EOS]]


def test_collate_segments_text_by_row() -> None:
    lengths = pa.array([2, 3], pa.int32())
    columns = [["ab", "abc"], ["x", "y"], lengths, lengths]
    text = PairTable(pa.table(columns, schema=SAMPLED_TEXT))
    calls = []

    def segment(source: str, target: str, row: int, longest: tuple[int, int]) -> list[list[int]]:
        calls.append((source, target, row, longest))
        return [[ord(c) for c in text] for text in (source, target)]

    batch = collate([pieces_table([([5], [6])]), text], np.array([2, 0, 1]), segment)
    longest = int(MAX_SAMPLED_RATIO * 4) - 1
    assert sorted(calls) == [
        ("ab", "x", 1, (longest, longest)),
        ("abc", "y", 2, (longest, longest)),
    ]
    assert batch.source.tolist() == [[5, EOS, PAD, PAD], [97, 98, 99, EOS], [97, 98, EOS, PAD]]
    with pytest.raises(TypeError, match="segment"):
        collate([text], np.array([0]))


def test_reported_padding_is_that_of_the_batches_and_small() -> None:
    table = random_table(20_000)
    order = BatchOrder([table], 4096, seed=1)
    batches = [collate([table], rows) for rows in order.epoch(0)]
    measured = 1 - sum(batch.real for batch in batches) / sum(batch.padded for batch in batches)
    assert order.padding(0) == pytest.approx(measured)
    assert measured < 0.075
    assert len({(b.source.shape[1], b.target.shape[1]) for b in batches}) < len(batches)


def test_large_batches_have_little_padding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lengths:
        """The part of a table that the order uses."""

        weight = 1.0
        random = np.random.default_rng(0)
        src_lengths = np.clip(np.exp(random.normal(2.7, 0.35, 300_000)), 1, 60).astype(int)
        tgt_lengths = np.clip(src_lengths * np.exp(random.normal(0.0, 0.2, 300_000)), 1, 60).astype(
            int
        )

        def __len__(self) -> int:
            return 300_000

    def padding() -> float:
        return BatchOrder([Lengths()], 25_000, seed=1).padding(0)  # type: ignore[list-item]

    with_large_pool = padding()
    monkeypatch.setattr("mt.data.batch_order.pool_size", lambda batch_tokens: 100_000)
    assert with_large_pool < 0.07 < padding()


def test_batches_to_translate_hold_every_sentence_once_longest_first() -> None:
    sources = [[1] * n for n in (3, 50, 1, 0, 7, 7, 200, 3)]
    batches = translation_batches(sources, 64)
    assert sorted(i for batch in batches for i in batch) == list(range(8))
    lengths = [len(sources[i]) for batch in batches for i in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert batches[0] == [6]  # over the budget, alone
    assert all(len(batch) * pad_width(len(sources[batch[0]])) <= 64 for batch in batches[1:])
    assert translation_batches([], 64) == []


def test_validation_takes_pairs_over_the_budget_too() -> None:
    table = pieces_table([([5] * 3, [5]), ([5], [5] * 300), ([5], [5])])
    assert sorted(rows.tolist() for rows in validation_batches(table, 64, 1000)) == [[1], [2, 0]]
    assert sorted(rows.tolist() for rows in validation_batches(table, 64, 20)) == [[2, 0]]
    assert validation_batches(pieces_table([]), 64, 1000) == []


def test_prefetch_keeps_order_raises_in_place_and_ends_its_thread() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise MTError("bad line")

    assert list(prefetch(iter(range(100)), depth=3)) == list(range(100))
    ahead = prefetch(items(), depth=2)
    assert [next(ahead) for _ in range(5)] == list(range(5))
    with pytest.raises(MTError, match="bad line"):
        next(ahead)

    produced: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            produced.append(len(produced))
            yield produced[-1]

    ahead = prefetch(endless(), depth=4)
    assert next(ahead) == 0
    deadline = time.monotonic() + 10
    while len(produced) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(produced) == 6  # one consumed, four queued, one in the thread
    ahead.close()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
