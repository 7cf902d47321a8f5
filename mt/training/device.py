"""Where computations run and in what precision."""

from __future__ import annotations

import contextlib
import ctypes
import sys

import torch

from mt.errors import MTError


def pick_device(name: str = "auto") -> torch.device:
    """auto: the GPU where there is one, else Apple's MPS, else the CPU. In a torchrun job, this process's own GPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available.get(torch.device(name).type, False):
        raise MTError(f"device {name} is not available here; found: {', '.join(k for k, there in available.items() if there)}")
    return torch.device(name)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 run in hardware: GPUs from Ampere on, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
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


def keep_freed_memory() -> None:
    """Let the C allocator keep the large temporaries of a training step instead of handing them back to the system.

    On a CPU every step frees and asks again for the same gigabytes; fresh pages must be zeroed by the kernel first, which
    costs more than many of the operations that fill them. Only glibc has these switches; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        trim_threshold, top_pad, mmap_max = -1, -2, -4  # malloc.h: M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 64 << 20)
