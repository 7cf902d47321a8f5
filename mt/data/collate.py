"""Row numbers of one or more tables to batch tensors.

Rows are numbered through all tables: row r of the second table is `len(tables[0]) + r`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mt.data.batching import Batch, make_batch

if TYPE_CHECKING:
    from mt.data.table import PairTable

MAX_SAMPLED_RATIO = 1.5  # longest sampled segmentation over the longest expected one in a batch

SegmentFunction = Callable[[str, str, int, tuple[int, int]], tuple[Sequence[int], Sequence[int]]]


def table_starts(tables: Sequence[PairTable]) -> np.ndarray:
    """Return the first row number of each table, followed by the total number of rows."""
    return np.cumsum([0, *map(len, tables)])


def collate(
    tables: Sequence[PairTable], rows: np.ndarray, segment: SegmentFunction | None = None
) -> Batch:
    """Build a batch from the given rows; rows of one table stay together.

    Tables of text need `segment(source, target, row, longest) -> pieces of both sides`, such as
    `mt.data.segmenter.Segmenter`. `longest` is `MAX_SAMPLED_RATIO` times the longest expected
    length of each side in the batch, which keeps the batch near its token budget.
    """
    starts = table_starts(tables)
    table_of_row = np.searchsorted(starts, rows, side="right") - 1
    sources: list[Sequence[int] | np.ndarray] = []
    targets: list[Sequence[int] | np.ndarray] = []
    for index, table in enumerate(tables):
        table_rows = rows[table_of_row == index]
        local = table_rows - starts[index]
        if not len(local):
            continue
        if not table.holds_text:
            source_pieces, target_pieces = table.pieces(local)
            sources += source_pieces
            targets += target_pieces
            continue
        if segment is None:
            raise TypeError("a table of text needs `segment`")
        longest_source, longest_target = (
            int(MAX_SAMPLED_RATIO * lengths[local].max()) - 1
            for lengths in (table.src_lengths, table.tgt_lengths)
        )
        for source, target, row in zip(*table.text(local), table_rows.tolist(), strict=True):
            pair = segment(source, target, row, (longest_source, longest_target))
            sources.append(pair[0])
            targets.append(pair[1])
    return make_batch(sources, targets)
