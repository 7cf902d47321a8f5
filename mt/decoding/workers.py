"""Processes that search side by side, one thread each.

A step of decoding is made of small products, which a second thread hardly speeds up, and which wait for the slowest thread
where other work shares the cores. Whole batches on cores of their own do not wait for each other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

from mt.errors import MTError

MOST = 16  # processes at most, of those that are chosen by the number of threads: each needs memory for a batch of its own
SHARE = 4096  # tokens that a process gets at a time, at least: with half of it a sentence takes a fifth longer

_function: Callable[..., Any]  # in a worker: what it was made for


def default_workers() -> int:
    """One for each thread that PyTorch may use."""
    return min(torch.get_num_threads(), MOST)


def can_fork(device: torch.device) -> bool:
    """Whether processes can share what this one has loaded: on Linux, and not on a GPU. Daemonic processes may have no children."""
    return sys.platform == "linux" and device.type == "cpu" and not multiprocessing.current_process().daemon


class Workers:
    """`count` processes that call one function, forked at the first use, so that they share its memory.

    They have one thread each: libraries' pools of threads do not survive a fork. They end when this object goes, and
    by themselves where this process is killed.
    """

    def __init__(self, count: int, function: Callable[..., Any]) -> None:
        self.count, self.function = count, function
        self.pool: ProcessPoolExecutor | None = None

    def map(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Results in the order of the calls, begun in that order. Errors are raised as in this process."""
        if self.pool is None:
            context = multiprocessing.get_context("fork")
            self.pool = ProcessPoolExecutor(self.count, context, initializer=_begin, initargs=(self.function, os.getpid()))
        futures = [self.pool.submit(_call, *arguments) for arguments in calls]
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool:
            self.pool = None  # the next call begins anew
            raise MTError(
                "a process that translates was killed, as Linux does where memory runs out: take smaller batches (--batch-tokens) "
                "or fewer processes (--threads)"
            ) from None
        finally:
            for future in futures:
                future.cancel()


def _begin(function: Callable[..., Any], parent: int) -> None:
    global _function
    _function = function
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # Ctrl-C reaches all: the parent speaks
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process where its parent was killed: nothing else would tell it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _call(*arguments: Any) -> Any:
    return _function(*arguments)
