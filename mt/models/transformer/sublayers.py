"""What a Transformer layer has around and beside attention: residual connection with norm, and feed-forward."""

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
    "swiglu": F.silu,
}
NORMS: dict[str, Callable[[int], nn.Module]] = {"layer": nn.LayerNorm, "rms": RMSNorm}


def build_norm(config: ModelConfig) -> nn.Module:
    """The norm of that kind over the model's width."""
    return NORMS[config.transformer.norm_kind](config.dim)


class Sublayer(nn.Module):
    """Residual connection, dropout and norm around a function f.

    - pre: x + f(norm(x)) (Xiong et al. 2020)
    - post: norm(x + f(x)) (Vaswani et al. 2017)
    - sandwich: x + norm(f(norm(x))) (Ding et al. 2021, CogView)
    - deepnorm: norm(a x + f(x)), with smaller initial weights in f (Wang et al. 2022; see
      `DeepNorm`)
    """

    def __init__(self, config: ModelConfig, residual: float = 1.0) -> None:
        super().__init__()
        self.norm_placement, self.residual = config.transformer.norm, residual
        self.norm = build_norm(config)
        self.second = build_norm(config) if self.norm_placement == "sandwich" else nn.Identity()
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm_placement in ("pre", "sandwich"):
            return x + self.dropout(self.second(function(to_autocast_dtype(self.norm(x)))))
        return self.norm(self.residual * x + self.dropout(function(x)))


class DeepNorm:
    """The two constants of a stack (Wang et al. 2022, figure 2): `residual` scales x, `gain` initial weights.

    Those of an encoder-decoder; in a hybrid, of a stack that stands alone.
    """

    def __init__(self, config: ModelConfig, decoder: bool) -> None:
        encoder_layers, decoder_layers = (
            config.transformer.encoder_layers,
            config.transformer.decoder_layers,
        )
        self.residual = self.gain = 1.0
        if config.transformer.norm != "deepnorm":
            return
        if config.encoder != config.decoder:
            layers = decoder_layers if decoder else encoder_layers
            self.residual, self.gain = (2 * layers) ** 0.25, (8 * layers) ** -0.25
        elif decoder:
            self.residual, self.gain = (3 * decoder_layers) ** 0.25, (12 * decoder_layers) ** -0.25
        else:
            depth = (encoder_layers**4 * decoder_layers) ** (1 / 16)
            self.residual, self.gain = 0.81 * depth, 0.87 / depth

    @torch.no_grad()
    def scale(self, layer: nn.Module) -> None:
        """Shrink what a layer begins with: feed-forward, values and output projections; queries and keys stay."""
        if self.gain == 1.0:
            return
        for name, parameter in layer.named_parameters():
            if name.endswith(("wide.weight", "narrow.weight", "out.weight")):
                parameter.mul_(self.gain)
            elif name.endswith("key_value.weight"):
                parameter.chunk(2)[1].mul_(self.gain)


class FeedForward(nn.Module):
    """Two linear layers with a non-linearity between, at each position (Vaswani et al. 2017, section 3.3).

    swiglu: narrow(silu(A x) * B x) (Shazeer 2020); its inner width is two thirds of `ff_dim`, so
    that weights are as many.
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
        for half in self.wide.weight.chunk(2 if self.gated else 1):
            nn.init.xavier_uniform_(half)
        nn.init.xavier_uniform_(self.narrow.weight)
        for layer in (self.wide, self.narrow):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.wide(x)
        if self.gated:
            gate, wide = wide.chunk(2, dim=-1)
            return self.narrow(self.dropout(self.activation(gate) * wide))
        return self.narrow(self.dropout(self.activation(wide)))
