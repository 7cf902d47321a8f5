"""Writing files so that a crash, a full disk or a second reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from safetensors import SafetensorError

from mt.errors import MTError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block succeeds: afterwards the old file is there, or the new one.

    One writer a file is assumed. Raises MTError, naming the file, where the disk is full or the
    folder not writable.
    """
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the rename must not reach the disk before the content
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise MTError(
            f"could not save {path}: {error}; what was saved there before is unchanged"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Replace a file of one line for each string: line breaks inside a string, which would shift all that follows, become spaces."""
    write_text(path, "".join(" ".join(line.splitlines()) + "\n" for line in lines))


def write_text(path: Path, text: str) -> None:
    """Replace a UTF-8 text file."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
