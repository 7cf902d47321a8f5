"""Linear layers whose weights are stored in the memory layout of oneDNN, for fast translation.

A decoding step multiplies few rows with large matrices, so that converting a matrix to the layout
of the kernel takes a considerable part of the product. oneDNN, PyTorch's library on x86 processors,
can keep its own layout. `torch.compile` uses the same operators for frozen weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

OPERATORS = ("_reorder_linear_weight", "_linear_pointwise")
LAYOUT_ROWS = 64  # the layout is optimised for this many rows, and works for any number


class PackedLinear(nn.Module):
    """A linear layer that multiplies in `dtype`: x [..., D] -> [..., E] in `dtype`.

    This is what autocast makes of a linear layer. Float32 input without autocast is multiplied
    without packing, as inspection of attention does. Packed products have no gradient.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        # Embeddings and scores read weight, bias and sizes.
        self.weight, self.bias, self.dtype = linear.weight, linear.bias, dtype
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight = linear.weight.detach().to(dtype)
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, LAYOUT_ROWS)
        self.packed_bias = None if linear.bias is None else linear.bias.detach().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype != self.dtype and not torch.is_autocast_enabled(x.device.type):
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise.default(
            x.to(self.dtype), self.packed, self.packed_bias, "none", [], ""
        )


def can_pack(device: torch.device) -> bool:
    """Return whether packed layers work on this device.

    PyTorch's operators for them have no public name and may be absent in a version.
    """
    x86 = (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
    )
    return x86 and all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS)


def pack(model: nn.Module, dtype: torch.dtype) -> None:
    """Replace all linear layers by packed ones. Later changes of the weights have no effect.

    Fails if `can_pack` is False.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child, dtype))
