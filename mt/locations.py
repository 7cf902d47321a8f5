"""Files at a location: a path, or a URL such as s3://bucket/folder, which fsspec opens."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from mt.errors import MTError
from mt.files import expand_user
from mt.progress_display import Progress

CHUNK_BYTES = 2**22
COPIED_AT_ONCE = 4  # files
LOCAL = "file://"
DIGEST_BYTES = 16

Count = Callable[[int], None]
Result = TypeVar("Result")


class Content(NamedTuple):
    """Identify the content of a file."""

    size: int  # bytes
    digest: str  # as of `mt.data.digests.file_digest`


def local_path(location: str) -> Path | None:
    """Return the path that a location names, file://PATH too; None for another URL."""
    if location.startswith(LOCAL):
        return Path(location.removeprefix(LOCAL))
    return None if "://" in location else expand_user(location)


def join_location(location: str, *names: str) -> str:
    """Return the location of a file in a folder."""
    return "/".join([location.rstrip("/"), *names])


@contextlib.contextmanager
def open_location(location: str, mode: str) -> Iterator[IO[Any]]:
    """Open a file in binary mode; when it is written, create the folders that it needs."""
    path = local_path(location)
    if path:
        if "w" in mode:
            path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as file:
            yield file
    else:
        import fsspec  # not needed for paths

        with fsspec.open(location, mode) as file:
            yield file


@contextlib.contextmanager
def explain_errors(action: str) -> Iterator[None]:
    """Convert all errors but MTError to one that names the action; storages have many kinds."""
    try:
        yield
    except MTError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MTError(f"cannot {action}: {reason}") from error


def copy_content(source: str, target: str, count: Count) -> Content:
    """Copy a file and return what was copied; `count` gets numbers of bytes. Raises MTError."""
    digest, size = hashlib.blake2b(digest_size=DIGEST_BYTES), 0
    with (
        explain_errors(f"copy {source} to {target}"),
        open_location(source, "rb") as given,
        open_location(target, "wb") as written,
    ):
        while chunk := given.read(CHUNK_BYTES):
            written.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            count(len(chunk))
    return Content(size, digest.hexdigest())


def share_copies(
    label: str, total: int, names: Iterable[str], copy: Callable[[str, Count], Result]
) -> dict[str, Result]:
    """Call `copy(name, count)` for each name, several at once, and show the progress in bytes.

    If one fails, or the process is interrupted, the others stop at their next chunk.
    """
    stopped, lock = threading.Event(), threading.Lock()

    def count(size: int) -> None:
        if stopped.is_set():
            raise MTError("another copy has failed")
        with lock:
            progress.add(size)

    with (
        Progress(label, total, "bytes") as progress,
        ThreadPoolExecutor(COPIED_AT_ONCE) as pool,
    ):
        copies = {name: pool.submit(copy, name, count) for name in names}
        try:
            for done in as_completed(copies.values()):
                done.result()
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {name: done.result() for name, done in copies.items()}
