"""Writing of export folders: complete, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from mt.errors import MTError
from mt.files import new_folder


def write_folder(folder: Path, write: Callable[[Path], None], record: str) -> None:
    """Write a folder, replacing an older export of the same name when it is complete.

    `write` fills the folder that it is given. `record` is a file that every such export has. A link
    to a folder stays one. Raises MTError if something other than an export is in the way, or if
    writing fails.
    """
    folder = Path(os.path.realpath(folder))
    if folder.exists() and not (folder / record).is_file():
        raise MTError(f"{folder} exists and is not an export: give another folder with --out")
    with new_folder(folder) as part:
        write(part)
        if folder.exists():
            shutil.rmtree(folder)
