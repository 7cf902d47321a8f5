"""Text files as every command reads them: opened, decompressed and split into lines.

Formats are recognised by their first bytes, whatever a file is called. What is neither text nor one
of the compressed formats is refused by name.
"""

from __future__ import annotations

import contextlib
import io
import stat
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path
from typing import IO

from mt.data.file_formats import (
    COMPRESSED,
    decompressor,
    foreign_format,
    looks_like_unmarked_utf16,
    marked_encoding,
)
from mt.errors import MTError
from mt.git_lfs import refuse_pointer

UTF8_MARK = b"\xef\xbb\xbf"


def check_file(path: Path) -> None:
    """Raise MTError if `path` is not a readable regular file."""
    with _file_errors(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            raise MTError(
                f"{path} is a pipe or device, but text is read more than once: give a regular file"
            )
        path.open("rb").close()


@contextlib.contextmanager
def _file_errors(name: Path | str) -> Iterator[None]:
    """Convert file errors to MTError."""
    try:
        yield
    except FileNotFoundError:
        raise MTError(f"no such file: {name}") from None
    except IsADirectoryError:
        raise MTError(f"{name} is a folder: give the files in it") from None
    except PermissionError:
        raise MTError(f"no permission to read {name}") from None
    except (EOFError, OSError, zlib.error, LZMAError) as error:
        # Errors of the operating system have a number, those of decompressors have none.
        damaged = getattr(error, "errno", None) is None
        hint = "; the file is damaged or truncated: download it again" if damaged else ""
        raise MTError(f"cannot read {name}: {error}{hint}") from error


def check_exists(path: Path) -> None:
    """Raise MTError unless there is such a file, or pipe, which is not opened."""
    with _file_errors(path):
        if stat.S_ISDIR(path.stat().st_mode):
            raise IsADirectoryError


@contextlib.contextmanager
def open_raw(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for its bytes as stored."""
    with _file_errors(path), path.open("rb") as stream:
        yield stream


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file for its bytes, decompressed. Raises MTError for formats that cannot be read."""
    with _file_errors(path), path.open("rb") as stream:
        yield _decompress(stream, path)


def _decompress(stream: IO[bytes], name: Path | str) -> io.BufferedReader:
    """Return a stream of the decompressed bytes; see `open_bytes`."""
    if isinstance(name, Path):
        refuse_pointer(name)
    # Peeking needs a buffer. Standard input has one, which must not be hidden by another.
    buffered = stream if hasattr(stream, "peek") else io.BufferedReader(stream)  # type: ignore[type-var]
    head = buffered.peek()
    is_compressed = False
    while decompress := decompressor(head):  # an archive may hold another one
        is_compressed = True
        buffered = io.BufferedReader(decompress(buffered), 1 << 17)
        head = buffered.peek()
    if format_name := foreign_format(head):
        raise MTError(f"{name} is {format_name}, not text: extract or convert it first")
    if not is_compressed and Path(name).suffix.lower() in COMPRESSED:
        raise MTError(
            f"cannot read {name}: its content is not compressed, though its name says so; "
            "the file is damaged, or must be renamed"
        )
    return buffered  # type: ignore[return-value]


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, as `decode_lines` does.

    Raises MTError, with the line, if the file cannot be decoded.
    """
    with open_lines(path) as lines:
        yield from lines


@contextlib.contextmanager
def open_lines(path: Path, errors: str = "strict") -> Iterator[Iterator[str]]:
    """Open a text file for its lines, as `decode_lines` yields them; check its format at once."""
    with contextlib.ExitStack() as stack:
        with _file_errors(path):
            stream = _decompress(stack.enter_context(path.open("rb")), path)
        yield _decode(stream, path, errors)


def decode_lines(stream: IO[bytes], name: Path | str, errors: str = "strict") -> Iterator[str]:
    r"""Yield the lines of a stream, decompressed, without line ends and byte order mark.

    Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark. Only "\n" ends a line; one "\r"
    before it is dropped. U+2028, U+0085 or a vertical tab inside a sentence therefore do not shift
    the lines against the other side.

    Args:
        stream: The bytes as stored.
        name: The name of the stream in messages.
        errors: "strict" to raise MTError for invalid bytes; "surrogateescape" to keep invalid bytes
            of UTF-8 as surrogates and replace those of other encodings.
    """
    with _file_errors(name):
        buffered = _decompress(stream, name)
    yield from _decode(buffered, name, errors)


def _decode(stream: io.BufferedReader, name: Path | str, errors: str) -> Iterator[str]:
    """Yield the lines of a decompressed stream; see `decode_lines`."""
    with _file_errors(name):
        head = stream.peek()
        if not head:
            return  # a terminal would wait for a second end of input
        encoding = marked_encoding(head)
        if encoding is None and looks_like_unmarked_utf16(head):
            raise MTError(
                f"{name} looks like UTF-16 without a byte order mark: "
                "convert it, for example with iconv -f utf-16le -t utf-8"
            )
        lines = _wide_lines(stream, encoding, errors) if encoding else _utf8_lines(stream, errors)
        number = 0
        try:
            lines = _refuse_carriage_returns(lines, name, errors)
            for line in lines:
                number += 1
                yield line.removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            place = f" at byte {error.start + 1}" if encoding is None else ""
            raise MTError(
                f"{name}, line {number + 1}: not {(encoding or 'utf-8').upper()}{place}; "
                "convert the file, for example with iconv -t utf-8"
            ) from None


def _refuse_carriage_returns(lines: Iterator[str], name: Path | str, errors: str) -> Iterator[str]:
    """Yield the lines; raise MTError if there is a single one with carriage returns inside.

    With a line feed at its end, it may be a line of text with one of them or, as the input of a
    translator (`errors` is not "strict"), with several.
    """
    first = next(lines, None)
    if first is None:
        return
    inner = first.rstrip("\r\n").count("\r")
    is_single = not first.endswith("\n")
    if not (inner and is_single):
        yield first  # at once: lines may be typed
        second = next(lines, None)
        if second is not None:
            yield second
            yield from lines
        is_single = second is None and inner > 1 and errors == "strict"
    if inner and is_single:
        count = "a carriage return" if inner == 1 else f"{inner:,} carriage returns"
        raise MTError(
            f"{name} is one line with {count}: its lines end in CR only; "
            r"convert it, for example with tr '\r' '\n'"
        )


def _utf8_lines(stream: IO[bytes], errors: str) -> Iterator[str]:
    for number, line in enumerate(stream):
        if number == 0 and not (line := line.removeprefix(UTF8_MARK)):
            return  # a byte order mark alone is no line
        yield line.decode("utf-8", errors)


def _wide_lines(stream: IO[bytes], encoding: str, errors: str) -> Iterator[str]:
    """Yield the lines of UTF-16 or UTF-32."""
    errors = "strict" if errors == "strict" else "replace"
    text = io.TextIOWrapper(stream, encoding, errors, newline="\n")
    try:
        yield from text
    finally:
        with contextlib.suppress(ValueError):  # the stream is closed
            text.detach()  # else it would close the stream
