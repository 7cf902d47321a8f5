"""Context managers for the training loop: out-of-memory errors and stop signals."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from mt.cli import STOP_SIGNALS
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


class StopSignals:
    """SIGINT and SIGTERM during training; true once one has arrived."""

    def __init__(self) -> None:
        self._received, self._raises = False, False

    def __bool__(self) -> bool:
        return self._received

    def receive(self, number: int, _: object) -> None:
        """Note a signal. A second one of the same kind ends the process at once."""
        signal.signal(number, signal.SIG_DFL)
        self._received = True
        if self._raises:
            self._raises = False  # a signal of the other kind must not interrupt the checkpoint
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Raise KeyboardInterrupt if a signal arrives in the `with` block, or has arrived."""
        self._raises = True
        try:
            if self._received:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[StopSignals]:
    """Note SIGINT and SIGTERM instead of acting on them.

    Outside the main thread, signals cannot be caught, and nothing changes.
    """
    signals = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    previous = {number: signal.signal(number, signals.receive) for number in STOP_SIGNALS}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
