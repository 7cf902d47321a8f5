"""The settings and weights that the export to CTranslate2 translates.

Whatever is not listed here is refused, so that no model is exported without one of its parts.
"""

from __future__ import annotations

import re
from typing import Any

from torch import nn

from mt.config.schema import ModelConfig

ANY = None
ENCODER_POSITIONS = ("none", "sinusoidal", "fairseq", "learned", "shaw", "t5", "rope")
# Setting -> its supported values.
MODEL_SETTINGS: dict[str, tuple[Any, ...] | None] = {
    "encoder": ("transformer",),
    "decoder": ("transformer",),
    "dim": ANY,
    "dropout": ANY,
    "tie_embeddings": ("all", "target", "none"),
    "transformer": ANY,
    "rnn": ANY,  # unused, as encoder and decoder are Transformers
}
TRANSFORMER_SETTINGS: dict[str, tuple[Any, ...] | None] = {
    "encoder_layers": ANY,
    "decoder_layers": ANY,
    "heads": ANY,
    "ff_dim": ANY,
    "kv_heads": ANY,
    "position": ANY,  # checked for each side
    "encoder_position": ENCODER_POSITIONS,
    "decoder_position": (*ENCODER_POSITIONS, "alibi"),
    "pattern": ANY,  # checked for each side
    "encoder_pattern": ("full",),
    "decoder_pattern": ("full",),
    "window": ANY,  # of patterns that are refused, as the next two
    "stride": ANY,
    "span_cost": ANY,
    "select": ("softmax",),
    "softcap": (0,),
    "qk_norm": (False, True),
    "norm": ("pre", "post", "sandwich", "deepnorm"),
    "norm_kind": ("layer", "rms"),
    "activation": ("relu", "gelu", "swish", "swiglu"),
    "recompute": ANY,  # in training only, as the next two
    "attention_dropout": ANY,
    "activation_dropout": ANY,
}
# Names of the parameters that `copy_weights` reads.
WEIGHTS = re.compile(
    r"(source_embedding|target_embedding)\.weight|output\.(weight|bias)"
    r"|(encoder|decoder)\.stack\.norm\.(weight|bias)"
    r"|(encoder|decoder)\.stack\.positions\.(embedding|table|layers\.\d+\.(key|value))\.weight"
    r"|encoder\.layers\.\d+\.attention\.((query|key_value|out)\.(weight|bias)|norms\.[01]\.weight)"
    r"|decoder\.layers\.\d+\.self_attention\."
    r"((query|key_value|out)\.(weight|bias)|norms\.[01]\.weight)"
    r"|decoder\.layers\.\d+\.cross_attention\.(query|key_value|out)\.(weight|bias)"
    r"|(encoder|decoder)\.layers\.\d+\.feed_forward\.(wide|narrow)\.(weight|bias)"
    r"|encoder\.layers\.\d+\.around_(attention|feed_forward)\.(norm|second)\.(weight|bias)"
    r"|decoder\.layers\.\d+\.around_(self|cross|feed_forward)\.(norm|second)\.(weight|bias)"
)


def obstacles(config: ModelConfig) -> list[str]:
    """Return the settings that CTranslate2 does not support, as "setting=value (only ...)".

    The list is empty if the model can be exported.
    """
    unsupported: list[str] = []
    families = {side: getattr(config, side) for side in ("encoder", "decoder")}
    sections: list[tuple[Any, dict[str, tuple[Any, ...] | None]]] = [(config, MODEL_SETTINGS)]
    if "transformer" in families.values():
        sections.append((config.transformer, TRANSFORMER_SETTINGS))
    for section, supported in sections:
        for name, value in vars(section).items():
            side, _, kind = name.partition("_")
            if kind in ("position", "pattern"):
                if families[side] != "transformer":
                    continue
                value = side_setting(config, side, kind)
            if name not in supported:
                unsupported.append(f"{name}={value} (unknown to this export)")
            elif (values := supported[name]) is not ANY and value not in values:
                shown = f"{value:g}" if isinstance(value, float) else value
                unsupported.append(f"{name}={shown} (only {', '.join(map(str, values))})")
    return unsupported


def unknown_weights(model: nn.Module) -> list[str]:
    """Return the names of the parameters that the export would leave out."""
    return [name for name, _ in model.named_parameters() if not WEIGHTS.fullmatch(name)]


def side_setting(config: ModelConfig, side: str, kind: str) -> str:
    """Return `position` or `pattern` (`kind`) of the encoder or the decoder (`side`)."""
    return getattr(config.transformer, f"{side}_{kind}") or getattr(config.transformer, kind)
