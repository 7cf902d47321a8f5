"""Position schemes: how a Transformer learns where a token stands.

A scheme may act in four places: on the embeddings, on queries and keys, on the scores, on the
context. Positions are always passed explicitly, so that decoding step by step is right by
construction. Schemes of relative positions act in self-attention only: source and target positions
are not comparable.

Shapes: `...` are dimensions that queries, keys and, where they have them, positions share; H heads,
T queries, S keys.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mt.config.schema import TransformerConfig

ALL_HEADS = slice(None)  # all heads


class PositionScheme(nn.Module):
    """Base class of position schemes. Each subclass overrides the methods through which it acts."""

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        """The embeddings x [B, T, D] at positions [T], with what they say about positions."""
        return x

    def rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        """Queries or keys x [B, H, T, D] at positions [T]."""
        return x

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor | None:
        """What is added to the scores of query [..., H, T, D], whose heads are `heads` of all; broadcastable to [..., H, T, S]."""
        return None

    def context_bias(
        self, weights: Tensor, query_positions: Tensor, key_positions: Tensor
    ) -> Tensor | None:
        """What is added to the context [..., H, T, D] where the weights are [..., H, T, S]. It takes the eager kernel."""
        return None

    def for_layer(self, layer: int) -> PositionScheme:
        """The scheme of one layer, for schemes that differ between layers."""
        return self


class NoPositions(PositionScheme):
    """No position information."""


class SinusoidalPositions(PositionScheme):
    """Fixed sinusoids of geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).

    Sines fill the first half of the vector and cosines the second, a permutation of the paper's
    interleaving. They are computed from the positions at each call, so there is no longest length.
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


class LearnedPositions(PositionScheme):
    """One trained vector a position (Gehring et al. 2017); positions past the last share its vector.

    They begin with unit variance, as torch does and as the token embeddings have that they are
    added to.
    """

    def __init__(self, dim: int, longest: int = 1024) -> None:
        super().__init__()
        self.embedding = nn.Embedding(longest, dim)

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        return x + self.embedding(positions.clamp(max=self.embedding.num_embeddings - 1)).to(
            x.dtype
        )


class RotaryPositions(PositionScheme):
    """RoPE (Su et al. 2021, equation 34): query and key are rotated by their positions, so that their product depends on the
    distance. Element i is paired with element i + D / 2 (a permutation of the paper's
    neighbours)."""

    frequencies: Tensor  # [D / 2]

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer(
            "frequencies", 10_000 ** (-torch.arange(0, dim, 2) / dim), persistent=False
        )

    def rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = positions[:, None].float() * self.frequencies
        cosine, sine = angles.cos(), angles.sin()
        first, second = x.float().chunk(2, dim=-1)
        return torch.cat(
            (first * cosine - second * sine, second * cosine + first * sine), dim=-1
        ).to(x.dtype)


