"""Sentence pairs in Arrow files that `datasets` can memory-map, written and read in chunks."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import Dataset, Features, List, Value

from mt.errors import MTError
from mt.files import NamedFile

CHUNK_SIZE = 20_000  # pairs in memory at a time

# The schemas: text, pieces, and text with its expected number of pieces.
TEXT = Features({"src": Value("string"), "tgt": Value("string")})
PIECES = Features({"src": List(Value("int32")), "tgt": List(Value("int32"))})
SAMPLED_TEXT = Features(
    {
        "src": Value("string"),
        "tgt": Value("string"),
        "src_pieces": Value("int32"),
        "tgt_pieces": Value("int32"),
    }
)

Pair = tuple[str, str]


def open_arrow(path: Path) -> Dataset:
    """Map an Arrow file into memory. Raises MTError if it is missing or damaged."""
    try:
        return Dataset.from_file(str(path))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MTError(
            f"cannot read {path} ({error}): delete the folder to prepare the corpus again"
        ) from error


def write_arrow(path: Path, features: Features, tables: Iterable[pa.Table]) -> None:
    """Write tables to an Arrow file whose schema carries the features.

    Errors of writing, such as on a full disk, name the file.
    """
    with (
        io.BufferedWriter(NamedFile(path, path)) as sink,
        pa.ipc.new_stream(sink, features.arrow_schema) as writer,
    ):
        for table in tables:
            writer.write_table(table.combine_chunks())


def text_tables(pairs: Iterable[Pair]) -> Iterator[pa.Table]:
    """Convert pairs to tables with the columns of `TEXT`, one chunk at a time."""
    iterator = iter(pairs)
    while chunk := list(islice(iterator, CHUNK_SIZE)):
        src, tgt = zip(*chunk, strict=True)
        columns = {"src": pa.array(src, pa.string()), "tgt": pa.array(tgt, pa.string())}
        yield pa.table(columns, schema=TEXT.arrow_schema)


def list_array(rows: Sequence[Sequence[int]]) -> pa.ListArray:
    """Convert rows of pieces to an Arrow array of int32 lists."""
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    values = np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1]))
    return pa.ListArray.from_arrays(offsets, values)


def read_chunks(path: Path) -> Iterator[pa.Table]:
    """Read an Arrow file one chunk at a time."""
    data = open_arrow(path).data
    for start in range(0, len(data), CHUNK_SIZE):
        yield data.slice(start, CHUNK_SIZE).table


def read_side(paths: Sequence[Path], side: str) -> Iterator[str]:
    """Read the lines of one side ("src" or "tgt") from text files in Arrow format, one by one."""
    return (
        line
        for path in paths
        for table in read_chunks(path)
        for line in table.column(side).to_pylist()
    )


def read_pairs(path: Path) -> list[Pair]:
    """Read all pairs of a text file in Arrow format."""
    data = open_arrow(path).data
    return list(zip(data.column("src").to_pylist(), data.column("tgt").to_pylist(), strict=True))
