"""Ranks on the CPU of one machine: processes of one thread that exchange through shared memory.

Most operations of training are small. A second thread hardly speeds them up, and each operation
waits for the slowest thread. Processes wait for each other a few times per optimizer step.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import torch
from torch import Tensor

from mt.decoding.engines.workers import can_fork
from mt.errors import MTError, ProcessLost
from mt.signals import STOP_SIGNALS
from mt.training.distributed import ProcessGroup, explain_lost_process, split_like
from mt.worker_pool import exit_with_parent

MAX_MESSAGE_BYTES = 1 << 16  # of tensors that are sent through a pipe; larger ones share memory
END_SECONDS = 1.0  # to wait for the exit code of a rank that has closed its pipe


def possible_ranks(device: torch.device, launched: ProcessGroup) -> int:
    """Return the largest number of ranks to fork: one for each thread.

    It is 1 under torchrun, whose ranks may be on other machines, and if processes cannot share
    memory.
    """
    is_alone = launched.world_size == 1 and can_fork(device)
    return torch.get_num_threads() if is_alone else 1


@dataclass
class Failure:
    """The error that has ended a rank, as a message to rank 0."""

    message: str


class ForkedGroup(ProcessGroup):
    """Ranks that are forked from one process, rank 0, which has a pipe to each of the others.

    A rank that ends closes its pipe, which the others notice at their next exchange. Sums are
    computed in the order of the ranks, so that they are the same in each repetition.
    """

    def __init__(
        self, rank: int, world_size: int, pipes: Sequence[Connection], memory: int
    ) -> None:
        """Join the group.

        `pipes` lead to ranks 1, 2, ... in rank 0, and to rank 0 in each other rank. `memory` is a
        file in memory that all ranks have inherited.
        """
        self.rank, self.world_size, self.pipes, self.memory = rank, world_size, pipes, memory
        self.shared = torch.empty(0, dtype=torch.uint8)

    def all_gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks; none returns before all have come.

        In rank 0, raises MTError with the message of a rank that has failed.
        """
        with explain_lost_process(EOFError, OSError):
            if not self.is_main:
                self.pipes[0].send(value)
                values: list[Any] = self.pipes[0].recv()
                return values
            values = [value, *(pipe.recv() for pipe in self.pipes)]
            for failure in values:
                if isinstance(failure, Failure):
                    raise MTError(failure.message)
            for pipe in self.pipes:
                pipe.send(values)
            return values

    def all_reduce_sum(self, tensors: Sequence[Tensor]) -> None:
        size = sum(tensor.numel() for tensor in tensors)
        if size * tensors[0].itemsize <= MAX_MESSAGE_BYTES:
            own = torch.cat([tensor.reshape(-1) for tensor in tensors]).numpy()
            total = torch.from_numpy(sum(self.all_gather(own)))
            torch._foreach_copy_(list(tensors), split_like(total, tensors))
            return
        rows = self._share(self.world_size * size, tensors[0].dtype).view(self.world_size, size)
        torch._foreach_copy_(split_like(rows[self.rank], tensors), list(tensors))
        self.all_gather(None)
        # Each rank adds up its part of the columns.
        start, end = (size * (self.rank + end) // self.world_size for end in (0, 1))
        for row in rows[1:]:
            rows[0, start:end] += row[start:end]
        self.all_gather(None)
        torch._foreach_copy_(list(tensors), split_like(rows[0], tensors))
        self.all_gather(None)  # before the memory is used again

    def exchange(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        size = sum(tensor.numel() for tensor in tensors)
        parts = split_like(self._share(size, tensors[0].dtype), tensors)
        for tensor, part, owner in zip(tensors, parts, owners, strict=True):
            if owner == self.rank:
                part.copy_(tensor)
        self.all_gather(None)
        torch._foreach_copy_(list(tensors), parts)
        self.all_gather(None)

    def _share(self, size: int, dtype: torch.dtype) -> Tensor:
        """Return shared memory for so many numbers; all ranks call it alike."""
        count = size * dtype.itemsize
        if count > len(self.shared):
            if self.is_main:
                os.ftruncate(self.memory, count)
            self.all_gather(None)
            self.shared = torch.frombuffer(mmap.mmap(self.memory, count), dtype=torch.uint8)
        return self.shared[:count].view(dtype)

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()


@contextlib.contextmanager
def forked_ranks(
    launched: ProcessGroup, count: int, run: Callable[[ProcessGroup], object]
) -> Iterator[ProcessGroup]:
    """Fork `count` - 1 ranks that call `run` with their group; yield that of this process, rank 0.

    With one rank, the group is `launched`. Each rank has one thread: thread pools do not survive a
    fork. The others end when the `with` block ends or this process is killed. They ignore signals,
    which this process handles for all. Raises ProcessLost, which says why, if one of them is lost.
    """
    if count == 1:
        yield launched
        launched.close()
        return
    threads = torch.get_num_threads()
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe() for _ in range(1, count)]
    memory = os.memfd_create("mt-ranks")
    others = [
        context.Process(target=_run_rank, args=(rank, os.getpid(), pipes, memory, run), daemon=True)
        for rank in range(1, count)
    ]
    try:
        with _without_signals():
            for process in others:
                process.start()
        for _, theirs in pipes:
            theirs.close()
        torch.set_num_threads(1)
        yield ForkedGroup(0, count, [own for own, _ in pipes], memory)
    except ProcessLost as error:
        if is_any_killed(others):
            raise ProcessLost(
                "a process of this training was killed, perhaps because memory ran out: the same "
                "command continues from the last checkpoint; trainer.threads=1 needs less memory"
            ) from error
        raise
    finally:
        torch.set_num_threads(threads)
        for own, _ in pipes:
            own.close()
        for process in others:
            if process.pid:
                process.kill()
                process.join()
        os.close(memory)


def is_any_killed(processes: Sequence[BaseProcess]) -> bool:
    """Return whether one of several processes, of which one is ending, was killed."""
    wait([process.sentinel for process in processes], END_SECONDS)
    return any(process.exitcode == -signal.SIGKILL for process in processes)


def _run_rank(
    rank: int,
    parent: int,
    pipes: Sequence[tuple[Connection, Connection]],
    memory: int,
    run: Callable[[ProcessGroup], object],
) -> NoReturn:
    """Call `run` in a process that has been forked, and end it."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    torch.set_num_threads(1)
    threading.Thread(target=exit_with_parent, args=(parent,), daemon=True).start()
    own = pipes[rank - 1][1]
    for end in (end for pipe in pipes for end in pipe if end is not own):
        end.close()
    try:
        run(ForkedGroup(rank, len(pipes) + 1, [own], memory))
    except MTError as error:
        with contextlib.suppress(OSError):  # rank 0 is gone
            own.send(Failure(str(error)))
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)


@contextlib.contextmanager
def _without_signals() -> Iterator[None]:
    """Delay stop signals, so that a process that is forked can ignore them from its beginning."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
