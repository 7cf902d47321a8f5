"""Compare the ways to sum gradients of processes of one thread on one CPU, or of one on a GPU.

The ways take turns in each step, so that other load on the machine meets all alike. Prints the
median time of forward pass, backward pass and sum, its ratio to that without any exchange, and the
bytes per parameter that a rank sends. The latter are those of the loopback interface, which only a
network namespace of its own keeps free of other traffic:

    python scripts/bench_parallel.py --ranks 2 --size base --batch-tokens 2048 --accumulate 1
    unshare -rn sh -c 'ip link set lo up && python scripts/bench_parallel.py --size tiny'

With one rank, there is nothing to exchange, and the time is what the engines of PyTorch cost:

    python scripts/bench_parallel.py --ranks 1 --device cuda --size base --batch-tokens 25000
"""

from __future__ import annotations

import argparse
import copy
import os
import socket
import statistics
import time
from pathlib import Path

import torch
import torch.distributed as dist

from mt.config.compose import load_config
from mt.data.batching import Batch, make_batch
from mt.models.build import build_model
from mt.training.data_parallel import BucketedDataParallel, DataParallel
from mt.training.distributed import ProcessGroup, TorchrunGroup
from mt.training.forked_ranks import forked_ranks
from mt.training.objective import Objective
from mt.training.sharding import ShardedDataParallel

LENGTH = 24  # pieces of each sentence


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def random_batch(tokens: int, vocabulary: int, seed: int) -> Batch:
    """Return a batch of sentences of equal length."""
    ids = torch.randint(
        4,
        vocabulary,
        (2, tokens // LENGTH, LENGTH - 1),
        generator=torch.Generator().manual_seed(seed),
    )
    return make_batch(ids[0].tolist(), ids[1].tolist())


def sent_bytes() -> int:
    """Return the bytes that all processes have sent through the loopback interface."""
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[9]) for line in lines if line.strip().startswith("lo:"))


def connect(shared: ProcessGroup) -> TorchrunGroup:
    """Return a group of the same processes that torch.distributed connects."""
    if shared.world_size > 1:
        os.environ |= {"RANK": str(shared.rank), "WORLD_SIZE": str(shared.world_size)}
    else:
        backends = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backends, store=dist.HashStore(), rank=0, world_size=1)
    return TorchrunGroup()


def measure(
    arguments: argparse.Namespace, shared: ProcessGroup
) -> dict[str, list[tuple[float, float]]]:
    """Return seconds and sent bytes per parameter of each step of each way; all ranks call it."""
    connected, device = connect(shared), torch.device(arguments.device)
    config = load_config(
        ["auto=false", "optim=adamw", f"model/size={arguments.size}", "model=transformer"]
    )
    torch.manual_seed(1)
    model = build_model(config.model, arguments.vocabulary, arguments.vocabulary).train().to(device)
    objective = Objective(config, device)
    ways = {"no exchange": DataParallel(model, objective, ProcessGroup())}
    if shared.world_size > 1:
        ways["shared memory"] = DataParallel(model, objective, shared)
        ways["gloo, one transfer"] = DataParallel(model, objective, connected)
    ways["DistributedDataParallel"] = BucketedDataParallel(model, objective, connected)
    ways["FSDP2"] = ShardedDataParallel(copy.deepcopy(model), objective, connected)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    batches = [
        (n, random_batch(arguments.batch_tokens, arguments.vocabulary, n).to(device))
        for n in range(arguments.accumulate)
    ]
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for step in range(arguments.steps + 2):
        for name, way in ways.items():
            shared.all_gather(None)
            start, before = time.perf_counter(), sent_bytes()
            for parameter in way.model.parameters():
                parameter.grad = None
            for _, batch in way.micro_batches(batches, len(batches)):
                way.loss(batch)[0].backward()
            way.sum_gradients(torch.zeros(3, device=device))
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            shared.all_gather(None)  # all have sent
            sent = (sent_bytes() - before) / parameters / shared.world_size
            if step >= 2:
                measured[name].append((seconds, sent))
    connected.close()
    return measured


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cuda needs --ranks 1 (default: cpu)")
    parser.add_argument("--size", default="small")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--steps", type=int, default=15)
    arguments = parser.parse_args()
    if arguments.device != "cpu" and arguments.ranks > 1:
        parser.error("--device cuda needs --ranks 1: ranks do not share a GPU")
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    torch.set_num_threads(1)
    alone = ProcessGroup()
    with forked_ranks(alone, arguments.ranks, lambda group: measure(arguments, group)) as group:
        measured = measure(arguments, group)
    base = statistics.median(seconds for seconds, _ in measured["no exchange"])
    for name, values in measured.items():
        seconds, sent = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name:24} {1000 * seconds:7.0f} ms  {seconds / base:5.2f}  {sent:6.2f} bytes")


if __name__ == "__main__":
    main()
