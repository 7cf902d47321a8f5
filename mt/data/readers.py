"""Readers of sentence pairs: plain text, TSV, JSON lines and TMX, optionally compressed.

Every reader streams, so size does not matter. Every reader is strict: a line that is not UTF-8, a
missing column, a truncated archive or sides of different length raise MTError with the file and,
where possible, the line.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from mt.data.cleaning import SURROGATE
from mt.errors import MTError, UsageError

Pairs = Iterator[tuple[str, str]]
Warn = Callable[[str], None]
Reader = Callable[[Path, list[str], tuple[str, str], Warn], Pairs]
COMPRESSED = (".gz", ".xz", ".zst")
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def check_file(path: Path) -> None:
    """Raise MTError if `path` is not a readable regular file."""
    with _file_errors(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise MTError(
                f"{path} is a pipe or device, but text is read more than once: give a regular file"
            )
        path.open("rb").close()


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Convert file errors to MTError."""
    try:
        yield
    except FileNotFoundError:
        raise MTError(f"no such file: {path}") from None
    except IsADirectoryError:
        raise MTError(f"{path} is a folder: give the files in it") from None
    except PermissionError:
        raise MTError(f"no permission to read {path}") from None
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        damaged = path.suffix in COMPRESSED
        hint = "; the file is damaged or truncated: download it again" if damaged else ""
        raise MTError(f"cannot read {path}: {error}{hint}") from error


