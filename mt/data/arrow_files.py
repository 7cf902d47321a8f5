"""Sentence pairs in Arrow files, written and read in chunks, and mapped into memory.

The format is that of the `datasets` library, which takes a second to import and is not needed here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from mt.data.tags import split_tags
from mt.errors import MTError
from mt.files import NamedFile

CHUNK_SIZE = 20_000  # pairs in memory at a time

# The schemas: text, pieces, and text with its expected number of pieces.
TEXT = pa.schema({"src": pa.string(), "tgt": pa.string()})
PIECES = pa.schema({"src": pa.list_(pa.int32()), "tgt": pa.list_(pa.int32())})
SAMPLED_TEXT = pa.schema([*TEXT, ("src_pieces", pa.int32()), ("tgt_pieces", pa.int32())])
TAG = pa.field(
    "tag", pa.int32()
)  # a column of tagged corpora: the id of the tag, 0 if there is none

Pair = tuple[str, str]


def open_arrow(path: Path) -> pa.Table:
    """Map an Arrow file into memory. Raises MTError if it is missing or damaged."""
    with explain_damage(path), pa.memory_map(str(path)) as file:
        return pa.ipc.open_stream(file).read_all()


@contextlib.contextmanager
def explain_damage(path: Path) -> Iterator[None]:
    """Raise MTError for errors of reading an Arrow file."""
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MTError(
            f"cannot read {path} ({error}): delete the folder to prepare the corpus again"
        ) from error


def write_arrow(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables with a schema to an Arrow file; return the number of rows.

    Errors of writing, such as on a full disk, name the file.
    """
    rows = 0
    with (
        io.BufferedWriter(NamedFile(path, path)) as sink,
        pa.ipc.new_stream(sink, schema) as writer,
    ):
        for table in tables:
            writer.write_table(table.combine_chunks())
            rows += len(table)
    return rows


def text_tables(pairs: Iterable[Pair]) -> Iterator[pa.Table]:
    """Convert pairs to tables with the columns of `TEXT`, one chunk at a time."""
    return map(text_table, split_into_chunks(pairs))


def text_table(pairs: Sequence[Pair]) -> pa.Table:
    """Convert pairs to a table with the columns of `TEXT`."""
    src, tgt = zip(*pairs, strict=True) if pairs else ((), ())
    columns = {"src": pa.array(src, pa.string()), "tgt": pa.array(tgt, pa.string())}
    return pa.table(columns, schema=TEXT)


def split_into_chunks(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """Yield consecutive chunks of `CHUNK_SIZE` pairs, the last of which may be smaller."""
    iterator = iter(pairs)
    return iter(lambda: list(islice(iterator, CHUNK_SIZE)), [])


def fill_chunks(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of tables in tables of `CHUNK_SIZE` rows, the last of which may be smaller."""
    rest: pa.Table | None = None
    for table in tables:
        rest = table if rest is None else pa.concat_tables([rest, table])
        while len(rest) >= CHUNK_SIZE:
            yield rest.slice(0, CHUNK_SIZE)
            rest = rest.slice(CHUNK_SIZE)
    if rest is not None and len(rest):
        yield rest


def list_array(rows: Sequence[Sequence[int]]) -> pa.ListArray:
    """Convert rows of pieces to an Arrow array of int32 lists."""
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    values = np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1]))
    return pa.ListArray.from_arrays(offsets, values)


def read_chunks(path: Path) -> Iterator[pa.Table]:
    """Read an Arrow file in chunks of `CHUNK_SIZE` rows. Raises MTError as `open_arrow` does.

    Mapped into memory, the file would count as memory of this process.
    """
    with explain_damage(path), pa.OSFile(str(path)) as file:
        yield from fill_chunks(map(pa.table, pa.ipc.open_stream(file)))


def read_side(paths: Sequence[Path], side: str) -> Iterator[str]:
    """Read the lines of one side ("src" or "tgt") from text files in Arrow format, one by one.

    They come without their tags.
    """
    return (
        line for path in paths for table in read_chunks(path) for line in list_side(table, side)
    )


def list_side(table: pa.Table, side: str) -> list[str]:
    """Return the lines of one side of a table of text, without their tags."""
    return split_tags(table.column(side).to_pylist())[1]


def read_pairs(path: Path) -> list[Pair]:
    """Read all pairs of a text file in Arrow format."""
    table = open_arrow(path)
    return list(zip(table.column("src").to_pylist(), table.column("tgt").to_pylist(), strict=True))
