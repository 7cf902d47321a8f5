"""Inputs for tests of Transformer attention."""

from __future__ import annotations

import torch

from mt.attention.masks import Visibility

HEADS, WIDTH = 4, 6


def inputs(
    length: int, heads: int = HEADS, batch: int = 2, dtype: torch.dtype = torch.float32
) -> list[torch.Tensor]:
    torch.manual_seed(length)
    return [
        torch.randn(batch, heads, length, WIDTH, dtype=dtype, requires_grad=True) for _ in range(3)
    ]


def make_visibility(length: int, causal: bool) -> Visibility:
    """Return the visibility of two sentences, the second shorter; without padding if causal."""
    at = torch.arange(length)
    return Visibility(
        at, at, None if causal else at < torch.tensor([[length], [length - 3]]), causal
    )
