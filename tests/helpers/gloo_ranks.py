"""Processes that torch.distributed connects through gloo, as torchrun's are, but forked."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from mt.training.distributed import ProcessGroup, TorchrunGroup


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_gloo(count: int, work: Callable[[ProcessGroup], Any]) -> list[Any]:
    """Return what `work` returns on each of several ranks: no tensors, but arrays and numbers.

    With one rank, it is called in this process, with a group of one. Fails with the traceback of a
    rank that fails.
    """
    if count == 1:
        return [work(ProcessGroup())]
    context = multiprocessing.get_context("fork")
    port = free_port()
    ends = [context.Pipe(duplex=False) for _ in range(count)]
    processes = [
        context.Process(target=_run, args=(rank, count, port, end, work), daemon=True)
        for rank, (_, end) in enumerate(ends)
    ]
    for process in processes:
        process.start()
    for _, end in ends:
        end.close()
    try:
        results = [own.recv() for own, _ in ends]
    finally:
        for process in processes:
            process.kill()
            process.join()
    for text, _ in results:
        assert not text, text
    return [value for _, value in results]


def _run(
    rank: int, count: int, port: int, end: Connection, work: Callable[[ProcessGroup], Any]
) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    try:
        end.send(("", work(TorchrunGroup())))
    except BaseException:
        end.send((traceback.format_exc(), None))
    finally:
        os._exit(0)
