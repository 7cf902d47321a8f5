"""What may go wrong or be asked for in the middle of training, handled in one place each."""

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
def memory_advice(batches: list[Batch], batch_tokens: int) -> Iterator[None]:
    """Running out of memory says which setting to lower."""
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
            f"out of memory in a step on {shapes or 'no batch'}: lower trainer.batch_tokens (now {batch_tokens}) "
            "and raise trainer.accumulate to make up for it"
        ) from error


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying; a second one acts as usual. Only the main thread can be asked."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {
        number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
