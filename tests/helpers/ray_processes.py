"""The processes of Ray that a test has started, found by a mark, and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path


def marked(mark: str, name: str) -> list[int]:
    """Return the marked processes whose name or command contains `name`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            environment, command = (folder / "environ").read_bytes(), folder / "cmdline"
            if mark.encode() in environment and name in command.read_text():
                found.append(int(folder.name))
    return found


def kill_actors(mark: str, name: str, count: int, is_over: threading.Event) -> None:
    """Kill marked processes of a name, `count` times."""
    killed: set[int] = set()
    while len(killed) < count and not is_over.is_set():
        for number in set(marked(mark, name)) - killed:
            os.kill(number, signal.SIGKILL)
            killed.add(number)
        time.sleep(0.01)
