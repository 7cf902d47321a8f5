"""Context managers for the training loop: out-of-memory errors and stop signals."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from mt.data.batching import Batch
from mt.device import is_out_of_memory
from mt.errors import MTError


@contextlib.contextmanager
def explain_out_of_memory(batches: list[Batch], batch_tokens: int) -> Iterator[None]:
    """Raise MTError that says which setting to lower if a step runs out of memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        shapes = ", ".join(
            f"{len(b.source)} pairs of {b.source.shape[1]} and {b.target.shape[1]} tokens"
            for b in batches
        )
        raise MTError(
            f"out of memory in a step with {shapes or 'no batch'}: lower trainer.batch_tokens "
            f"(now {batch_tokens}) and raise trainer.accumulate to compensate"
        ) from error


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[list[int]]:
    """Append SIGINT and SIGTERM to the list instead of acting on them.

    A second signal of the same kind acts as usual. Outside the main thread, signals cannot be
    caught, and nothing changes.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, previous[number])

    previous: dict[int, Any] = {
        number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
