"""Writing of export folders: complete, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mt.errors import MTError
from mt.files import new_folder

LOCK_SECONDS = 600.0  # to wait for another process that writes the same export


def write_folder(folder: Path, write: Callable[[Path], None], record: str) -> None:
    """Write a folder, replacing an older export of the same name when it is complete.

    `write` fills the folder that it is given. `record` is a file that every such export has. A link
    to a folder stays one. Raises MTError if something other than an export is in the way, or if
    writing fails.
    """
    folder = Path(os.path.realpath(folder))
    with locked(folder):
        if folder.exists() and not (folder / record).is_file():
            raise MTError(f"{folder} exists and is not an export: give another folder with --out")
        with new_folder(folder) as part:
            write(part)
            if folder.exists():
                shutil.rmtree(folder)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let other processes that write the same export wait.

    The lock file stays: if it were removed, two processes could hold locks of different files.
    Raises MTError if it cannot be written, or if another process holds it for `LOCK_SECONDS`.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=LOCK_SECONDS)
    except (OSError, Timeout) as error:
        reason = "another process writes it" if isinstance(error, Timeout) else error
        raise MTError(f"could not write {path}: {reason}") from error
    try:
        yield
    finally:
        lock.release()
