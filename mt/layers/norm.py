"""RMSNorm in float32, and conversion of its output for autocast."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6  # bounds the gradient at a vector of zeros


class RMSNorm(nn.Module):
    """x / RMS(x) with a trained scale (Zhang and Sennrich 2019).

    Unlike PyTorch's module, it takes bfloat16 input under autocast.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and x.requires_grad and not torch.compiler.is_compiling():
            normalised: Tensor = _RMSNormOnCPU.apply(x, self.weight)
            return normalised
        return F.rms_norm(x.float(), self.weight.shape, self.weight, EPSILON).to(x.dtype)


class _RMSNormOnCPU(torch.autograd.Function):
    """RMSNorm with a gradient in few passes over memory.

    PyTorch's takes twice the time on a CPU, where it consists of separate operations.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        values = to_float32(x)
        norm = torch.linalg.vector_norm(values, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(EPSILON).rsqrt_()
        ctx.save_for_backward(x, inverse, weight)
        return (values * inverse).mul_(weight).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """With y = x / RMS(x): y' = g w, and x' = (y' - y mean(y y')) / RMS(x)."""
        x, inverse, weight = ctx.saved_tensors
        grad, y = to_float32(grads[0]), to_float32(x) * inverse
        product = grad * y
        with torch.autocast("cpu", enabled=False):
            mean = (product @ weight)[..., None] / -x.shape[-1]
        grad_x = (grad * weight).addcmul_(y, mean).mul_(inverse)
        return grad_x.to(x.dtype), product.flatten(0, -2).sum(0)


def to_float32(x: Tensor) -> Tensor:
    """Convert x to float32, contiguous in memory."""
    return x.to(torch.float32, memory_format=torch.contiguous_format)


def to_autocast_dtype(x: Tensor) -> Tensor:
    """Convert x to the autocast type once, if several matrix products follow; without autocast, x.

    Otherwise each product would convert it.
    """
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
