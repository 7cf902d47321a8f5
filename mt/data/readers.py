"""Readers of sentence pairs: plain text, TSV, JSON lines and TMX, optionally compressed.

Every reader streams, so size does not matter. Every reader is strict: a line that is not UTF-8, a
missing column, a truncated archive or sides of different length raise MTError with the file and,
where possible, the line.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mt.data.file_formats import COMPRESSED
from mt.data.normalisation import SURROGATE
from mt.data.text_files import read_lines
from mt.data.tmx import TmxReader
from mt.errors import MTError, UsageError

Pairs = Iterator[tuple[str, ...]]  # source and target, followed by the tag if there is a column
Warn = Callable[[str], None]
Reader = Callable[[Path, list[str], tuple[str, str], Warn], Pairs]


def read_text_pair(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two text files, line by line."""
    missing = object()
    sources, targets = read_lines(source), read_lines(target)
    for number, (left, right) in enumerate(
        itertools.zip_longest(sources, targets, fillvalue=missing)
    ):
        if left is missing or right is missing:
            longer = number + 1 + sum(1 for _ in (targets if left is missing else sources))
            counts = (number, longer) if left is missing else (longer, number)
            raise MTError(
                f"the two sides differ in length: {source} has {counts[0]:,} lines, "
                f"{target} has {counts[1]:,}; line i of each must belong together"
            )
        yield left, right  # type: ignore[misc]


def read_tsv(path: Path, columns: Sequence[int]) -> Pairs:
    """Yield these columns, counted from 0, of a tab-separated file without quoting."""
    needed = max(columns) + 1
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split("\t")
        if len(fields) < needed:
            raise MTError(
                f"{path}, line {number}: {len(fields)} column(s), "
                f"but column {needed - 1} (counted from 0) is needed"
            )
        yield tuple(fields[column] for column in columns)


def read_jsonl(path: Path, keys: Sequence[str]) -> Pairs:
    """Yield the values of these keys from a file with one JSON object on each line.

    An object is `{"en": ..., "de": ...}`, or has such an object under the key `translation`, with
    other keys, such as that of the tag, in it or beside it. null becomes an empty side. Raises
    MTError, with the line and what it holds, for anything else.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == 1 and line.lstrip().startswith("["):
                raise _json_list_error(path) from None
            raise MTError(f"{place}: not a JSON object on one line ({error})") from None
        if isinstance(record, dict) and isinstance(record.get("translation"), dict):
            record |= record.pop("translation")
        if not isinstance(record, dict):
            if number == 1 and isinstance(record, list) and isinstance(next(iter(record), 0), dict):
                raise _json_list_error(path)
            raise MTError(
                f"{place}: {_json_type(record)}, not an object with keys {' and '.join(keys)}"
            )
        if any(key not in record for key in keys):
            raise MTError(
                f"{place}: no keys {' and '.join(keys)}, found: {', '.join(record) or 'none'}; "
                "name them with columns=[...]"
            )
        for key in keys:
            if not isinstance(record[key], str | None):
                raise MTError(f"{place}: {key} must be text, found {_json_type(record[key])}")
        # An escape may encode a lone surrogate, which has no UTF-8 form.
        yield tuple(SURROGATE.sub("\ufffd", record[key] or "") for key in keys)


def _json_list_error(path: Path) -> MTError:
    return MTError(
        f"{path}: the file holds one JSON list, not one object on each line; "
        "convert it, for example with jq -c '.[]'"
    )


def _json_type(value: object) -> str:
    """Return the JSON name of a value's type, with the length of a list."""
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    names = {dict: "an object", bool: "a truth value", type(None): "null", str: "a string"}
    return names.get(type(value), "a number")


def read_file(path: Path, columns: list[str], languages: tuple[str, str], warn: Warn) -> Pairs:
    """Return the pairs of one file with both sides, in the format that its suffix names.

    `columns` names the two sides, and the tag if there is one: column numbers (TSV) or keys (JSON
    lines); empty for the default.
    """
    return READERS[file_kind(path)](path, columns, languages, warn)


def file_kind(path: Path) -> str:
    """Return the suffix that says how a file with both sides is read.

    Raises UsageError if no reader is known for it.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in READERS:
        if kind in TABLES:
            raise UsageError(
                f"{path}: a table must be tab-separated text in UTF-8, named .tsv: save it so, or "
                "copy each column into a text file of its own, and give these as src and tgt"
            )
        *others, last = READERS
        raise UsageError(
            f"unknown format of {path}: "
            f"a file with both sides ends in {', '.join(others)} or {last}, "
            f"optionally followed by {', '.join(COMPRESSED[:-1])} or {COMPRESSED[-1]}; "
            "for one file per side use src and tgt"
        )
    return kind


def tsv_columns(columns: list[str]) -> tuple[int, ...]:
    """Return the column numbers of a setting, by default the first two."""
    if not columns:
        return 0, 1
    if not all(column.isdecimal() for column in columns):
        raise UsageError(
            "columns of a TSV file must be numbers from 0, such as [0,1], "
            f"got [{','.join(columns)}]"
        )
    return tuple(map(int, columns))


# Suffix -> reader of files with both sides: (path, columns, languages, warn) -> pairs
READERS: dict[str, Reader] = {
    ".tsv": lambda path, columns, _, warn: read_tsv(path, tsv_columns(columns)),
    ".jsonl": lambda path, columns, languages, warn: read_jsonl(path, columns or languages),
    ".tmx": lambda path, _, languages, warn: TmxReader(path, languages, warn).pairs(),
}

# Suffixes of what spreadsheets save, and of text that may be a table.
TABLES = (".csv", ".xlsx", ".xls", ".ods", ".txt")

# Suffix -> columns of the two sides by default; empty: the languages. TMX has no columns.
DEFAULT_COLUMNS = {".tsv": ["0", "1"], ".jsonl": []}

# Suffix -> version of its reader, if it once yielded other pairs for the same file. It is part of
# the fingerprint of a corpus.
VERSIONS = {".tmx": 2}
