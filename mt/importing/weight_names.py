"""The parameters of a Transformer under the names of the hub's models and under those of mt.

MarianMT, M2M-100 and NLLB-200 are Transformers with the names of BART. They differ from mt in that
keys and values are two matrices.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# Part of a layer in mt -> in the hub's models. Parts that stand together are concatenated.
ATTENTION = {"query": ("q_proj",), "key_value": ("k_proj", "v_proj"), "out": ("out_proj",)}
ENCODER_NORMS = {
    "around_attention.norm": "self_attn_layer_norm",
    "around_feed_forward.norm": "final_layer_norm",
}
DECODER_NORMS = {
    "around_self.norm": "self_attn_layer_norm",
    "around_cross.norm": "encoder_attn_layer_norm",
    "around_feed_forward.norm": "final_layer_norm",
}
FEED_FORWARD = {"feed_forward.wide": "fc1", "feed_forward.narrow": "fc2"}
ATTENTIONS = {
    "encoder": {"attention": "self_attn"},
    "decoder": {"self_attention": "self_attn", "cross_attention": "encoder_attn"},
}


def layer_names(side: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the linear layers and norms in a layer of a side: of mt, of the hub."""
    names = {
        f"{own}.{part}": tuple(f"{other}.{each}" for each in parts)
        for own, other in ATTENTIONS[side].items()
        for part, parts in ATTENTION.items()
    }
    norms = ENCODER_NORMS if side == "encoder" else DECODER_NORMS
    return names | {own: (other,) for own, other in (FEED_FORWARD | norms).items()}


def parameter_names(layers: dict[str, int], final_norms: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each parameter in mt, except embeddings and output, and in the hub's model.

    `layers` has the number of layers of each side.
    """
    for side, count in layers.items():
        modules = {
            f"layers.{number}.{own}": [f"layers.{number}.{other}" for other in others]
            for number in range(count)
            for own, others in layer_names(side).items()
        }
        if final_norms:
            modules["stack.norm"] = ["layer_norm"]
        for own, others in modules.items():
            for kind in ("weight", "bias"):
                yield f"{side}.{own}.{kind}", [f"model.{side}.{each}.{kind}" for each in others]


def to_mt(
    tensors: dict[str, Tensor], layers: dict[str, int], final_norms: bool
) -> dict[str, Tensor]:
    """Return the parameters of both stacks under the names of mt. Raises KeyError if one lacks."""
    return {
        own: torch.cat([tensors[other] for other in others])
        for own, others in parameter_names(layers, final_norms)
    }


def to_hub(
    tensors: dict[str, Tensor], layers: dict[str, int], final_norms: bool
) -> dict[str, Tensor]:
    """Return the parameters of both stacks under the names of the hub: the inverse of `to_mt`."""
    return {
        other: part
        for own, others in parameter_names(layers, final_norms)
        for other, part in zip(others, tensors[own].chunk(len(others)), strict=True)
    }
