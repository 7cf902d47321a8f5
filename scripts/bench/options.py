"""What both benchmarks are told: contestants, precision, device, where things go."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from mt.device import has_fast_bf16, pick_device, set_threads
from mt.errors import UsageError


def add_shared(parser: argparse.ArgumentParser, variant: str, differs: str) -> None:
    """Flags that both have; `variant`: how one is written, `differs`: what is different in it."""
    add = parser.add_argument
    add(
        "--precisions",
        nargs="+",
        choices=("bf16", "fp32"),
        help="default: bf16 where the hardware has it, and fp32",
    )
    add("--repeats", type=int, default=3, help="measurements of each (default: 3)")
    add(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="another toolkit; can be repeated",
    )
    add(
        "--variant",
        action="append",
        default=[],
        metavar=variant,
        help=f"mt with other {differs}; can be repeated",
    )
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    add(
        "--cpu-time",
        action="store_true",
        help="count processor time: for a machine that is busy with other work; takes --threads 1",
    )
    add("--folder", type=Path, help="keep what is made here (default: a temporary folder)")
    add(
        "--record",
        default="",
        metavar="FILE",
        help="append all measurements to FILE, as JSON lines",
    )


@contextlib.contextmanager
def prepared(options: argparse.Namespace) -> Iterator[tuple[torch.device, list[str], Path]]:
    """Device, precisions and the folder, which goes afterwards if it is a temporary one. Sets the number of threads."""
    device = pick_device(options.device)
    if options.cpu_time and (options.threads != 1 or device.type != "cpu"):
        raise UsageError(
            "--cpu-time takes --threads 1 and a CPU: threads that wait for each other would count as work"
        )
    set_threads(options.threads)
    precisions = options.precisions or (["bf16", "fp32"] if has_fast_bf16(device) else ["fp32"])
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        yield device, precisions, folder.resolve()
