"""Attention masks as functions of positions and validity. True means: may look."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def padding_mask(valid: Tensor) -> Tensor:
    """Which keys are real. valid [B, S] bool -> [B, 1, 1, S], for every head and query."""
    return valid[:, None, None, :]


def causal_mask(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """No query sees a later key. query_positions [..., T], key_positions [..., S] -> [..., T, S] bool."""
    return key_positions[..., None, :] <= query_positions[..., :, None]


def position_range(start: int, length: int, device: torch.device) -> Tensor:
    """Positions start, start + 1, ... as [length]."""
    return torch.arange(start, start + length, device=device)


@dataclass(frozen=True)
class Visibility:
    """Where queries and keys stand and which keys a query may see at all, whatever pattern chooses among them."""

    query_positions: Tensor  # [T] positions
    key_positions: Tensor  # [S]
    valid: Tensor | None = None  # [B, S] bool, which keys are real; None: all
    causal: bool = False  # whether later keys are hidden

    def mask(self, allowed: Tensor | None = None) -> Tensor | None:
        """What is visible and `allowed` ([..., T, S] bool), broadcastable to [B, H, T, S]; None where everything is."""
        parts = [allowed] if allowed is not None else []
        if self.valid is not None:
            parts.append(padding_mask(self.valid))
        if self.causal:
            parts.append(causal_mask(self.query_positions, self.key_positions))
        mask = None
        for part in parts:
            mask = part if mask is None else mask & part
        return mask
