"""Position schemes: how a Transformer encodes the order of tokens.

Relative schemes act in self-attention only, because source and target positions are not comparable.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from mt.attention.transformer.position_scheme import (
    ALL_HEADS,
    PositionScheme,
    relative_positions,
)
from mt.config.schema import TransformerConfig
from mt.layers.norm import to_float32


class NoPositions(PositionScheme):
    """No position information."""

    distances_only = True


class SinusoidalPositions(PositionScheme):
    """Fixed sinusoids with geometrically spaced wavelengths (Vaswani et al. 2017, section 3.5).

    Sines fill the first half of the vector and cosines the second, a permutation of the paper's
    interleaved order. They are computed at each call, so that there is no maximum length.
    """

    distances_only = True

    frequencies: Tensor  # [D / 2]

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"the width of sinusoidal positions must be even, got {dim}")
        frequencies = torch.exp(torch.arange(dim // 2) * (-math.log(10_000) / self.steps(dim)))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def steps(self, dim: int) -> int:
        """Return in how many equal ratios the frequencies fall from 1 to 1 / 10,000."""
        return dim // 2

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = positions[:, None].float() * self.frequencies
        return x + torch.cat((angles.sin(), angles.cos()), dim=-1).to(x.dtype)


class FairseqPositions(SinusoidalPositions):
    """Sinusoids as fairseq computes them, after tensor2tensor (Ott et al. 2019).

    The lowest frequency is 1 / 10,000; that of the paper is somewhat higher. Positions count from
    2, because those of fairseq follow the id of padding, which is 1.
    """

    def steps(self, dim: int) -> int:
        return max(1, dim // 2 - 1)

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        return super().add(x, positions + 2)


class LearnedPositions(PositionScheme):
    """A trained vector per position (Gehring et al. 2017). Later positions share the last vector.

    Initialised with unit variance, PyTorch's default and the variance of the token embeddings.
    """

    distances_only = True

    def __init__(self, dim: int, max_positions: int = 1024) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max_positions, dim)

    def add(self, x: Tensor, positions: Tensor) -> Tensor:
        last = self.embedding.num_embeddings - 1
        return x + self.embedding(positions.clamp(max=last)).to(x.dtype)


class RotaryPositions(PositionScheme):
    """RoPE: rotated queries and keys, whose products depend on relative positions.

    See Su et al. 2021, equation 34. Element i is paired with element i + D / 2, a permutation of
    the paper's neighbouring pairs.
    """

    distances_only = True

    frequencies: Tensor  # [D / 2]

    def __init__(self, dim: int) -> None:
        super().__init__()
        frequencies = 10_000 ** (-torch.arange(0, dim, 2) / dim)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = positions[:, None].float() * self.frequencies
        rotated: Tensor = _Rotation.apply(x, angles.cos(), angles.sin())
        return rotated


class _Rotation(torch.autograd.Function):
    """`rotate_pairs`, whose gradient is rotated back: fewer operations than autograd would take."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return rotate_pairs(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        cos, sin = ctx.saved_tensors
        return rotate_pairs(grads[0], cos, -sin), None, None


def rotate_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate elements i and i + D / 2 of x [..., T, D] by angles with cos and sin [T, D / 2]."""
    # Not in place on halves, which the export to ONNX would get wrong.
    values = to_float32(x)
    first, second = values.chunk(2, dim=-1)
    swapped = torch.cat((second, first), dim=-1)
    cos, sin = torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)
    return torch.addcmul(values * cos, swapped, sin).to(x.dtype)


class ALiBi(PositionScheme):
    """A penalty linear in the distance, with a slope per head (Press et al. 2021).

    The paper treats causal attention only. In bidirectional attention, equal slopes on both sides
    could not tell left from right. Keys to the right therefore get the slope of the mirrored head:
    the first head sees far to one side, the last head to the other.
    """

    distances_only = True

    left: Tensor  # slopes [H, 1, 1]
    right: Tensor

    def __init__(self, heads: int) -> None:
        super().__init__()
        slopes = torch.tensor(alibi_slopes(heads))
        self.register_buffer("left", slopes[:, None, None], persistent=False)
        self.register_buffer("right", slopes.flip(0)[:, None, None], persistent=False)

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
    """Return 2^(-8 h / H) for h = 1, ..., H if H is a power of two.

    Otherwise, take the slopes for the largest power of two below H, then every second slope of
    twice that power, as the authors do.
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8 * h / power) for h in range(1, power + 1)]
    return slopes + [2.0 ** (-4 * h / power) for h in range(1, 2 * power + 1, 2)][: heads - power]


