"""Products of one matrix with a vector per step of a loop, as in a recurrent decoder.

Autograd would multiply once per step for the gradient of the matrix, and add up the results. Here
it is one product over all steps, which takes less time and is more exact. Each backward pass must
compute the gradient of the matrix, too; there are no second derivatives.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Calls = list[tuple[Tensor, Tensor]]  # inputs [..., N, D], gradients of the outputs [..., N, E]


@contextlib.contextmanager
def repeated_linear_layers(module: nn.Module) -> Iterator[None]:
    """Let each linear layer in `module` compute its gradient once for all calls in the block."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    for layer in layers:
        layer.forward = RepeatedProduct(layer.weight, layer.bias)  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class RepeatedProduct:
    """x -> x W^T + b for several x and one weight W [..., E, D], such as that of a linear layer.

    x is [..., N, D], or has any shape [..., D] if W is one matrix. Products are in the type of
    autocast, if that is enabled here; results are in the type of x.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        device = weight.device.type
        enabled = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if enabled else weight.dtype
        self.calls: Calls = []
        self.weight, self.bias = _Weight.apply(weight, bias, dtype, self.calls)

    def __call__(self, x: Tensor) -> Tensor:
        return _Product.apply(x, self.weight, self.bias, self.calls)


class _Weight(torch.autograd.Function):
    """Cast weight and bias, and compute their gradients when all calls have theirs."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, calls: Calls
    ) -> tuple[Tensor, Tensor | None]:
        ctx.calls, ctx.dtype, ctx.has_bias = calls, weight.dtype, bias is not None
        ctx.set_materialize_grads(False)
        return weight.to(dtype), None if bias is None else bias.to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: Any) -> Any:
        if not ctx.calls:
            return None, None, None, None
        inputs, grads = (torch.cat(parts, -2) for parts in zip(*ctx.calls, strict=True))
        ctx.calls.clear()
        grad_bias = grads.sum(0, dtype=ctx.dtype) if ctx.has_bias else None
        return (grads.mT @ inputs).to(ctx.dtype), grad_bias, None, None


class _Product(torch.autograd.Function):
    """One call. Its backward pass leaves the gradient of the weight to `_Weight`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, calls: Calls) -> Tensor:
        low = x.to(weight.dtype)
        ctx.save_for_backward(low, weight)
        ctx.calls, ctx.dtype = calls, x.dtype
        y = F.linear(low, weight, bias) if weight.dim() == 2 else low @ weight.mT
        return y.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        x, weight = ctx.saved_tensors
        grad = grads[0].to(weight.dtype)
        rows = (x, grad)
        if weight.dim() == 2:
            rows = (x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1]))
        ctx.calls.append(rows)
        grad_x = (grad @ weight).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        return grad_x, None, None, None
