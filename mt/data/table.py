"""Prepared sentence pairs in memory-mapped Arrow files: what batches are made from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import Dataset, Features, List, Value

from mt.errors import MTError

PIECES = Features({"src": List(Value("int32")), "tgt": List(Value("int32"))})
TEXT = Features(
    {
        "src": Value("string"),
        "tgt": Value("string"),
        "src_pieces": Value("int32"),
        "tgt_pieces": Value("int32"),
    }
)


class Column:
    """Random access to a column of byte strings or integer lists: `values[offsets[i] : offsets[i + 1]]` in each chunk.

    Going through Arrow's buffers avoids one Python object a piece, which `datasets` would make: a
    row is a view into the mapped file.
    """

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.offsets: list[np.ndarray] = []
        self.values: list[np.ndarray] = []
        for chunk in column.chunks:
            if pa.types.is_string(chunk.type):
                buffer = chunk.buffers()[2]
                # A string array's offsets begin at the array's own offset; a list array's
                # `.offsets` allow for it.
                offsets = np.frombuffer(chunk.buffers()[1], np.int32)[
                    chunk.offset : chunk.offset + len(chunk) + 1
                ]
                values = (
                    np.frombuffer(buffer, np.uint8) if buffer is not None else np.zeros(0, np.uint8)
                )
            else:
                offsets, values = (
                    chunk.offsets.to_numpy(),
                    chunk.values.to_numpy(zero_copy_only=True),
                )
            self.offsets.append(offsets)
            self.values.append(values)
        self.starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])

    def lengths(self) -> np.ndarray:
        """Elements in each row, [N] int32."""
        return np.concatenate(
            [np.zeros(0, np.int32), *(np.diff(offsets) for offsets in self.offsets)]
        )

    def take(self, rows: np.ndarray) -> list[np.ndarray]:
        chunks = np.searchsorted(self.starts, rows, side="right") - 1
        taken = []
        for chunk, row in zip(chunks.tolist(), (rows - self.starts[chunks]).tolist(), strict=True):
            offsets = self.offsets[chunk]
            taken.append(self.values[chunk][offsets[row] : offsets[row + 1]])
        return taken


def open_arrow(path: Path) -> Dataset:
    """Map an Arrow file into memory. MTError where it is missing or damaged."""
    try:
        return Dataset.from_file(str(path))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MTError(
            f"cannot read {path} ({error}): delete the folder, and the corpus is prepared again"
        ) from error


def list_array(rows: Sequence[Sequence[int]]) -> pa.ListArray:
    """Lists of pieces as an Arrow array of int32 lists."""
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    values = np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1]))
    return pa.ListArray.from_arrays(offsets, values)


class PairTable:
    """Pairs by row number, either as pieces or, for subword sampling, as text with the number of its pieces.

    `src_lengths` and `tgt_lengths` (int32, one a row) count the pieces and the EOS that a batch
    adds; where pieces are to be sampled, they are the number to expect. They are all that is held
    in memory, 8 bytes a pair; the pairs stay on the disk, and the operating system caches what is
    used. `weight` is how often each pair is seen an epoch.
    """

    def __init__(self, dataset: Dataset, weight: float = 1.0) -> None:
        self.weight = weight
        self.holds_text = dataset.features["src"] == Value("string")
        columns = dataset.data
        self._src, self._tgt = Column(columns.column("src")), Column(columns.column("tgt"))
        if self.holds_text:
            src, tgt = (
                columns.column("src_pieces").to_numpy(),
                columns.column("tgt_pieces").to_numpy(),
            )
        else:
            src, tgt = self._src.lengths(), self._tgt.lengths()
        self.src_lengths: np.ndarray = src + np.int32(1)
        self.tgt_lengths: np.ndarray = tgt + np.int32(1)

    @classmethod
    def load(cls, path: Path, weight: float = 1.0) -> PairTable:
        """Map an Arrow file with the columns of PIECES or TEXT; nothing is read but the lengths."""
        return cls(open_arrow(path), weight)

    def __len__(self) -> int:
        return len(self.src_lengths)

    def pieces(self, rows: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Source and target pieces of the rows (int32, without BOS and EOS): read-only views into the file."""
        if self.holds_text:
            raise TypeError("this table holds text, not pieces")
        return self._src.take(rows), self._tgt.take(rows)

    def text(self, rows: np.ndarray) -> tuple[list[str], list[str]]:
        """Source and target text of the rows."""
        if not self.holds_text:
            raise TypeError("this table holds pieces, not text")
        src, tgt = (
            [str(line.tobytes(), "utf-8") for line in column.take(rows)]
            for column in (self._src, self._tgt)
        )
        return src, tgt
