"""Cleaning of a corpus to files, in parallel and in bounded memory.

Chunks of pairs are examined. What passes is written with its keys, 8 bytes for each pair and step.
Repeated pairs are found when all keys are known, and left out of the final files.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mt.data.arrow_files import (
    TEXT,
    Pair,
    fill_chunks,
    read_chunks,
    split_into_chunks,
    text_table,
    write_arrow,
)
from mt.data.cleaning.cleaner import EXAMPLES, Cleaner, Examined
from mt.data.cleaning.duplicates import find_repeated
from mt.data.tags import MARK, split_tags
from mt.files import NamedFile
from mt.worker_pool import MapInOrder


def clean_corpus(
    cleaner: Cleaner,
    sources: Sequence[Iterable[Pair]],
    paths: Sequence[Path],
    map_calls: MapInOrder,
    count: Callable[[Iterable[pa.Table]], Iterable[pa.Table]],
) -> list[tuple[int, int]]:
    """Write a file of cleaned text for each source; return the numbers of pairs read and kept.

    `map_calls` shares the work. `count` is called with the tables of pairs that pass, and returns
    them. Temporary files are beside the first path.
    """
    passed = [path.with_suffix(".passed") for path in paths]
    key_paths = {name: paths[0].with_name(f"{name}.keys") for name in cleaner.keys}
    numbers = []
    with contextlib.ExitStack() as stack:
        key_files = {
            name: stack.enter_context(io.BufferedWriter(NamedFile(path, path)))
            for name, path in key_paths.items()
        }
        for path, pairs in zip(passed, sources, strict=True):
            before = cleaner.counts["read"]
            write_arrow(path, TEXT, count(_examine(cleaner, pairs, map_calls, key_files)))
            numbers.append(cleaner.counts["read"] - before)
    repeated = find_repeated({name: _map_keys(path) for name, path in key_paths.items()})
    selection = Selection(repeated)
    results = []
    for number, old, new in zip(numbers, passed, paths, strict=True):
        before = cleaner.counts["kept"]
        write_arrow(new, TEXT, _count_tags(cleaner, fill_chunks(selection.kept(old))))
        results.append((number, cleaner.counts["kept"] - before))
        old.unlink()
    for name, rows in repeated.items():
        shown = [selection.examples[row] for row in rows[:EXAMPLES].tolist()]
        cleaner.add_repeated(name, len(rows), shown)
        key_paths[name].unlink()
    return results


def _examine(
    cleaner: Cleaner,
    pairs: Iterable[Pair],
    map_calls: MapInOrder,
    key_files: Mapping[str, BinaryIO],
) -> Iterator[pa.Table]:
    """Yield the pairs that pass as tables, and write their keys."""

    def examine(chunk: list[Pair]) -> tuple[pa.Table, Examined]:
        examined = cleaner.examine(chunk)
        return text_table(examined.pairs), replace(examined, pairs=[])

    calls = ((chunk,) for chunk in split_into_chunks(pairs))
    for table, examined in map_calls(examine, calls):
        cleaner.add(examined)
        for name, keys in examined.keys.items():
            key_files[name].write(keys.tobytes())
        yield table


def _map_keys(path: Path) -> np.ndarray:
    """Map the keys of a file, [N] uint64, into memory."""
    return np.memmap(path, np.uint64, "r") if path.stat().st_size else np.zeros(0, np.uint64)


class Selection:
    """The rows of consecutive files without those that are repeated.

    `repeated` has the rows that each step drops; `examples` gets the first pairs of each.
    """

    def __init__(self, repeated: Mapping[str, np.ndarray]) -> None:
        self.dropped = np.sort(np.concatenate([np.zeros(0, np.int64), *repeated.values()]))
        self.examples: dict[int, Pair] = {}
        self._wanted = {row for rows in repeated.values() for row in rows[:EXAMPLES].tolist()}
        self._row = 0  # the number of rows of the files before

    def kept(self, path: Path) -> Iterator[pa.Table]:
        """Yield the rows of the next file that are kept."""
        for table in read_chunks(path):
            start, end = np.searchsorted(self.dropped, [self._row, self._row + len(table)])
            dropped = self.dropped[start:end] - self._row
            for row in dropped.tolist():
                if self._row + row in self._wanted:
                    pair = table.slice(row, 1).to_pylist()[0]
                    self.examples[self._row + row] = pair["src"], pair["tgt"]
            is_kept = np.ones(len(table), bool)
            is_kept[dropped] = False
            yield table.filter(pa.array(is_kept))
            self._row += len(table)


def _count_tags(cleaner: Cleaner, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables of kept pairs, and count these by their tags."""
    for table in tables:
        sources = table.column("src")
        is_tagged = pc.any(pc.starts_with(sources, MARK)).as_py()
        tags = split_tags(sources.to_pylist())[0] if is_tagged else [""] * len(table)
        cleaner.add_kept(Counter(tags))
        yield table
