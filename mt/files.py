"""Writing of files: after a crash or on a full disk, a regular file is complete or unchanged."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from safetensors import SafetensorError

from mt.errors import MTError

PART = ".part"  # suffix of a file of results until it is complete
# The directories of a process's open files: /dev/stdout is a link into one of them.
OPEN_FILES = (f"/proc/{os.getpid()}/fd", "/dev/fd")


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Return a path with a leading ~ or ~NAME expanded; unchanged if there is no such user."""
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces `path` when the `with` block succeeds.

    Otherwise the old file stays unchanged. A link stays a link, and its target is replaced. Devices
    and pipes are opened and written. The mode of the file follows the umask. Only one process may
    write a file at a time. Raises MTError if the file cannot be written, such as on a full disk.
    """
    try:
        target = replaceable(path)
    except OSError as error:
        raise MTError(f"could not save {path}: {error}") from error
    with _write_through(path) if target is None else _replace(path, target) as temporary:
        yield temporary


@contextlib.contextmanager
def _replace(path: Path, target: Path) -> Iterator[Path]:
    # In a directory, because libraries may write a temporary file beside it, as safetensors does.
    # If the process is killed, the next one that writes the file removes it.
    folder = target.with_name(f".{target.name}.unfinished")
    temporary = folder / target.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(folder)
        folder.mkdir()
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)  # 0666 less the umask
        yield temporary
        os.chmod(temporary, mode)  # safetensors writes files that only their owner can read
        flush_to_disk(temporary)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        raise MTError(f"could not save {path}: {error}; the old file is unchanged") from error
    finally:
        _remove(folder)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, which becomes `path` when the `with` block succeeds.

    At that time there must be nothing at `path`, or an empty folder. Only one process may write a
    folder at a time. Raises MTError if the folder cannot be written, such as on a full disk.
    """
    part = path.with_name(f".{path.name}.unfinished")
    try:
        shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
        part.mkdir(parents=True)
        yield part
        part.rename(path)
    except OSError as error:
        raise MTError(f"could not write {path}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def flush_to_disk(path: Path) -> None:
    """Wait until the content of a file is on the disk, as it must be before the file is renamed."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    """Remove a directory, or a file as earlier versions wrote, if there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def _write_through(path: Path) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / path.name
            yield temporary
            with open(temporary, "rb") as content, open_special(path) as file:
                shutil.copyfileobj(content, file)
    except BrokenPipeError:
        raise  # the reader has seen enough
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MTError(f"could not save {path}: {reason}") from error


def replaceable(path: Path) -> Path | None:
    """Return the regular file that `path` names, links followed; it need not exist.

    Returns None for what must be opened and written: devices, pipes, and files that this process
    has open, such as /dev/stdout. Raises OSError for circular links.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
    return None if _descriptor(path) is not None else Path(os.path.realpath(path))


def open_special(path: Path) -> io.RawIOBase:
    """Open for writing what `replaceable` rejects."""
    descriptor = _descriptor(path)
    # A duplicate shares the position in the file with the descriptor; opening would truncate it.
    return NamedFile(path, path if descriptor is None else os.dup(descriptor))


def open_text(path: Path, mode: str = "w") -> TextIO:
    """Open a UTF-8 file to write ("w") or append ("a") text; errors of writing name the file."""
    return _text(NamedFile(path, path, mode))


def open_special_text(path: Path) -> TextIO:
    """Open for writing text what `replaceable` rejects."""
    return _text(open_special(path))


def _text(raw: io.RawIOBase) -> TextIO:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="\n")


class NamedFile(io.FileIO):
    """A file opened for writing whose errors name it, such as on a full disk."""

    def __init__(self, path: Path, file: Path | int, mode: str = "w") -> None:
        self.path = path
        super().__init__(file, mode)

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = str(self.path)
            raise


def _descriptor(path: Path) -> int | None:
    """Return the number of the open file that `path` is a link to, such as 1 for /dev/stdout."""
    while True:
        folder = os.path.realpath(path.parent)
        if folder in OPEN_FILES and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / os.readlink(path)


def copy_file(source: Path, path: Path) -> None:
    """Copy the content of a file."""
    with atomic_write(path) as temporary:
        shutil.copyfile(source, temporary)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write one line per string; line breaks within a string become spaces."""
    write_text(path, "".join(" ".join(line.splitlines()) + "\n" for line in lines))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