@contextmanager
def open_raw(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for its bytes as stored."""
    with _file_errors(path), path.open("rb") as stream:
        yield stream


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for its bytes, decompressed according to its suffix."""
    with _file_errors(path), _decompress(path) as stream:
        yield stream


def _decompress(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    if path.suffix == ".zst":
        import pyarrow  # slow to import: a tenth of a second

        # Arrow's reader detects truncated archives.
        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"), 1 << 20)
    return path.open("rb")


def read_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 text file without line ends and byte order mark.

    Only "\n" ends a line; one "\r" before it is dropped. U+2028, U+0085 or a vertical tab inside a
    sentence therefore do not shift the lines against the other side.
    """
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise MTError(
                    f"{path}, line {number}: not UTF-8 at byte {error.start + 1}; "
                    "convert the file, for example with iconv -t utf-8"
                ) from None
            yield text.removesuffix("\n").removesuffix("\r")


def read_text_pair(source: Path, target: Path) -> Pairs:
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


def read_tsv(path: Path, columns: tuple[int, int]) -> Pairs:
    """Yield the pairs of a tab-separated file without quoting; `columns` count from 0."""
    needed = max(columns) + 1
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split("\t")
        if len(fields) < needed:
            raise MTError(
                f"{path}, line {number}: {len(fields)} column(s), "
                f"but column {needed - 1} (counted from 0) is needed"
            )
        yield fields[columns[0]], fields[columns[1]]


def read_jsonl(path: Path, keys: tuple[str, str]) -> Pairs:
    """Yield the pairs of a file with one JSON object on each line.

    An object is `{"en": ..., "de": ...}`, or has such an object under the key `translation`.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise MTError(
                f"{path}, line {number}: not a JSON object on one line ({error})"
            ) from None
        if isinstance(record, dict) and isinstance(record.get("translation"), dict):
            record = record["translation"]
        if not isinstance(record, dict) or any(key not in record for key in keys):
            content = ", ".join(record) if isinstance(record, dict) else type(record).__name__
            raise MTError(
                f"{path}, line {number}: no keys {keys[0]} and {keys[1]}, found: {content}; "
                "name them with columns=[...]"
            )
        source, target = (record[key] for key in keys)
        if not all(isinstance(side, str | None) for side in (source, target)):
            raise MTError(f"{path}, line {number}: {keys[0]} and {keys[1]} must be text")
        # null becomes an empty side, which cleaning counts. An escape may encode a lone surrogate,
        # which has no UTF-8 form.
        yield SURROGATE.sub("\ufffd", source or ""), SURROGATE.sub("\ufffd", target or "")


def read_tmx(path: Path, languages: tuple[str, str], warn: Callable[[str], None]) -> Pairs:
    """Yield the pairs of a translation memory (TMX 1.4).

    Each unit gives its first variant in either language. `en` also matches en-US and en-GB, and
    `en-GB` also matches en; an exact match takes precedence. Native codes in inline elements are
    dropped and the surrounding text is kept. Units that lack a language are skipped and reported.
    """
    used = skipped = 0
    all_languages: set[str] = set()
    with open_bytes(path) as stream:
        parents: list[ElementTree.Element] = []
        try:
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if _tag(element) != "tu":
                    continue
                variants = _variants(element)
                source, target = (_choose(variants, language) for language in languages)
                all_languages.update(variants)
                if parents:
                    parents[-1].clear()  # free the units read so far
                if source is None or target is None:
                    skipped += 1
                else:
                    used += 1
                    yield source, target
        except ElementTree.ParseError as error:
            raise MTError(f"{path}: not well-formed XML ({error})") from None
        except (ValueError, LookupError) as error:
            raise MTError(f"{path}: cannot be read as XML ({error}); convert it to UTF-8") from None
    if skipped and not used:
        raise MTError(
            f"{path}: no unit has both {languages[0]} and {languages[1]}; "
            f"languages found: {', '.join(sorted(all_languages))}"
        )
    if skipped:
        warn(
            f"{path}: {skipped:,} of {used + skipped:,} units skipped: "
            f"they lack {languages[0]} or {languages[1]}"
        )


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _variants(unit: ElementTree.Element) -> dict[str, str]:
    """Return the text of a translation unit by language code in lower case."""
    texts: dict[str, str] = {}
    for variant in unit:
        segment = next((child for child in variant if _tag(child) == "seg"), None)
        if _tag(variant) == "tuv" and segment is not None:
            language = variant.get(XML_LANG) or variant.get("lang") or ""
            # A line break inside a segment is layout of the file, not part of the text.
            text = re.sub(r"\s*\n\s*", " ", _segment_text(segment)).strip()
            texts.setdefault(language.lower().replace("_", "-"), text)
    return texts


def _segment_text(segment: ElementTree.Element) -> str:
    """Return the text without the native codes in <bpt>, <ept>, <ph>, <it> and <ut>.

    <hi> only highlights text, so its content is kept.
    """
    parts = [segment.text or ""]
    for child in segment:
        parts.append((_segment_text(child) if _tag(child) == "hi" else "") + (child.tail or ""))
    return "".join(parts)


def _choose(variants: dict[str, str], language: str) -> str | None:
    wanted = language.lower().replace("_", "-")
    if wanted in variants:
        return variants[wanted]
    for code, text in variants.items():
        if code.startswith(wanted + "-") or wanted.startswith(code + "-"):
            return text
    return None


def read_file(path: Path, columns: list[str], languages: tuple[str, str], warn: Warn) -> Pairs:
    """Return the pairs of one file with both sides, in the format that its suffix names.

    `columns` names the two sides: column numbers (TSV) or keys (JSON lines); empty for the default.
    """
    return READERS[file_kind(path)](path, columns, languages, warn)


def file_kind(path: Path) -> str:
    """Return the suffix that says how a file with both sides is read.

    Raises UsageError if no reader is known for it.
    """
    kind = Path(path.stem).suffix if path.suffix in COMPRESSED else path.suffix
    if kind not in READERS:
        *others, last = READERS
        raise UsageError(
            f"unknown format of {path}: "
            f"a file with both sides ends in {', '.join(others)} or {last}, "
            "optionally followed by .gz, .xz or .zst; for one file per side use src and tgt"
        )
    return kind


def tsv_columns(columns: list[str]) -> tuple[int, int]:
    """Return the column numbers of a setting, by default the first two."""
    if not columns:
        return 0, 1
    if not all(column.isdecimal() for column in columns):
        raise UsageError(
            "columns of a TSV file must be numbers from 0, such as [0,1], "
            f"got [{','.join(columns)}]"
        )
    return int(columns[0]), int(columns[1])


# Suffix -> reader of files with both sides: (path, columns, languages, warn) -> pairs
READERS: dict[str, Reader] = {
    ".tsv": lambda path, columns, _, warn: read_tsv(path, tsv_columns(columns)),
    ".jsonl": lambda path, columns, languages, warn: read_jsonl(
        path, (columns[0], columns[1]) if columns else languages
    ),
    ".tmx": lambda path, _, languages, warn: read_tmx(path, languages, warn),
}
