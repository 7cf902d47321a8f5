"""Programs in a fork of this process, which has imported them: a new process takes seconds."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from mt.cli import run_module


class Fork:
    """A call in a process with a session, a folder and standard streams of its own."""

    def __init__(
        self, call: Callable[[], object], folder: Path, stderr: int, stdout: int | None = None
    ) -> None:
        """Start the process, whose streams have these descriptors; None: the null device."""
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            self._run(call, folder, stderr, stdout)

    def _run(
        self, call: Callable[[], object], folder: Path, stderr: int, stdout: int | None
    ) -> NoReturn:
        code = 1
        try:
            os.setsid()
            os.chdir(folder)
            null = os.open(os.devnull, os.O_RDWR)
            for number, stream in enumerate((null, null if stdout is None else stdout, stderr)):
                os.dup2(stream, number)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            sys.stdin, sys.stdout, sys.stderr = (
                os.fdopen(number, mode, encoding="utf-8", buffering=1)
                for number, mode in enumerate(("r", "w", "w"))
            )
            call()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Return the exit code; minus the number of the signal that ended the process."""
        deadline = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} has not ended")
            else:
                time.sleep(0.01)
        return self.code


def command(module: str, *flags: str) -> Callable[[], object]:
    """Return a call that is `python -m MODULE FLAGS`."""
    importlib.import_module(module)

    def call() -> None:
        sys.argv = [module, *flags]
        run_module(module)

    return call
