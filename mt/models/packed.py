"""Matrices laid out once for the kernels that translation multiplies with, instead of anew in every product.

A step of decoding multiplies few rows with large matrices, so that laying out a matrix takes a good
part of the product. oneDNN, PyTorch's library on x86 processors, can keep its own layout, as
`torch.compile` makes it do with frozen weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

OPERATORS = ("_reorder_linear_weight", "_linear_pointwise")
ROWS = 64  # that the layout is chosen for; it serves any number


class PackedLinear(nn.Module):
    """A linear layer for products in `dtype`: x [..., D] -> [..., E] in that type, which is what autocast makes of a layer.

    Without autocast it is the layer, as for those who look at attention in float32. Packed products
    have no gradient.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight, self.bias, self.dtype = (
            linear.weight,
            linear.bias,
            dtype,
        )  # others read them: embeddings, scores
        self.packed = torch.ops.mkldnn._reorder_linear_weight(
            linear.weight.detach().to(dtype), ROWS
        )
        self.packed_bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != self.dtype and not torch.is_autocast_enabled(x.device.type):
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise.default(
            x.to(self.dtype), self.packed, self.packed_bias, "none", [], ""
        )


def can_pack(device: torch.device) -> bool:
    """Whether there are such kernels here. The operators have no public name, so a version of PyTorch may be without."""
    x86 = (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
    )
    return x86 and all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS)


def pack(model: nn.Module, dtype: torch.dtype) -> None:
    """Replace the linear layers of a model that is trained no more: they keep the weights that they have now.

    Raises RuntimeError where `can_pack` is False.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child, dtype))
