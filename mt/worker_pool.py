"""Processes that share the calls of one function, in order."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any

from mt.errors import MTError

AHEAD = 3  # calls for each process that are begun before the first result is taken

# Yields the results of calls, each a tuple of arguments, of a function in their order.
MapInOrder = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]

_function: Callable[..., Any]  # in a worker: the function that it calls


def may_fork() -> bool:
    """Return whether this process can have others that share its memory.

    It cannot on other systems than Linux, nor if it is daemonic and may not have children.
    """
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


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

    def map(self, calls: Iterable[tuple[Any, ...]], ahead: int | None = None) -> Iterator[Any]:
        """Yield the results of the calls in their order.

        At most `ahead` calls are begun before their results are taken; by default all. Exceptions
        of the function are raised here; WorkerLost if a process was lost.
        """
        try:
            # A fork of this process inherits the pool object, but not the worker processes.
            if self.pool is None or self.parent != os.getpid():
                self._start()
            assert self.pool is not None
            begun: deque[Future[Any]] = deque()
            for arguments in calls:
                begun.append(self.pool.submit(_call, *arguments))
                if ahead is not None and len(begun) >= ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        except BaseException as error:
            self.terminate()  # nobody waits for their results; the next call starts new processes
            self.pool = None
            if isinstance(error, BrokenProcessPool):
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
        except OSError as error:
            raise WorkerLost(str(error)) from error
        finally:
            children = multiprocessing.active_children()
            processes = [process for process in children if process not in before]
            self.terminate = weakref.finalize(self, _terminate, self.pool, processes, self.parent)


def map_in_order(
    count: int, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
) -> Iterator[Any]:
    """Yield the results of calls of a function in their order, computed by `count` processes.

    A few calls for each process are in memory. This process computes a single call, and all if
    `count` is 1. Raises MTError if a process was lost.
    """
    iterator = iter(calls)
    first = list(itertools.islice(iterator, 2))
    calls = itertools.chain(first, iterator)
    if count == 1 or len(first) < 2:
        yield from itertools.starmap(function, calls)
        return
    pool = WorkerPool(count, function)
    try:
        yield from pool.map(calls, AHEAD * count)
    except WorkerLost as error:
        raise MTError(
            f"one of {count} processes was lost, possibly for lack of memory ({error}): set "
            "data.workers to a smaller number"
        ) from error
    finally:
        pool.terminate()


def _terminate(pool: ProcessPoolExecutor, processes: Sequence[BaseProcess], parent: int) -> None:
    if os.getpid() == parent:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _init_worker(function: Callable[..., Any], parent: int) -> None:
    global _function
    _function = function
    if torch := sys.modules.get("torch"):
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
