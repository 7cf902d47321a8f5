"""Processes that search side by side, one thread each.

A step of decoding is made of small products, which a second thread hardly speeds up, and which wait
for the slowest thread where other work shares the cores. Whole batches on cores of their own do not
wait for each other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any

import torch

MAX_WORKERS = 16  # processes at most, of those that are chosen by the number of threads: each needs memory for a batch of its own
MIN_WORKER_TOKENS = 4096  # tokens that a process gets at a time, at least: with half of it a sentence takes a fifth longer

_function: Callable[..., Any]  # in a worker: what it was made for


def resolve_workers(device: torch.device, wanted: int) -> int:
    """How many processes: those wanted, for 0 one for each thread that PyTorch may use, up to `MAX_WORKERS`.

    One where they cannot share what this process has loaded: on a GPU, outside Linux, and in
    daemonic processes, which may have no children.
    """
    can_fork = (
        sys.platform == "linux"
        and device.type == "cpu"
        and not multiprocessing.current_process().daemon
    )
    return (wanted or min(torch.get_num_threads(), MAX_WORKERS)) if can_fork else 1


class WorkerLost(Exception):
    """A process could not be had, or was killed."""


class WorkerPool:
    """`count` processes that call one function, forked at the first use, so that they share its memory as it is then.

    They have one thread each: libraries' pools of threads do not survive a fork. They end when this
    object goes, when a call fails or is interrupted, and by themselves where this process is
    killed.
    """

    def __init__(self, count: int, function: Callable[..., Any]) -> None:
        self.count, self.function = count, function
        self.pool: ProcessPoolExecutor | None = None
        self.end: Callable[[], Any] = lambda: None
        self.parent = 0

    def map(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Results in the order of the calls, begun in that order. Errors are raised as in this process; WorkerLost besides."""
        try:
            if (
                self.pool is None or self.parent != os.getpid()
            ):  # a fork of this process has its object, not its processes
                self._start()
            assert self.pool is not None
            for future in [self.pool.submit(_call, *arguments) for arguments in calls]:
                yield future.result()
        except BaseException as error:
            self.end()  # leave no process at work that nobody waits for; the next call begins anew
            self.pool = None
            if isinstance(error, OSError | BrokenProcessPool):
                raise WorkerLost(str(error)) from error
            raise

    def _start(self) -> None:
        self.parent, before = os.getpid(), multiprocessing.active_children()
        context = multiprocessing.get_context("fork")
        self.pool = ProcessPoolExecutor(
            self.count, context, initializer=_begin, initargs=(self.function, self.parent)
        )
        try:
            self.pool.submit(int)  # forks them all
        finally:
            processes = [
                process for process in multiprocessing.active_children() if process not in before
            ]
            self.end = weakref.finalize(self, _end, self.pool, processes, self.parent)


def _end(pool: ProcessPoolExecutor, processes: Sequence[BaseProcess], parent: int) -> None:
    if os.getpid() == parent:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _begin(function: Callable[..., Any], parent: int) -> None:
    global _function
    _function = function
    torch.set_num_threads(1)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all: the parent stops its work, and ends this process if need be
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process where its parent was killed: nothing else would tell it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _call(*arguments: Any) -> Any:
    return _function(*arguments)
