"""Locks between processes that would do the same work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def hold_lock(path: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file; log a message before waiting for another process."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log("another process is preparing this corpus: waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
