"""Opening of text files, compressed or not, and their lines."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mt.errors import MTError

COMPRESSED = (".gz", ".xz", ".zst")


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
