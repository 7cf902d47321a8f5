"""Flags that both benchmarks share: contestants, precision, device, output."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from mt.device import has_fast_bf16, pick_device, set_threads
from mt.errors import UsageError


def add_shared_flags(parser: argparse.ArgumentParser, variant: str, differs: str) -> None:
    """Add the flags that both benchmarks have.

    Args:
        parser: the parser to extend.
        variant: metavar of --variant.
        differs: what the variants of mt differ in.
    """
    add = parser.add_argument
    add(
        "--precisions",
        nargs="+",
        choices=("bf16", "fp32"),
        help="default: fp32, and bf16 if the hardware supports it",
    )
    add("--repeats", type=int, default=3, help="measurements per contestant (default: 3)")
    add(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="another toolkit; repeatable",
    )
    add(
        "--variant",
        action="append",
        default=[],
        metavar=variant,
        help=f"mt with other {differs}; repeatable",
    )
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    add(
        "--cpu-time",
        action="store_true",
        help="measure processor time, for a busy machine; requires --threads 1",
    )
    add("--folder", type=Path, help="folder for all files, which are kept (default: temporary)")
    add(
        "--record",
        default="",
        metavar="FILE",
        help="append all measurements to FILE, as JSON lines",
    )


@contextlib.contextmanager
def prepare(options: argparse.Namespace) -> Iterator[tuple[torch.device, list[str], Path]]:
    """Set the number of threads; yield device, precisions and folder.

    A temporary folder is deleted afterwards.
    """
    device = pick_device(options.device)
    if options.cpu_time and (options.threads != 1 or device.type != "cpu"):
        raise UsageError(
            "--cpu-time requires --threads 1 and a CPU: threads that wait for each other would "
            "count as work"
        )
    set_threads(options.threads)
    precisions = options.precisions or (["bf16", "fp32"] if has_fast_bf16(device) else ["fp32"])
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        yield device, precisions, folder.resolve()
