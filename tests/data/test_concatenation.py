"""Concatenation of training pairs: which pairs, their text and lengths, exact resume, ranks."""

from __future__ import annotations

import functools
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from mt.config.schema import CleanConfig, DataConfig, SplitConfig, TokenizerConfig
from mt.data.batch_order import BatchOrder
from mt.data.batch_stream import BatchStream, Position
from mt.data.batching import max_length, pad_width
from mt.data.collate import collate
from mt.data.concatenation import ALONE, ConcatenatedTable, Concatenation
from mt.data.prepare import PreparedData, prepare
from mt.data.segmenter import Segmenter

LETTERS = "abcdefgh"
HAN = "山水火木金土日月"
# Sentences of 2 to 9 words or characters.
SPACED = [
    " ".join(a + b + c for c in LETTERS[: 2 + i % 8])
    for i, (a, b) in enumerate((a, b) for a in LETTERS for b in LETTERS)
]
UNSPACED = [
    "".join(HAN[(i * k + j) % 8] for j in range(2 + i % 8)) + HAN[k] + HAN[i % 8]
    for k in range(8)
    for i in range(8)
]
LONG = 10_000


@functools.cache
def prepared(folder: Path, source: str, target: str, sampling: float = 0.0) -> PreparedData:
    """Prepare two corpora of 40 and 24 pairs, seen 1 and 2.5 times an epoch."""
    sides = {"spaced": SPACED, "unspaced": UNSPACED}

    def split(name: str, first: int, last: int, weight: float = 1.0) -> SplitConfig:
        paths = []
        for side in (source, target):
            paths.append(folder / f"{name}-{side}-{len(paths)}")
            paths[-1].write_text("".join(f"{line}\n" for line in sides[side][first:last]))
        return SplitConfig(src=str(paths[0]), tgt=str(paths[1]), weight=weight)

    config = DataConfig(
        train=split("train", 0, 40),
        val=split("val", 0, 5),
        test=split("test", 0, 5),
        mix={"more": split("more", 40, 64, 2.5)},
        clean=CleanConfig(
            drop_overlap=False, deduplicate=False, max_ratio=0, max_copied=0, max_repeats=0
        ),
        tokenizer=TokenizerConfig(vocab_size=290, sampling=sampling),
        cache=str(folder / "cache"),
    )
    return prepare(config, lambda line: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("concatenation")


def concatenation(data: PreparedData, share=0.5, seed=1, longest=LONG) -> Concatenation:
    return Concatenation(data.train, share, seed, longest, data.tokenizer)


def partners(tables) -> list[list[int]]:
    return [table.partners.tolist() for table in tables]


def by_hand(data: PreparedData, source: str, target: str, epoch: int, tables) -> list:
    """Return the (source, target) texts of all rows, joined by hand."""
    separator = {"spaced": " ", "unspaced": ""}
    sides = {"spaced": SPACED, "unspaced": UNSPACED}
    texts = []
    for start, table in zip((0, 40), tables, strict=True):
        for row, partner in enumerate(table.partners.tolist()):
            pair = []
            for side in (source, target):
                lines = sides[side][start:]
                text = lines[row]
                if partner != ALONE:
                    text += separator[side] + lines[partner]
                pair.append(text)
            texts.append(tuple(pair))
    return texts


@pytest.mark.parametrize("sampling", [0.0, 0.3])
@pytest.mark.parametrize("target", ["spaced", "unspaced"])
def test_text_and_lengths_are_those_of_pairs_joined_by_hand(folder, target, sampling) -> None:
    data = prepared(folder, "spaced", target, sampling)
    tables = concatenation(data).tables(3)
    expected = by_hand(data, "spaced", target, 3, tables)
    assert 20 < sum(partner != ALONE for side in partners(tables) for partner in side) < 50
    rows, tokenizer = np.arange(64), data.tokenizer
    if sampling:
        assert [pair for t in tables for pair in zip(*t.text(np.arange(len(t))), strict=True)] == (
            expected
        )
        segment = Segmenter(tokenizer, sampling, 1, 3, 256)
    else:
        segment = None
        pieces = [tokenizer.encode(text, "tgt") for _, text in expected]
        found = [ids.tolist() for table in tables for ids in table.pieces(np.arange(len(table)))[1]]
        assert found == pieces
        lengths = np.concatenate([table.tgt_lengths for table in tables])
        # Joined by nothing, the second text loses the piece of its initial space.
        slack = 0 if target == "spaced" else 3
        assert np.abs(lengths - 1 - [len(ids) for ids in pieces]).max() <= slack
    batch = collate(tables, rows, segment)
    assert tokenizer.decode_many(batch.source.tolist(), "src") == [text for text, _ in expected]
    assert tokenizer.decode_many(batch.target.tolist(), "tgt") == [text for _, text in expected]


def test_partners_are_a_function_of_seed_and_epoch(folder) -> None:
    data = prepared(folder, "spaced", "spaced")
    first = concatenation(data)
    later = [partners(first.tables(epoch)) for epoch in (0, 1, 2)]
    assert partners(concatenation(data).tables(2)) == later[2]
    assert later[0] != later[1] != later[2]
    assert partners(concatenation(data, seed=2).tables(0)) != later[0]


def test_the_share_and_the_partners_are_as_promised(folder) -> None:
    data = prepared(folder, "spaced", "spaced")
    tables = [t for epoch in range(100) for t in concatenation(data, 0.1).tables(epoch)]
    chosen = np.concatenate([table.partners for table in tables])
    assert np.mean(chosen != ALONE) == pytest.approx(0.1, abs=0.012)  # 3 standard deviations
    for size, group in ((40, tables[::2]), (24, tables[1::2])):
        pairs = [(r, p) for t in group for r, p in enumerate(t.partners.tolist()) if p != ALONE]
        assert {partner for _, partner in pairs} == set(range(size))  # of the same corpus
        assert all(row != partner for row, partner in pairs)


def test_a_share_of_zero_changes_nothing(folder) -> None:
    data = prepared(folder, "spaced", "spaced")
    assert concatenation(data, share=0.0).tables(0) is data.train


@pytest.mark.parametrize("target", ["spaced", "unspaced"])
def test_no_joined_pair_is_over_the_limit(folder, target) -> None:
    data = prepared(folder, "spaced", target)
    longest = int(max(table.src_lengths.max() for table in data.train)) + 1
    joined = concatenation(data, 1.0, longest=longest)
    tables = joined.tables(0)
    assert all(isinstance(table, ConcatenatedTable) for table in tables)
    sources, targets = zip(*(table.pieces(np.arange(len(table))) for table in tables), strict=True)
    for sides in (sources, targets):
        assert max(len(ids) for side in sides for ids in side) < longest
    alone = [
        (table.src_lengths[row], table.tgt_lengths[row])
        for table in tables
        for row, partner in enumerate(table.partners.tolist())
        if partner == ALONE
    ]
    assert 0 < len(alone) < 64
    assert f"{len(alone)} are not" in joined.describe(0, [np.arange(64)])
    assert f"{64 - len(alone)} of 64 training pairs" in joined.describe(0, [np.arange(64)])


def test_a_corpus_of_one_pair_stays_as_it_is(folder) -> None:
    data = prepared(folder, "spaced", "spaced")
    index = np.zeros(1, np.int64)
    single = ConcatenatedTable(data.train[0], index, concatenation(data).joiners[0])
    single.src_lengths = single.src_lengths[:1]
    single.tgt_lengths = single.tgt_lengths[:1]
    tables = Concatenation([single], 1.0, 1, LONG, data.tokenizer).tables(0)
    assert partners(tables) == [[ALONE]]


def test_batches_are_within_the_budget_and_the_same_after_a_resume_and_on_ranks(folder) -> None:
    data = prepared(folder, "spaced", "spaced")

    def order() -> BatchOrder:
        return BatchOrder(data.train, 256, 1, concatenation(data, longest=max_length(256)))

    def batches(steps) -> list:
        return [
            (step.epoch, number, rows.tolist(), collate(orders.tables_in(step.epoch), rows).source)
            for step in steps
            for number, rows in step.micro_batches
        ]

    orders = order()
    whole = list(islice(iter(BatchStream(orders, 2)), 40))
    assert whole[-1].epoch > 1
    expected = batches(whole)
    assert max(source.numel() for *_, source in expected) <= 256
    resumed = islice(iter(BatchStream(order(), 2, start=whole[19].position)), 20)
    for found, right in zip(batches(resumed), batches(whole[20:]), strict=True):
        assert found[:3] == right[:3] and (found[3] == right[3]).all()
    ranks = [islice(iter(BatchStream(order(), 2, rank, 2, Position())), 40) for rank in (0, 1)]
    dealt = sorted((b for rank in ranks for b in batches(rank)), key=lambda batch: batch[:2])
    for found, right in zip(dealt, sorted(expected, key=lambda b: b[:2]), strict=True):
        assert found[:3] == right[:3] and (found[3] == right[3]).all()


def test_the_greatest_length_of_a_width_is_padded_to_it() -> None:
    for width in (2, 17, 64, 100, 1024, 4096):
        length = max_length(width)
        assert pad_width(length) <= width < pad_width(length + 1)
