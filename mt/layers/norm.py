"""RMSNorm, in float32 whatever it is given; and what leaves a norm in the precision of the products that follow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """x / root mean square of x, with a trained scale (Zhang and Sennrich 2019).

    Unlike torch's module it takes bfloat16 from autocast, and its epsilon bounds the gradient of a
    vector of zeros.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight, 1e-6).to(x.dtype)


def to_autocast_dtype(x: Tensor) -> Tensor:
    """x in the precision in which autocast multiplies: converted once where several products follow, not once for each."""
    return (
        x.to(torch.get_autocast_dtype(x.device.type))
        if torch.is_autocast_enabled(x.device.type)
        else x
    )
