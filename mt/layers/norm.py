"""RMSNorm in float32, and conversion of its output for autocast."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """x / RMS(x) with a trained scale (Zhang and Sennrich 2019).

    Unlike PyTorch's module, it takes bfloat16 input under autocast. Its epsilon of 1e-6 bounds the
    gradient at a vector of zeros.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight, 1e-6).to(x.dtype)


def to_autocast_dtype(x: Tensor) -> Tensor:
    """Convert x to the autocast type once, if several matrix products follow; without autocast, x.

    Otherwise each product would convert it.
    """
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x
