"""Boolean attention masks, computed from positions and padding. True means: may attend."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def padding_mask(valid: Tensor) -> Tensor:
    """Return the mask that hides padding keys: valid [B, S] bool -> [B, 1, 1, S]."""
    return valid[:, None, None, :]


def causal_mask(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Return the mask that hides later keys: positions [..., T], [..., S] -> [..., T, S] bool."""
    return key_positions[..., None, :] <= query_positions[..., :, None]


def position_range(start: int, length: int, device: torch.device) -> Tensor:
    """Return the positions start, start + 1, ... as [length]."""
    return torch.arange(start, start + length, device=device)


@dataclass(frozen=True)
class Visibility:
    """Positions of queries and keys, and which keys padding and causality leave visible.

    A pattern may restrict attention further.
    """

    query_positions: Tensor  # [T]
    key_positions: Tensor  # [S]
    valid: Tensor | None = None  # [B, S] bool, False for padding; None: no padding
    causal: bool = False  # hide later keys

    def mask(self, allowed: Tensor | None = None) -> Tensor | None:
        """Combine visibility and `allowed` ([..., T, S] or [..., H, T, S] bool) into one mask.

        Returns a mask that broadcasts to [B, H, T, S], or None if every query may see every key.
        """
        masks = [allowed] if allowed is not None else []
        if self.valid is not None:
            masks.append(padding_mask(self.valid))
        if self.causal:
            masks.append(causal_mask(self.query_positions, self.key_positions))
        combined = None
        for mask in masks:
            combined = mask if combined is None else combined & mask
        return combined
