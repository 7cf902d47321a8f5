"""Encoded sentence pairs by row number, read from memory-mapped Arrow files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mt.data.arrow_files import TAG, open_arrow


class Column:
    """Random access to a column of strings (as UTF-8 bytes) or integer lists.

    A row is a view into the mapped file: `values[offsets[i] : offsets[i + 1]]` of its chunk.
    `to_pylist` would create one Python object for each piece instead.
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.offsets: list[np.ndarray] = []
        self.values: list[np.ndarray] = []
        for chunk in column.chunks:
            if pa.types.is_string(chunk.type):
                _, offset_buffer, buffer = chunk.buffers()
                # The buffers of a slice are those of the whole array, so the slice's own offset
                # applies; the `.offsets` of a list array already include it.
                end = chunk.offset + len(chunk) + 1
                offsets = np.frombuffer(offset_buffer, np.int32)[chunk.offset : end]
                values = np.frombuffer(buffer, np.uint8) if buffer else np.zeros(0, np.uint8)
            else:
                offsets = chunk.offsets.to_numpy()
                values = chunk.values.to_numpy(zero_copy_only=True)
            self.offsets.append(offsets)
            self.values.append(values)
        self.starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])

    def lengths(self) -> np.ndarray:
        """Return the number of elements in each row, [N] int32."""
        lengths = [np.diff(offsets) for offsets in self.offsets]
        return np.concatenate([np.zeros(0, np.int32), *lengths])

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the elements of each given row, as a read-only view."""
        chunks = np.searchsorted(self.starts, rows, side="right") - 1
        views = []
        for chunk, row in zip(chunks.tolist(), (rows - self.starts[chunks]).tolist(), strict=True):
            offsets = self.offsets[chunk]
            views.append(self.values[chunk][offsets[row] : offsets[row + 1]])
        return views


class PairTable:
    """Sentence pairs by row number: pieces or, for subword sampling, text.

    `src_lengths` and `tgt_lengths` (int32, one for each row) count the pieces and the EOS that a
    batch adds. For text, they are the expected lengths of sampled segmentations. Only the lengths
    are held in memory, 8 bytes for each pair; the pairs stay on disk. `weight` is how often each
    pair is seen in an epoch. `tags` (int32, one for each row) are the ids of the tags that sources
    begin with, 0 if one has none; None if the corpus has no tags.
    """

    def __init__(self, table: pa.Table, weight: float = 1.0) -> None:
        self.weight = weight
        self.holds_text = pa.types.is_string(table.schema.field("src").type)
        self._src, self._tgt = Column(table.column("src")), Column(table.column("tgt"))
        self.tags: np.ndarray | None = None
        if TAG.name in table.schema.names:
            self.tags = table.column(TAG.name).to_numpy()
        if self.holds_text:
            src = table.column("src_pieces").to_numpy()
            tgt = table.column("tgt_pieces").to_numpy()
        else:
            src, tgt = self._src.lengths(), self._tgt.lengths()
        self.src_lengths: np.ndarray = src + np.int32(1)
        self.tgt_lengths: np.ndarray = tgt + np.int32(1)

    @classmethod
    def load(cls, path: Path, weight: float = 1.0) -> PairTable:
        """Map an Arrow file with the columns of `PIECES` or `SAMPLED_TEXT`; read lengths only."""
        return cls(open_arrow(path), weight)

    def rows_by_tag(self) -> dict[int, np.ndarray]:
        """Return the rows of each tag, by its id."""
        if self.tags is None:
            return {0: np.arange(len(self))}
        return {int(tag): np.flatnonzero(self.tags == tag) for tag in np.unique(self.tags)}

    def __len__(self) -> int:
        return len(self.src_lengths)

    def pieces(self, rows: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return source and target pieces of the rows: int32, without BOS and EOS, read-only."""
        if self.holds_text:
            raise TypeError("this table holds text, not pieces")
        return self._src.take(rows), self._tgt.take(rows)

    def text(self, rows: np.ndarray) -> tuple[list[str], list[str]]:
        """Return source and target text of the rows."""
        if not self.holds_text:
            raise TypeError("this table holds pieces, not text")
        src, tgt = (
            [str(line.tobytes(), "utf-8") for line in column.take(rows)]
            for column in (self._src, self._tgt)
        )
        return src, tgt
