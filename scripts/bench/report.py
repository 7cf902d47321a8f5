"""Output of the benchmarks: Markdown tables of medians and ranges, hardware, versions."""

from __future__ import annotations

import json
import platform
import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bench.contest import Entry, Result
from mt.device import device_name
from mt.environment import cpu_name

PEAK_SECONDS = 1.5


def matrix_peak(device: torch.device, precision: str, cpu_time: bool) -> float:
    """Measure the peak FLOP/s of torch.matmul, to which MFU is relative: the best of 1.5 seconds.

    Multiplies 4096 x 1024 by 1024 x 1024 on a CPU, and 8192 x 8192 matrices on a GPU, in bf16 or
    fp32 (on a GPU without TF32). `cpu_time`: measure processor time.
    """
    rows, inner = (8192, 8192) if device.type == "cuda" else (4096, 1024)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (
        torch.randn(rows, inner, device=device).to(dtype),
        torch.randn(inner, inner, device=device).to(dtype),
    )
    clock = time.process_time if cpu_time else time.perf_counter
    best, end = float("inf"), time.perf_counter() + PEAK_SECONDS
    while time.perf_counter() < end or best == float("inf"):
        begin = clock()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, clock() - begin)
    return 2 * rows * inner * inner / best


def describe_setting(
    device: torch.device, threads: int, peaks: dict[str, float], cpu_time: bool
) -> str:
    """Return a paragraph with hardware, measured peaks and versions."""
    hardware = device_name(device) if device.type == "cuda" else f"{cpu_name()}, {threads} threads"
    products = ", ".join(
        f"{peak / 1e9:,.0f} GFLOP/s {precision}" for precision, peak in peaks.items()
    )
    clock = " Speeds are per second of processor time, not of wall-clock time." if cpu_time else ""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{hardware}; matrix products: {products}. {versions}.{clock}"


def command_line(script: str, arguments: Sequence[str]) -> str:
    """Return the command line, as an indented block of code."""
    return f"    python {shlex.join(['scripts/' + Path(script).name, *arguments])}"


def format_spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Format the median, with the range in brackets."""
    middle = format(statistics.median(values), form)
    return middle if len(values) == 1 else f"{middle} ({min(values):{form}} - {max(values):{form}})"


def baseline(entry: Entry, entries: Sequence[Entry]) -> Entry:
    """Return the entry that `entry` is compared with: mt in the same precision."""
    return next(other for other in entries if other.precision == entry.precision)


def ratios(entry: Entry, entries: Sequence[Entry], speed: Callable[[Result], float]) -> list[float]:
    """Return the speed of the baseline relative to this entry, round by round."""
    rounds = zip(baseline(entry, entries).results, entry.results, strict=True)
    return [speed(ours) / speed(theirs) for ours, theirs in rounds]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def failures(entries: Sequence[Entry]) -> str:
    """Return a line for each contestant that did not run."""
    return "".join(
        f"\n- {entry.name} did not run: {entry.failure}" for entry in entries if entry.failure
    )


def contestants(entries: Sequence[Entry]) -> str:
    """Return the versions of the contestants, each contestant once."""
    found = {
        entry.contestant.name: entry.results[0]["versions"] for entry in entries if entry.results
    }
    return "; ".join(f"{name}: {versions}" for name, versions in found.items())


def record(path: str, title: str, entries: Sequence[Entry], **facts: object) -> None:
    """Append all measurements to a file of JSON lines, if `path` is not empty."""
    if path:
        measured = [
            {"name": entry.name, "failure": entry.failure, "results": entry.results}
            for entry in entries
        ]
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"title": title, **facts, "measured": measured}) + "\n")
