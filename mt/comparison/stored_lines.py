"""Lines that mt-compare stores in a run directory, to compute them once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mt.data.text_files import read_lines
from mt.errors import MTError
from mt.files import write_lines
from mt.run_folder import RunFolder


def read_stored(folder: RunFolder, path: Path) -> list[str] | None:
    """Return the lines of a stored file of a run; None if there is none, or it is damaged."""
    if not (path.is_file() and folder.checksums.matches(path)):
        return None
    try:
        lines = list(read_lines(path))
    except MTError:
        return None
    folder.checksums.add_missing([path])
    return lines


def store(folder: RunFolder, path: Path, lines: Iterable[str]) -> None:
    """Write lines to a file of a run, with a checksum."""
    with folder.checksums.update(path):
        write_lines(path, lines)
