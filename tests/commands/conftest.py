"""Fixtures of the tests of the commands."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator

import pytest
import torch

from mt.signals import STOP_SIGNALS


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    """Restore the number of threads, which the commands set for this process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def restored_signals() -> Iterator[None]:
    """Restore the handlers of signals, which a command leaves as at the end of its process."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Mark the environment of the processes that are started from now on."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("MARK", mark)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # Ray would write a token to the home folder
    return mark
