"""Measure time and memory of one self-attention layer, by pattern and sequence length.

    python scripts/bench_attention.py
    python scripts/bench_attention.py --patterns window linear --lengths 2048 8192 --side decoder

The layer has width 256 and 4 heads, patterns have the settings of their YAML files, and a batch has
`--tokens` tokens. Time is that of a forward and a backward pass. Each measurement runs in a process
of its own; memory is the peak above what the process held before the first step. All patterns take
turns, `--repeats` times. Printed are medians, in microseconds per token and mebibytes, and ratios
to full attention at the same length. On a GPU, full attention is PyTorch's fused kernel.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Sequence

import torch

from mt.attention.masks import Visibility
from mt.attention.transformer.multihead import MultiHeadAttention
from mt.attention.transformer.patterns import PATTERNS
from mt.attention.transformer.positions import NoPositions
from mt.config.compose import load_config
from mt.device import autocast, pick_device, resolve_precision

STEPS, WARM_UP = 3, 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--patterns", nargs="*", choices=PATTERNS, default=[*PATTERNS], help="default: all"
    )
    parser.add_argument("--lengths", nargs="*", type=int, default=[128, 512, 2048, 8192])
    parser.add_argument(
        "--side",
        nargs="*",
        choices=("encoder", "decoder"),
        default=["encoder", "decoder"],
        help="encoder (bidirectional), decoder (causal); default: both",
    )
    parser.add_argument(
        "--tokens",
        type=int,
        default=8192,
        help="tokens per batch, but at least one sequence (default: 8192)",
    )
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    patterns = ["full", *(name for name in options.patterns if name != "full")]
    device = pick_device()
    threads, precision = torch.get_num_threads(), resolve_precision(device)
    print(f"{device.type}, {threads} threads, {precision}, torch {torch.__version__}")
    print(
        f"{'side':8} {'length':>6} {'pattern':14} "
        f"{'us/token':>9} {'of full':>8} {'MiB':>8} {'of full':>8}"
    )
    for side in options.side:
        for length in options.lengths:
            results: dict[str, list[tuple[float, float]]] = {name: [] for name in patterns}
            for _ in range(options.repeats):
                for name in patterns:
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        result = pool.apply(measure, (name, length, side, options.tokens))
                    results[name].append(result)
            medians = {
                name: [statistics.median(values) for values in zip(*repeats, strict=True)]
                for name, repeats in results.items()
            }
            full_seconds, full_memory = medians["full"]
            for name, (seconds, memory) in medians.items():
                print(
                    f"{side:8} {length:6} {name:14} "
                    f"{1e6 * seconds:9.2f} {seconds / full_seconds:8.2f} "
                    f"{memory:8.0f} {memory / full_memory:8.2f}",
                    flush=True,
                )


def measure(name: str, length: int, side: str, tokens: int) -> tuple[float, float]:
    """Measure a forward and backward pass: seconds per token and peak memory in mebibytes."""
    overrides = [] if name == "full" else [f"attention={name}"]
    config = load_config(["auto=false", "model=transformer", *overrides]).model
    device, batch = pick_device(), max(1, tokens // length)
    layer = MultiHeadAttention(config.transformer, config.dim, pattern=name).to(device)
    x = torch.randn(batch, length, config.dim, device=device, requires_grad=True)
    positions = torch.arange(length, device=device)
    valid = torch.ones(batch, length, dtype=torch.bool, device=device)
    if side == "decoder":
        visibility = Visibility(positions, positions, causal=True)
    else:
        visibility = Visibility(positions, positions, valid)
    before, times = peak_memory(device), []
    for _ in range(WARM_UP + STEPS):
        start = time.perf_counter()
        with autocast(device):
            output, _ = layer.self_attend(x, visibility, NoPositions())
        output.float().square().sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times[WARM_UP:]) / (batch * length)
    return seconds, peak_memory(device) - before


def peak_memory(device: torch.device) -> float:
    """Return the peak memory of this process so far, in mebibytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
