"""Atomic writing of files: after a crash or on a full disk, a file is complete or unchanged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from mt.errors import MTError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces `path` when the `with` block succeeds.

    Otherwise the old file stays unchanged. Only one process may write a file at a time. Raises
    MTError if the file cannot be written, such as on a full disk.
    """
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the content must reach the disk before the rename
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise MTError(f"could not save {path}: {error}; the old file is unchanged") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write one line per string; line breaks within a string become spaces."""
    write_text(path, "".join(" ".join(line.splitlines()) + "\n" for line in lines))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
