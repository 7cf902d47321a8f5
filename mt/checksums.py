"""Checksums of the files of a directory, which show that one was damaged or replaced.

They are in checksums.txt, one line for each file, such as `crc32:0a1b2c3d config.yaml`. A file
without a line, as in directories of earlier versions, is not checked. Who changes a file on purpose
deletes its line.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from mt.errors import MTError
from mt.files import write_text
from mt.git_lfs import refuse_pointer
from mt.tensor_files import read_checksum

CHECKSUMS = "checksums.txt"
LINE_PATTERN = re.compile(r"(crc32:[0-9a-f]{8}) ([^/\0][^\0]*)")
BLOCK_SIZE = 1 << 20  # bytes read at a time


class Checksums:
    """The checksums of the files below a directory, named by their relative paths."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / CHECKSUMS

    @contextlib.contextmanager
    def update(self, *paths: Path) -> Iterator[None]:
        """Record files that the `with` block writes.

        They have no checksum meanwhile, so that a process that is killed leaves none that is wrong.
        """
        names = [path.relative_to(self.folder).as_posix() for path in paths]
        before = self._read()
        if not before.keys().isdisjoint(names):
            self._write(without(before, names))
        yield
        values = {name: file_checksum(self.folder / name) for name in names}
        # Another process, such as mt-compare, may have recorded its files meanwhile.
        others = without(self._read(), names)
        self._write(others | {name: value for name, value in values.items() if value})

    def add_all(self) -> None:
        """Record every file of the directory itself."""
        files = [path for path in sorted(self.folder.iterdir()) if path.is_file()]
        with self.update(*(path for path in files if path != self.path)):
            pass

    def add_missing(self, paths: Iterable[Path]) -> None:
        """Record the files that exist without a checksum.

        Their process was killed before it could add their lines, or someone has deleted these. A
        directory that cannot be written stays as it is.
        """
        recorded = self._read()
        names = {path: path.relative_to(self.folder).as_posix() for path in paths}
        missing = [path for path, name in names.items() if name not in recorded and path.is_file()]
        if missing:
            with contextlib.suppress(MTError, OSError), self.update(*missing):
                pass

    def matches(self, path: Path) -> bool:
        """Return whether a file has its recorded checksum, or none is recorded.

        A file that cannot be read does not match.
        """
        recorded = self._read().get(path.relative_to(self.folder).as_posix())
        if recorded is None:
            return True
        try:
            return file_checksum(path) == recorded
        except (OSError, MTError):
            return False

    def check(self, path: Path, remedy: str) -> None:
        """Raise MTError, with the remedy, if a file does not match."""
        refuse_pointer(path)
        if not self.matches(path):
            problem = "has changed since mt wrote it" if os.path.isfile(path) else "is missing"
            raise MTError(
                f"{path} {problem}: {remedy}; if the change is yours, delete its line in "
                f"{self.path}"
            )

    def check_all(self, remedy: str) -> None:
        """Raise MTError, with the remedy, for the first recorded file that does not match."""
        for name in self._read():
            self.check(self.folder / name, remedy)

    def _read(self) -> dict[str, str]:
        """Return the checksums by name; skip damaged lines."""
        try:
            text = self.path.read_bytes().decode("utf-8", "replace")
        except OSError:
            return {}
        matches = (LINE_PATTERN.fullmatch(line) for line in text.split("\n"))
        return {match[2]: match[1] for match in matches if match}

    def _write(self, checksums: dict[str, str]) -> None:
        lines = [f"{value} {name}\n" for name, value in sorted(checksums.items())]
        write_text(self.path, "".join(lines))


def without(checksums: dict[str, str], names: Collection[str]) -> dict[str, str]:
    """Return the checksums of all files but those named."""
    return {name: value for name, value in checksums.items() if name not in names}


def file_checksum(path: Path) -> str | None:
    """Return the CRC-32 of a file; for tensors the stored one of their content; None if missing.

    Raises OSError or MTError if the file cannot be read.
    """
    if not path.exists():
        return None
    if path.suffix == ".safetensors":
        return read_checksum(path)
    value = 0
    with open(path, "rb") as file:
        while block := file.read(BLOCK_SIZE):
            value = zlib.crc32(block, value)
    return f"crc32:{value:08x}"
