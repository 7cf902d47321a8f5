"""SIGINT and SIGTERM: the first stops a command in good order, a second ends it at once.

Launchers such as torchrun pass on a signal that their processes have received already, so signals
within `REPEAT_SECONDS` of the first count as the same one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
REPEAT_SECONDS = 1.0
INTERRUPTED = 128 + signal.SIGINT  # the exit code after Ctrl-C

Say = Callable[[str], None]


class StopSignal(KeyboardInterrupt):
    """SIGINT or SIGTERM in the main thread."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number  # as shells report it


class StopSignals:
    """The stop signals that this process has received; true once one has arrived."""

    def __init__(self) -> None:
        self.number, self._time = 0, 0.0
        self.installed, self.raises = False, True
        self._reminder: threading.Timer | None = None
        self.say: Say = lambda line: None

    def __bool__(self) -> bool:
        return self.number > 0

    @property
    def exit_code(self) -> int:
        """The exit code of this process if it is stopped."""
        return 128 + self.number if self.number else INTERRUPTED

    def receive(self, number: int, _: object) -> None:
        """Handle a signal: raise StopSignal, or only note it. A second one ends the process."""
        now = time.monotonic()
        if not self.number:
            self.number, self._time = number, now
            if self.raises:
                raise StopSignal(number)
            text = "stopping after this step; a second signal ends the run without saving"
            self._reminder = threading.Timer(REPEAT_SECONDS, self.say, [text])
            self._reminder.daemon = True
            self._reminder.start()
        elif now - self._time >= REPEAT_SECONDS:
            end_at_once(number)

    def install(self) -> None:
        """Receive the signals from now on."""
        self.installed = True
        for number in STOP_SIGNALS:
            signal.signal(number, self.receive)

    def forget(self) -> None:
        """Forget the signal that was received."""
        self.number = 0

    def cancel_reminder(self) -> None:
        """Do not say anymore that the process is stopping."""
        if self._reminder:
            self._reminder.cancel()

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Raise StopSignal if a signal arrives in the `with` block, or has arrived."""
        before, self.raises = self.raises, True
        try:
            if self.number:
                raise StopSignal(self.number)
            yield
        finally:
            self.raises = before


_signals = StopSignals()  # of this process


def end_at_once(number: int) -> None:
    """End this process by a signal, without any clean-up."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextlib.contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise StopSignal, a KeyboardInterrupt, at the first SIGINT or SIGTERM.

    Inside another such block, and outside the main thread, nothing changes.
    """
    if _signals.installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    _signals.install()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _signals.installed = False
        _signals.forget()


@contextlib.contextmanager
def note_signals(say: Say) -> Iterator[StopSignals]:
    """Note SIGINT and SIGTERM instead of acting on them; the block must look at them.

    Raises StopSignal at its end if a signal has arrived meanwhile. If the block takes long to end
    after a signal, `say` says so. Outside the main thread, no signal is received.
    """
    if threading.current_thread() is not threading.main_thread():
        yield StopSignals()
        return
    with interrupt_on_signals():
        _signals.say, _signals.raises = say, False
        try:
            yield _signals
        finally:
            _signals.cancel_reminder()
            _signals.raises = True
        if _signals:
            raise StopSignal(_signals.number)


def catch_signals_until_exit() -> None:
    """Raise StopSignal at the first signal from now on, as in `interrupt_on_signals`."""
    _signals.install()


def end_on_signals() -> None:
    """End this process at a signal from now on, at the end of a command that was not stopped."""
    if not _signals:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
