"""SIGINT and SIGTERM: the first stops a command in good order, a second ends it at once.

Launchers such as torchrun pass on a signal that their processes have received already, so signals
within `REPEAT_SECONDS` of the first count as the same one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
REPEAT_SECONDS = 1.0
RESEND_SECONDS = 0.05  # until a signal that could not be acted on is sent again
INTERRUPTED = 128 + signal.SIGINT  # the exit code after Ctrl-C
# Code in which an exception may get lost, become another one, or end the process by an abort:
# imports, and the composition of settings.
FRAGILE_FILES = ("<frozen importlib", "/omegaconf/", "/hydra/_internal/config_")

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
        self.installed = False
        self.raises = True
        self.starting, self.message = False, ""  # of a process that may exit during imports
        self._reminder: threading.Timer | None = None
        self._hook = sys.unraisablehook
        self.say: Say = lambda line: None

    def __bool__(self) -> bool:
        return self.number > 0

    @property
    def exit_code(self) -> int:
        """The exit code of this process if it is stopped."""
        return 128 + self.number if self.number else INTERRUPTED

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: raise StopSignal, or only note it. A second one ends the process."""
        now = time.monotonic()
        if not self.number:
            if self.raises and is_fragile(frame):
                self._exit_or_resend(number)
                return
            self.number, self._time = number, now
            if self.raises:
                raise StopSignal(number)
            text = "stopping after this step; a second signal ends the run without saving"
            self._reminder = threading.Timer(REPEAT_SECONDS, self.say, [text])
            self._reminder.daemon = True
            self._reminder.start()
        elif now - self._time >= REPEAT_SECONDS:
            end_at_once(number)

    def _exit_or_resend(self, number: int) -> None:
        """Exit, or send the signal again later, where an exception must not be raised."""
        if self.message and (self.starting or not is_imported("torch")):
            if os.environ.get("RANK", "0") == "0":  # once under torchrun
                with contextlib.suppress(OSError):  # standard error is closed
                    os.write(2, f"{self.message}\n".encode())
            os._exit(128 + number)  # nothing has been started that would have to be cleaned up
        self._resend(number)

    def _resend(self, number: int) -> None:
        """Send the signal again in a moment."""
        self.forget()
        threading.Timer(RESEND_SECONDS, os.kill, [os.getpid(), number]).start()

    def _keep_signal(self, unraisable: Any) -> None:
        """Send a signal again that arrived where Python only prints exceptions, as in __del__."""
        if isinstance(unraisable.exc_value, StopSignal):
            self._resend(self.number)
        else:
            self._hook(unraisable)

    def install(self) -> None:
        """Receive the signals from now on."""
        if not self.installed:
            self.installed, self._hook = True, sys.unraisablehook
            sys.unraisablehook = self._keep_signal
        for number in STOP_SIGNALS:
            signal.signal(number, self.receive)

    def uninstall(self) -> None:
        """Receive the signals no more; the caller sets their handlers."""
        if self.installed:
            self.installed, sys.unraisablehook = False, self._hook

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

    It is also raised in place of errors that it has caused on its way. Outside the main thread, no
    signal is received.
    """
    with contextlib.ExitStack() as stack:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and not _signals.installed:
            stack.callback(_restore, {number: signal.getsignal(number) for number in STOP_SIGNALS})
            _signals.install()
        try:
            yield
        except Exception as error:
            stop = find_stop_signal(error)
            if stop:
                raise stop from None
            raise
        except KeyboardInterrupt:  # Ray raises its own
            if _signals:
                raise StopSignal(_signals.number) from None
            raise


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
    _signals.uninstall()
    _signals.forget()


def find_stop_signal(error: BaseException | None) -> StopSignal | None:
    """Return the StopSignal during whose handling an error was raised, if any."""
    while error:
        if isinstance(error, StopSignal):
            return error
        error = error.__context__
    return None


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


def is_fragile(frame: FrameType | None) -> bool:
    """Return whether a frame is executed in code that exceptions must not interrupt."""
    while frame:
        if any(name in frame.f_code.co_filename for name in FRAGILE_FILES):
            return True
        frame = frame.f_back
    return False


def is_imported(name: str) -> bool:
    """Return whether a module has been imported completely."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def catch_signals_until_exit(message: str) -> None:
    """Raise StopSignal at the first signal from now on, as in `interrupt_on_signals`.

    During an import before the work begins, print a message and exit instead.
    """
    _signals.starting, _signals.message = True, message
    _signals.install()


def begin_work() -> None:
    """Note that the modules of a command are imported; it imports PyTorch now or later."""
    _signals.starting = False


def exit_if_stopped(code: int) -> None:
    """Exit if a signal has been received, without the teardown of the interpreter.

    With PyTorch, that takes a second.
    """
    if _signals:
        atexit._run_exitfuncs()  # they remove temporary files, and end worker processes
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def end_on_signals() -> None:
    """End this process at a signal from now on, such as at the end of a command."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _signals.uninstall()
