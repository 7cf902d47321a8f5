"""Where computations run and in what precision."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

import torch

from mt.errors import MTError


def pick_device(name: str = "auto") -> torch.device:
    """auto: the GPU where there is one, else Apple's MPS, else the CPU. In a torchrun job, this process's own GPU."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available.get(name, False):
        raise MTError(
            f"device {name} is not available here; found: {', '.join(k for k, there in available.items() if there)}"
        )
    if name != "cuda":
        return torch.device(name)
    index = int(os.environ.get("LOCAL_RANK", 0))
    if index >= torch.cuda.device_count():
        raise MTError(
            f"there is no GPU for process {index + 1} of this machine: --nproc-per-node may be at most {torch.cuda.device_count()}"
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """The name of a GPU, or the kind of device: what a person needs to judge a speed."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def set_threads(threads: int) -> None:
    """Use so many CPU threads; 0: all cores, shared out where torchrun started several processes on this machine."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    torch.set_num_threads(threads or max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1))))


def has_fast_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 run in hardware: GPUs from Ampere on, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # Private, so it may go: then "auto" means fp32 and trainer.precision=bf16 still works.
        checks = (
            getattr(torch.cpu, name, None)
            for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        )
        return any(check is not None and check() for check in checks)
    return False


def resolve_precision(device: torch.device, precision: str = "auto") -> str:
    """auto -> bf16 or fp32."""
    if precision == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return precision


def autocast(device: torch.device, precision: str = "auto") -> contextlib.AbstractContextManager:
    """Matrix products in bfloat16 where `precision` says so; weights stay in float32."""
    if resolve_precision(device, precision) == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def is_out_of_memory(error: BaseException) -> bool:
    """GPUs have an exception of their own; elsewhere only the text tells."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return any(
        phrase in text for phrase in ("out of memory", "not enough memory", "can't allocate memory")
    )


def keep_freed_memory() -> None:
    """Let the C allocator keep the large temporaries of a training step instead of handing them back to the system.

    On a CPU every step frees and asks again for the same gigabytes; fresh pages must be zeroed by
    the kernel first, which costs more than many of the operations that fill them. Only glibc has
    these switches; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        trim_threshold, top_pad, mmap_max = (
            -1,
            -2,
            -4,
        )  # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 64 << 20)