def relative_positions(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Key position minus query position: [..., T], [..., S] -> [..., T, S]."""
    return key_positions[..., None, :] - query_positions[..., :, None]


class ALiBi(PositionScheme):
    """A penalty that grows with the distance, at a rate of its own in each head (Press et al. 2021).

    The paper's form is for causal attention. Where a query sees both sides, the same penalty on
    both would not tell left from right, so keys to the right get the rate of the mirrored head:
    head 1 looks far to one side, the last to the other.
    """

    left: Tensor  # [H, 1, 1]
    right: Tensor

    def __init__(self, heads: int) -> None:
        super().__init__()
        rates = torch.tensor(alibi_slopes(heads))
        self.register_buffer("left", rates[:, None, None], persistent=False)
        self.register_buffer("right", rates.flip(0)[:, None, None], persistent=False)

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor:
        offset = relative_positions(query_positions, key_positions)[..., None, :, :].float()
        return torch.where(offset <= 0, self.left[heads] * offset, -self.right[heads] * offset)


def alibi_slopes(heads: int) -> list[float]:
    """2^(-8 h / H) for h = 1 .. H where H is a power of two; else those of the next smaller one, and every second of the larger."""
    power = 2 ** math.floor(math.log2(heads))
    rates = [2.0 ** (-8 * h / power) for h in range(1, power + 1)]
    return rates + [2.0 ** (-4 * h / power) for h in range(1, 2 * power + 1, 2)][: heads - power]


class T5Buckets(PositionScheme):
    """A trained number for each head and each bucket of distances, the same in all layers (Raffel et al. 2020, section 2.1).

    The nearer half of the buckets holds one distance each, the other half ever wider ranges up to
    128; beyond, all is one. Where a query sees both sides, each side has half of the buckets.
    """

    def __init__(
        self, dim: int, heads: int, causal: bool, buckets: int = 32, max_distance: int = 128
    ) -> None:
        super().__init__()
        self.causal, self.buckets, self.max_distance = causal, buckets, max_distance
        self.table = nn.Embedding(buckets, heads)
        nn.init.normal_(self.table.weight, std=dim**-0.5)

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor:
        return self.table(self.bucket(relative_positions(query_positions, key_positions))).movedim(
            -1, -3
        )[..., heads, :, :]

    def bucket(self, offset: Tensor) -> Tensor:
        """Key minus query position -> bucket, of the same shape."""
        each, first = self.buckets, torch.zeros_like(offset)
        if not self.causal:
            each //= 2
            first = (offset > 0) * each
        distance = offset.clamp(max=0).abs() if self.causal else offset.abs()
        exact = each // 2
        spread = torch.log(distance.clamp(min=1).float() / exact) / math.log(
            self.max_distance / exact
        )
        far = exact + (spread * (each - exact)).long()
        return first + torch.where(distance < exact, distance, far.clamp(max=each - 1))


class ShawPositions(PositionScheme):
    """Trained vectors for each distance up to `clip`, added to keys and to values (Shaw et al. 2018, equations 3 and 4).

    Each layer has its own, which its heads share. Distances beyond `clip` share the vectors of the
    max_distance.
    """

    def __init__(self, head_dim: int, layers: int, clip: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ShawLayer(head_dim, clip) for _ in range(layers))

    def for_layer(self, layer: int) -> PositionScheme:
        return self.layers[layer]  # type: ignore[return-value]


class ShawLayer(PositionScheme):
    """One layer of `ShawPositions`."""

    def __init__(self, head_dim: int, clip: int) -> None:
        super().__init__()
        self.clip = clip
        self.key, self.value = (nn.Embedding(2 * clip + 1, head_dim) for _ in range(2))
        for table in (self.key, self.value):
            nn.init.xavier_uniform_(table.weight)

    def bias(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor:
        # Products with the few vectors that there are, then one of them for each key.
        products = (query * query.shape[-1] ** -0.5) @ self.key.weight.T.to(
            query.dtype
        )  # [..., H, T, 2 clip + 1]
        index = self._index(query_positions, key_positions)
        return products.gather(-1, index.expand(*products.shape[:-1], index.shape[-1]))

    def context_bias(
        self, weights: Tensor, query_positions: Tensor, key_positions: Tensor
    ) -> Tensor:
        index = self._index(query_positions, key_positions).expand(weights.shape)
        each = weights.new_zeros(*weights.shape[:-1], 2 * self.clip + 1).scatter_add(
            -1, index, weights
        )  # by distance
        return each @ self.value.weight

    def _index(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        return (
            relative_positions(query_positions, key_positions).clamp(-self.clip, self.clip)
            + self.clip
        )[..., None, :, :]


# Name -> scheme of one side, from (config, width, layers, whether its self-attention is causal).
POSITIONS = {
    "none": lambda config, dim, layers, causal: NoPositions(),
    "sinusoidal": lambda config, dim, layers, causal: SinusoidalPositions(dim),
    "learned": lambda config, dim, layers, causal: LearnedPositions(dim),
    "shaw": lambda config, dim, layers, causal: ShawPositions(dim // config.heads, layers),
    "t5": lambda config, dim, layers, causal: T5Buckets(dim, config.heads, causal),
    "alibi": lambda config, dim, layers, causal: ALiBi(config.heads),
    "rope": lambda config, dim, layers, causal: RotaryPositions(dim // config.heads),
}


def build_positions(
    name: str, config: TransformerConfig, dim: int, layers: int, causal: bool
) -> PositionScheme:
    """The position scheme of that name, for a stack of `layers` layers of width `dim`."""
    return POSITIONS[name](config, dim, layers, causal)
