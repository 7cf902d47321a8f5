"""Position schemes: how a Transformer learns where a token stands. Positions are always passed explicitly."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class NoPositions(nn.Module):
    """No position information: the base that every scheme overrides where it acts."""

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        """What is added to the embeddings x [B, T, D] at positions [T]."""
        return x


class SinusoidalPositions(NoPositions):
    """Fixed sinusoids of geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).

    Sines fill the first half of the vector and cosines the second, a permutation of the paper's interleaving. They are
    computed from the positions at each call, so there is no longest length.
    """

    frequencies: Tensor  # [D / 2]

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"sinusoidal positions need an even width, not {dim}")
        frequencies = torch.exp(torch.arange(dim // 2) * (-math.log(10_000) / (dim // 2)))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = positions[:, None].float() * self.frequencies
        return x + torch.cat((angles.sin(), angles.cos()), dim=-1).to(x.dtype)


class LearnedPositions(NoPositions):
    """One trained vector a position (Gehring et al. 2017); positions past the last share its vector.

    They begin with unit variance, as torch does and as the token embeddings have that they are added to.
    """

    def __init__(self, dim: int, longest: int = 1024) -> None:
        super().__init__()
        self.embedding = nn.Embedding(longest, dim)

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        return x + self.embedding(positions.clamp(max=self.embedding.num_embeddings - 1)).to(x.dtype)


def build_positions(name: str, dim: int) -> NoPositions:
    """The position scheme of that name."""
    return {"none": lambda _: NoPositions(), "sinusoidal": SinusoidalPositions, "learned": LearnedPositions}[name](dim)
