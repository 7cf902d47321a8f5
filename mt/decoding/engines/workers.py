"""Worker processes that search in parallel, with one thread each.

A decoding step consists of small matrix products. A second thread hardly speeds them up, and each
step waits for the slowest thread if other work shares the cores. Batches that run on cores of their
own do not wait for each other.
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

# Upper limit of the default, one worker per thread: each needs memory for a batch of its own.
MAX_WORKERS = 16
# Lower limit of a worker's batch size, unless the whole budget is smaller. With half of it, a
# sentence takes a fifth longer.
MIN_WORKER_TOKENS = 4096

_function: Callable[..., Any]  # in a worker: the function that it calls


def can_fork(device: torch.device) -> bool:
    """Return whether processes can share the memory of this one.

    They cannot on a GPU, on other systems than Linux, and in daemonic processes, which may not have
    children.
    """
    is_daemon = multiprocessing.current_process().daemon
    return sys.platform == "linux" and device.type == "cpu" and not is_daemon


def resolve_workers(device: torch.device, workers: int) -> int:
    """Return the number of processes to use.

    That is `workers`, or for 0 one per PyTorch thread, up to `MAX_WORKERS`. It is 1 if processes
    cannot share this one's memory.
    """
    return (workers or min(torch.get_num_threads(), MAX_WORKERS)) if can_fork(device) else 1


class WorkerLost(Exception):
    """A worker process could not be started, or was killed."""


class WorkerPool:
    """`count` processes that call one function.

    They are forked at the first use and share this process's memory as it is then. They have one
    thread each: thread pools of libraries do not survive a fork. They end with this object, when a
    call fails or is interrupted, and by themselves if this process is killed.
    """

    def __init__(self, count: int, function: Callable[..., Any]) -> None:
        self.count, self.function = count, function
        self.pool: ProcessPoolExecutor | None = None
        self.terminate: Callable[[], Any] = lambda: None
        self.parent = 0

    def map(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield the results of the calls in their order.

        Exceptions of the function are raised here; WorkerLost if a process was lost.
        """
        try:
            # A fork of this process inherits the pool object, but not the worker processes.
            if self.pool is None or self.parent != os.getpid():
                self._start()
            assert self.pool is not None
            for future in [self.pool.submit(_call, *arguments) for arguments in calls]:
                yield future.result()
        except BaseException as error:
            self.terminate()  # nobody waits for their results; the next call starts new processes
            self.pool = None
            if isinstance(error, OSError | BrokenProcessPool):
                raise WorkerLost(str(error)) from error
            raise

    def _start(self) -> None:
        self.parent, before = os.getpid(), multiprocessing.active_children()
        context = multiprocessing.get_context("fork")
        self.pool = ProcessPoolExecutor(
            self.count, context, initializer=_init_worker, initargs=(self.function, self.parent)
        )
        try:
            self.pool.submit(int)  # the first call forks all processes
        finally:
            children = multiprocessing.active_children()
            processes = [process for process in children if process not in before]
            self.terminate = weakref.finalize(self, _terminate, self.pool, processes, self.parent)


def _terminate(pool: ProcessPoolExecutor, processes: Sequence[BaseProcess], parent: int) -> None:
    if os.getpid() == parent:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _init_worker(function: Callable[..., Any], parent: int) -> None:
    global _function
    _function = function
    torch.set_num_threads(1)
    # Ctrl-C reaches all processes: the parent stops its work, and terminates this one if necessary.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()


def exit_with_parent(parent: int) -> None:
    """End this process when its parent is gone: a killed parent cannot tell it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _call(*arguments: Any) -> Any:
    return _function(*arguments)
