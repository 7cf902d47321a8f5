"""Residual connections with norms, DeepNorm's constants, and the feed-forward network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.config.schema import ModelConfig
from mt.layers.dropout import Dropout
from mt.layers.norm import RMSNorm, to_autocast_dtype

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "swish": F.silu,
    "swiglu": F.silu,
}
NORMS: dict[str, Callable[[int], nn.Module]] = {"layer": nn.LayerNorm, "rms": RMSNorm}


def build_norm(config: ModelConfig) -> nn.Module:
    """Build a norm of the configured kind over the model's width."""
    return NORMS[config.transformer.norm_kind](config.dim)


class Sublayer(nn.Module):
    """Residual connection, dropout and norm around a function f.

    - pre: x + f(norm(x)) (Xiong et al. 2020)
    - post: norm(x + f(x)) (Vaswani et al. 2017)
    - sandwich: x + norm(f(norm(x))) (Ding et al. 2021, CogView)
    - deepnorm: norm(a x + f(x)), with smaller initial weights in f (Wang et al. 2022; see
      `DeepNorm`)

    Dropout applies to the term that is added to x.
    """

    def __init__(self, config: ModelConfig, residual: float = 1.0) -> None:
        super().__init__()
        self.norm_placement, self.residual = config.transformer.norm, residual
        self.norm = build_norm(config)
        has_second = self.norm_placement == "sandwich"
        self.second = build_norm(config) if has_second else nn.Identity()
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply the sublayer with this f."""
        residual, inner = self.split(x)
        return self.merge(residual, function(inner))

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual, x or a x, and the input of f, norm(x) or x."""
        if self._norm_first:
            return x, to_autocast_dtype(self.norm(x))
        return self.residual * x, x

    def merge(self, residual: Tensor, output: Tensor) -> Tensor:
        """Add the output of f to the residual; apply dropout and norms."""
        if self._norm_first:
            return residual + self.dropout(self.second(output))
        return self.norm(residual + self.dropout(output))

    @property
    def _norm_first(self) -> bool:
        return self.norm_placement in ("pre", "sandwich")


class DeepNorm:
    """The constants of DeepNorm (Wang et al. 2022, figure 2), or 1 for other norms.

    `residual` (the paper's alpha) scales x; `gain` (beta) scales initial weights. In a hybrid with
    a recurrent network, those of an encoder are the paper's for an encoder alone. Those of a
    decoder depend on its own depth only: it has three sublayers per layer, cross-attention too.
    """

    def __init__(self, config: ModelConfig, decoder: bool) -> None:
        n, m = config.transformer.encoder_layers, config.transformer.decoder_layers
        self.residual = self.gain = 1.0
        if config.transformer.norm != "deepnorm":
            return
        if decoder:
            self.residual, self.gain = (3 * m) ** 0.25, (12 * m) ** -0.25
        elif config.encoder != config.decoder:
            self.residual, self.gain = (2 * n) ** 0.25, (8 * n) ** -0.25
        else:
            depth = (n**4 * m) ** (1 / 16)
            self.residual, self.gain = 0.81 * depth, 0.87 / depth

    @torch.no_grad()
    def scale(self, layer: nn.Module) -> None:
        """Scale the initial weights of feed-forward, values and outputs, not of queries or keys."""
        if self.gain == 1.0:
            return
        for name, parameter in layer.named_parameters():
            if name.endswith(("wide.weight", "narrow.weight", "out.weight")):
                parameter.mul_(self.gain)
            elif name.endswith("key_value.weight"):
                parameter.chunk(2)[1].mul_(self.gain)


class FeedForward(nn.Module):
    """Two linear layers with an activation between (Vaswani et al. 2017, section 3.3).

    swiglu: narrow(silu(A x) * B x) (Shazeer 2020). Its inner width is two thirds of `ff_dim`, which
    keeps the number of weights.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        inner = config.transformer.ff_dim
        self.gated = config.transformer.activation == "swiglu"
        if self.gated:
            inner = max(1, round(inner * 2 / 3))
        self.wide = nn.Linear(config.dim, 2 * inner if self.gated else inner)
        self.narrow = nn.Linear(inner, config.dim)
        self.activation = ACTIVATIONS[config.transformer.activation]
        self.dropout = Dropout(config.transformer.activation_dropout)
        for weight in self.wide.weight.chunk(2 if self.gated else 1):
            nn.init.xavier_uniform_(weight)
        nn.init.xavier_uniform_(self.narrow.weight)
        for layer in (self.wide, self.narrow):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(x)
        if self.gated:
            gate, wide = wide.chunk(2, dim=-1)
            return self.narrow(self.dropout(self.activation(gate) * wide))
        return self.narrow(self.dropout(self.activation(wide)))
