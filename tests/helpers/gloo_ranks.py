"""Processes that torch.distributed connects through gloo, as torchrun's are, but forked."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
import torch._dynamo  # which takes each fork a second in DistributedDataParallel and FSDP

from mt.training.distributed import ProcessGroup, TorchrunGroup


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_gloo(count: int, work: Callable[[ProcessGroup], Any]) -> list[Any]:
    """Return what `work` returns on each of several ranks: no tensors, but arrays and numbers.

    With one rank, it is called in this process, with a group of one. Fails with the traceback of
    the first rank that fails, for which the others may wait.
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
    results: dict[Connection, Any] = {}
    try:
        while len(results) < count:
            for own in wait([own for own, _ in ends if own not in results]):
                assert isinstance(own, Connection)
                text, results[own] = own.recv()
                assert not text, text
    finally:
        for process in processes:
            process.kill()
            process.join()
    return [results[own] for own, _ in ends]


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
        time.sleep(60)  # what was sent to others may be on its way; `on_gloo` ends this earlier
        os._exit(0)
