"""Padded batch tensors, and the grouping of sentences under a token budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mt.data.vocabulary import BOS, EOS, PAD

# Few distinct widths keep the number of tensor shapes small: for each number of rows in a matrix
# product, oneDNN generates kernels, which takes longer than the product itself.
PAD_WIDTHS = np.array([*range(2, 64, 2), *range(64, 128, 8), *range(128, 2**20, 32)])

# Larger batches have a multiple of so many pairs, for the same reason.
ROUND_PAIRS = 8

IdRows = Sequence[Sequence[int] | np.ndarray]  # token ids of each sentence


@dataclass
class Batch:
    """B sentence pairs, padded on the right to S source and T target positions.

    In a mask, True is a real token.
    """

    source: Tensor  # [B, S] int64: pieces, EOS, PAD
    source_mask: Tensor  # [B, S] bool
    target_input: Tensor  # [B, T] int64: BOS, pieces, PAD
    target: Tensor  # [B, T] int64: pieces, EOS, PAD
    target_tokens: int  # real positions of `target`, EOS included; the loss is averaged over them
    padded: int  # B * (S + T)
    real: int  # source and target positions that are not padding

    def to(self, device: torch.device) -> Batch:
        """Copy to `device`.

        A copy to a GPU goes through page-locked memory, so that it does not wait for the GPU.
        """

        def copy(tensor: Tensor) -> Tensor:
            if device.type == "cuda":
                return tensor.pin_memory().to(device, non_blocking=True)
            return tensor.to(device)

        return replace(
            self,
            source=copy(self.source),
            source_mask=copy(self.source_mask),
            target_input=copy(self.target_input),
            target=copy(self.target),
        )


def make_batch(sources: IdRows, targets: IdRows) -> Batch:
    """Build a batch from pieces without BOS and EOS."""
    source, source_mask = _pad(sources)
    target, target_mask = _pad(targets)
    target_input = np.full_like(target, PAD)
    target_input[:, 0] = BOS
    target_input[:, 1:] = np.where(target == EOS, PAD, target)[:, :-1]
    target_tokens = int(target_mask.sum())
    return Batch(
        source=torch.from_numpy(source),
        source_mask=torch.from_numpy(source_mask),
        target_input=torch.from_numpy(target_input),
        target=torch.from_numpy(target),
        target_tokens=target_tokens,
        padded=source.size + target.size,
        real=int(source_mask.sum()) + target_tokens,
    )


def empty_batch() -> Batch:
    """Return a batch whose loss and gradients are 0: one pair without any target token."""
    batch = make_batch([[]], [[]])
    return replace(batch, target=torch.full_like(batch.target, PAD), target_tokens=0, real=1)


def _pad(rows: IdRows) -> tuple[np.ndarray, np.ndarray]:
    """Append EOS and padding to each row: [B, width] int64, and the mask of real tokens."""
    lengths = np.array([len(row) for row in rows])
    positions = np.arange(pad_width(lengths.max() + 1))
    ids = np.full((len(rows), len(positions)), PAD, np.int64)
    ids[positions < lengths[:, None]] = np.concatenate(rows)
    ids[np.arange(len(rows)), lengths] = EOS
    return ids, positions <= lengths[:, None]


def pad_width(length: int | np.ndarray) -> Any:
    """Return the width to which a sentence of `length` tokens is padded, elementwise for an array.

    It is rounded up to a multiple of 2 (up to 64), 8 (up to 128) or 32 (above): little padding and
    few tensor shapes.
    """
    return PAD_WIDTHS[np.searchsorted(PAD_WIDTHS, length)]


def max_length(width: int) -> int:
    """Return the greatest length that is padded to `width` or less."""
    return int(PAD_WIDTHS[np.searchsorted(PAD_WIDTHS, width, side="right") - 1])


def split_by_budget(
    source_lengths: np.ndarray, target_lengths: np.ndarray, batch_tokens: int
) -> list[int]:
    """Split consecutive pairs into batches and return the end index of each batch.

    Each batch takes as many pairs as fit: pairs * widest padded side <= batch_tokens. If these are
    16 or more, and not the last ones, it takes a multiple of 8. A pair that alone exceeds the
    budget forms a batch of its own.
    """
    widths = pad_width(np.maximum(source_lengths, target_lengths))
    ends, start = [], 0
    while start < len(widths):
        candidates = widths[start : start + max(1, batch_tokens // int(widths[start]))]
        widest = np.maximum.accumulate(candidates)
        fits = widest * np.arange(1, len(widest) + 1) <= batch_tokens
        count = int(fits.sum())  # the product only grows, so the True values come first
        if count >= 2 * ROUND_PAIRS and start + count < len(widths):
            count -= count % ROUND_PAIRS
        start += max(1, count)
        ends.append(start)
    return ends


def translation_batches(sources: Sequence[Sequence[int]], batch_tokens: int) -> list[list[int]]:
    """Group sentences for translation and return their indices by batch.

    The longest come first, so that a batch too large for memory fails at once.
    """
    lengths = np.array([len(source) for source in sources], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    ends = split_by_budget(lengths[order], lengths[order], batch_tokens)
    return [rows.tolist() for rows in np.split(order, ends[:-1])] if len(order) else []
