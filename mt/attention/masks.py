"""Attention masks as functions of positions and validity. True means: may look."""

from __future__ import annotations

import torch
from torch import Tensor


def padding_mask(valid: Tensor) -> Tensor:
    """Which keys are real. valid [B, S] bool -> [B, 1, 1, S], for every head and query."""
    return valid[:, None, None, :]


def causal_mask(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """No query sees a later key. query_positions [T], key_positions [S] -> [T, S] bool."""
    return key_positions[None, :] <= query_positions[:, None]


def positions(start: int, length: int, device: torch.device) -> Tensor:
    """Positions start, start + 1, ... as [length]."""
    return torch.arange(start, start + length, device=device)
