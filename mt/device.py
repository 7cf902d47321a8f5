"""Device, precision, threads and memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

import torch

from mt.errors import MTError


def pick_device(name: str = "auto") -> torch.device:
    """Return a device by name; "auto": CUDA if available, else MPS, else CPU.

    Under torchrun, each process gets a GPU of its own. Raises MTError if the device is unavailable.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, is_available in available.items() if is_available)
    if not available.get(name, False):
        listed = ", ".join(kind for kind, is_available in available.items() if is_available)
        raise MTError(f"device {name} is not available; available: {listed}")
    if name != "cuda":
        return torch.device(name)
    index = int(os.environ.get("LOCAL_RANK", 0))
    count = torch.cuda.device_count()
    if index >= count:
        raise MTError(f"--nproc-per-node must be <= {count}, the number of GPUs of this machine")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, else the device type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def set_threads(threads: int) -> None:
    """Set the number of CPU threads; 0: one per core, divided among the processes of torchrun."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    torch.set_num_threads(threads or max(1, count_cores() // processes))


def count_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether bfloat16 is fast: GPUs since Ampere, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # Private functions: without them, auto means fp32, and trainer.precision=bf16 still works.
        checks = (
            getattr(torch.cpu, name, None)
            for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        )
        return any(check is not None and check() for check in checks)
    return False


def resolve_precision(device: torch.device, precision: str = "auto") -> str:
    """Return bf16 or fp32; auto: bf16 if the device computes it fast."""
    if precision == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return precision


def autocast(device: torch.device, precision: str = "auto") -> contextlib.AbstractContextManager:
    """Return a context for matrix products in bfloat16 if `precision` is bf16, else a null context.

    Weights stay in float32.
    """
    if resolve_precision(device, precision) == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means out of memory; on the CPU, only the message tells."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return any(
        phrase in text for phrase in ("out of memory", "not enough memory", "can't allocate memory")
    )


def configure_memory() -> None:
    """Make PyTorch on a CPU faster and smaller. To be called before the first matrix product.

    The C allocator keeps freed memory. Each step frees and allocates the same gigabytes, and the
    kernel must zero new pages, which takes longer than many of the operations on them. Only glibc
    has these options; with other C libraries, they stay as they are.

    PyTorch keeps fewer of oneDNN's kernels itself than the 1,024 of its default, because oneDNN
    keeps as many (docs/benchmarks.md). A number that is set in the environment stays.
    """
    os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        trim_threshold, top_pad, mmap_max = -1, -2, -4  # M_TRIM_THRESHOLD, ... of malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 64 << 20)