class T5Buckets(PositionScheme):
    """T5's relative position bias: a scalar per head and bucket of distances, shared by all layers.

    See Raffel et al. 2020, section 2.1. The first half of the buckets holds one distance each, the
    second half logarithmically growing ranges up to `max_distance`, beyond which all distances
    share the last bucket. In bidirectional attention, each side has half of the buckets.
    """

    distances_only = True

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
        buckets = self.bucket(relative_positions(query_positions, key_positions))
        return self.table(buckets).movedim(-1, -3)[..., heads, :, :]

    def bucket(self, offset: Tensor) -> Tensor:
        """Map relative positions (key minus query) to buckets, elementwise."""
        buckets, first = self.buckets, torch.zeros_like(offset)
        if not self.causal:
            buckets //= 2  # per side
            first = (offset > 0) * buckets
        distance = offset.clamp(max=0).abs() if self.causal else offset.abs()
        exact = buckets // 2
        log_ratio = torch.log(distance.clamp(min=1).float() / exact)
        log_ratio = log_ratio / math.log(self.max_distance / exact)
        far = exact + (log_ratio * (buckets - exact)).long()
        return first + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))


class ShawPositions(PositionScheme):
    """Trained vectors per relative position, added to keys and values.

    See Shaw et al. 2018, equations 3 and 4. Relative positions are clipped to [-clip, clip]. The
    heads of a layer share its vectors.
    """

    def __init__(self, head_dim: int, layers: int, clip: int = 16) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ShawLayer(head_dim, clip) for _ in range(layers))

    def for_layer(self, layer: int) -> PositionScheme:
        return self.layers[layer]  # type: ignore[return-value]


class ShawLayer(PositionScheme):
    """The vectors of one layer of `ShawPositions`."""

    distances_only = True

    def __init__(self, head_dim: int, clip: int) -> None:
        super().__init__()
        self.clip = clip
        self.key, self.value = (nn.Embedding(2 * clip + 1, head_dim) for _ in range(2))
        for table in (self.key, self.value):
            nn.init.xavier_uniform_(table.weight)

    def key_products(
        self,
        query: Tensor,
        query_positions: Tensor,
        key_positions: Tensor,
        heads: slice = ALL_HEADS,
    ) -> Tensor:
        # One product per vector, [..., H, T, 2 clip + 1]; then select one for each key.
        vectors = self.key.weight.T.to(query.dtype)
        products = (query * query.shape[-1] ** -0.5) @ vectors
        index = self._index(query_positions, key_positions)
        return products.gather(-1, index.expand(*products.shape[:-1], index.shape[-1]))

    def context_bias(
        self, weights: Tensor, query_positions: Tensor, key_positions: Tensor
    ) -> Tensor:
        # Sum the weights of each relative position, [..., H, T, 2 clip + 1].
        index = self._index(query_positions, key_positions).expand(weights.shape)
        sums = weights.new_zeros(*weights.shape[:-1], 2 * self.clip + 1)
        return sums.scatter_add(-1, index, weights) @ self.value.weight

    def _index(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Return the row of each pair in the tables, [..., 1, T, S]."""
        offset = relative_positions(query_positions, key_positions)
        return (offset.clamp(-self.clip, self.clip) + self.clip)[..., None, :, :]


# Name -> scheme of one side, from (config, width, layers, whether its self-attention is causal).
POSITIONS = {
    "none": lambda config, dim, layers, causal: NoPositions(),
    "sinusoidal": lambda config, dim, layers, causal: SinusoidalPositions(dim),
    "fairseq": lambda config, dim, layers, causal: FairseqPositions(dim),
    "learned": lambda config, dim, layers, causal: LearnedPositions(dim),
    "shaw": lambda config, dim, layers, causal: ShawPositions(dim // config.heads, layers),
    "t5": lambda config, dim, layers, causal: T5Buckets(dim, config.heads, causal),
    "alibi": lambda config, dim, layers, causal: ALiBi(config.heads),
    "rope": lambda config, dim, layers, causal: RotaryPositions(dim // config.heads),
}


def build_positions(
    name: str, config: TransformerConfig, dim: int, layers: int, causal: bool
) -> PositionScheme:
    """Build the position scheme with that name, for a stack of `layers` layers of width `dim`."""
    return POSITIONS[name](config, dim, layers, causal)
