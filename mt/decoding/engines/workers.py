"""The number of worker processes that search in parallel, with one thread each.

A decoding step consists of small matrix products. A second thread hardly speeds them up, and each
step waits for the slowest thread if other work shares the cores. Batches that run on cores of their
own do not wait for each other.
"""

from __future__ import annotations

import torch

from mt.worker_pool import may_fork

# Upper limit of the default, one worker per thread: each needs memory for a batch of its own.
MAX_WORKERS = 16
# Lower limit of a worker's batch size, unless the whole budget is smaller. With half of it, a
# sentence takes a fifth longer.
MIN_WORKER_TOKENS = 4096


def can_fork(device: torch.device) -> bool:
    """Return whether processes can share the memory of this one, which they cannot on a GPU."""
    return device.type == "cpu" and may_fork()


def resolve_workers(device: torch.device, workers: int) -> int:
    """Return the number of processes to use.

    That is `workers`, or for 0 one per PyTorch thread, up to `MAX_WORKERS`. It is 1 if processes
    cannot share this one's memory.
    """
    return (workers or min(torch.get_num_threads(), MAX_WORKERS)) if can_fork(device) else 1
