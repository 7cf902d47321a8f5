"""What an attention pattern saves: time and memory of one self-attention layer against full attention, as sequences grow.

    python scripts/bench_attention.py
    python scripts/bench_attention.py --patterns window linear --lengths 2048 8192 --side decoder

One layer of the usual size (width 256, 4 heads; patterns as their YAML files set them), forward and
backward, over a batch of as many sequences as make `--tokens` tokens. Each measurement is a process
of its own, whose memory is the most that it held beyond what it held before the first step; the
patterns take turns, `--repeats` times. Printed are medians: microseconds a token, mebibytes, and
both as shares of full attention at the same length. On a GPU, full attention is PyTorch's fused
kernel.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time

import torch

from mt.attention.masks import Visibility
from mt.attention.transformer.multihead import MultiHeadAttention
from mt.attention.transformer.patterns import PATTERNS
from mt.attention.transformer.positions import NoPositions
from mt.config.compose import load_config
from mt.device import autocast, pick_device, resolve_precision

STEPS, WARM_UP = 3, 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patterns", nargs="*", default=[*PATTERNS], help="default: all")
    parser.add_argument("--lengths", nargs="*", type=int, default=[128, 512, 2048, 8192])
    parser.add_argument(
        "--side",
        nargs="*",
        default=["encoder", "decoder"],
        help="bidirectional, causal (default: both)",
    )
    parser.add_argument(
        "--tokens",
        type=int,
        default=8192,
        help="tokens a batch; at least one sequence (default: 8192)",
    )
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    patterns = ["full", *(name for name in options.patterns if name != "full")]
    device = pick_device()
    print(
        f"{device.type}, {torch.get_num_threads()} threads, {resolve_precision(device)}, torch {torch.__version__}"
    )
    print(
        f"{'side':8} {'length':>6} {'pattern':14} {'us/token':>9} {'of full':>8} {'MiB':>8} {'of full':>8}"
    )
    for side in options.side:
        for length in options.lengths:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in patterns}
            for _ in range(options.repeats):
                for name in patterns:
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        found[name].append(
                            pool.apply(measure, (name, length, side, options.tokens))
                        )
            medians = {
                name: [statistics.median(values) for values in zip(*each, strict=True)]
                for name, each in found.items()
            }
            for name, (seconds, memory) in medians.items():
                shares = [
                    value / full
                    for value, full in zip((seconds, memory), medians["full"], strict=True)
                ]
                print(
                    f"{side:8} {length:6} {name:14} {1e6 * seconds:9.2f} {shares[0]:8.2f} {memory:8.0f} {shares[1]:8.2f}",
                    flush=True,
                )


def measure(name: str, length: int, side: str, tokens: int) -> tuple[float, float]:
    """Seconds a token of a forward and backward pass, and the mebibytes it takes."""
    config = load_config(
        ["model=transformer", *([] if name == "full" else [f"attention={name}"])]
    ).model
    device, batch = pick_device(), max(1, tokens // length)
    layer = MultiHeadAttention(config.transformer, config.dim, pattern=name).to(device)
    x = torch.randn(batch, length, config.dim, device=device, requires_grad=True)
    at = torch.arange(length, device=device)
    visibility = (
        Visibility(at, at, causal=True)
        if side == "decoder"
        else Visibility(at, at, torch.ones(batch, length, dtype=torch.bool, device=device))
    )
    before, times = held(device), []
    for _ in range(WARM_UP + STEPS):
        begin = time.perf_counter()
        with autocast(device):
            output, _ = layer.self_attend(x, visibility, NoPositions())
        output.float().square().sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[WARM_UP:]) / (batch * length), held(device) - before


def held(device: torch.device) -> float:
    """The most memory held so far, in mebibytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
