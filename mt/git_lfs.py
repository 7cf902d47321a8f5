"""Git LFS pointers: the small text files that a clone has until `git lfs pull` fetches the content.

The format is that of https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from mt.errors import MTError

MAX_BYTES = 1024  # of a pointer
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(ext-[^\n]+\n)*oid sha256:[0-9a-f]{64}\nsize [0-9]+\n"
)


def is_pointer(content: bytes) -> bool:
    """Return whether this is the whole content of a pointer."""
    return POINTER.fullmatch(content) is not None


def refuse_pointer(path: Path) -> None:
    """Raise MTError if a file is a pointer; the message has all pointers of its folder.

    A file that cannot be read is none.
    """
    if is_pointer_file(path):
        names = sorted(each.name for each in path.parent.iterdir() if is_pointer_file(each))
        are = "are Git LFS pointers" if len(names) > 1 else "is a Git LFS pointer"
        raise MTError(
            f"{', '.join(names)} in {path.parent} {are}, without the content: run `git lfs pull` "
            "there"
        )


def is_pointer_file(path: Path) -> bool:
    """Return whether a regular file is a pointer."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        return is_pointer(path.read_bytes())
    except OSError:
        return False
