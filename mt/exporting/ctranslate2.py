"""A trained Transformer as a CTranslate2 model: declare what it has, fill in the weights, validate; or say all that stands in the way.

CTranslate2 (https://opennmt.net/CTranslate2) runs Transformers in C++ on CPUs and GPUs. What it can
express is in its `ctranslate2.specs`; that each mechanism here means the same there is tested on
random weights (tests/exporting/test_ctranslate2.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from mt.attention.transformer.multihead import MultiHeadAttention
from mt.attention.transformer.positions import PositionScheme, ShawLayer, T5Buckets
from mt.config.schema import ModelConfig
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS, UNK
from mt.models.seq2seq import Seq2Seq
from mt.models.transformer.encoder_decoder import (
    DecoderLayer,
    EncoderLayer,
    TransformerDecoder,
    TransformerEncoder,
)
from mt.models.transformer.stack import Stack
from mt.models.transformer.sublayers import FeedForward, Sublayer
from mt.optional import require

QUANTIZATIONS = (
    "float32",
    "float16",
    "bfloat16",
    "int16",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
)
ENCODER_POSITIONS = ("none", "sinusoidal", "learned", "shaw", "t5", "rope")
DECODER_POSITIONS = (*ENCODER_POSITIONS, "alibi")
ADDED = ("none", "sinusoidal", "learned")  # exported as a table of vectors, which has an end


def obstacles(config: ModelConfig) -> list[str]:
    """What CTranslate2's Transformer has no place for, as setting=value (what there is instead); empty where it can be exported."""
    transformer = config.transformer
    found: list[str] = []
    for side in ("encoder", "decoder"):
        if (family := getattr(config, side)) != "transformer":
            found.append(f"{side}={family} (only transformer)")
            continue
        possible = ENCODER_POSITIONS if side == "encoder" else DECODER_POSITIONS
        position, pattern = (side_setting(config, side, kind) for kind in ("position", "pattern"))
        if position not in possible:
            found.append(f"{side}_position={position} (only {', '.join(possible)})")
        if pattern != "full":
            found.append(f"{side}_pattern={pattern} (only full)")
    if "transformer" in (config.encoder, config.decoder):
        if transformer.select != "softmax":
            found.append(f"select={transformer.select} (only softmax)")
        if transformer.softcap:
            found.append(f"softcap={transformer.softcap:g} (only 0)")
    return found


def side_setting(config: ModelConfig, side: str, kind: str) -> str:
    """`position` or `pattern` of the encoder or the decoder."""
    return getattr(config.transformer, f"{side}_{kind}") or getattr(config.transformer, kind)


def table_length(config: ModelConfig, longest: int) -> int:
    """How many tokens a source or an output may have: `longest` where positions are a table of as many rows, else 0 for any number."""
    return (
        longest
        if any(side_setting(config, side, "position") in ADDED for side in ("encoder", "decoder"))
        else 0
    )


def write_model(
    folder: Path,
    model: Seq2Seq,
    config: ModelConfig,
    tokenizer: Tokenizer,
    quantization: str,
    longest: int,
) -> None:
    """Write model.bin, config.json and vocabularies into an existing folder.

    `longest`: rows of the tables of positions, as `table_length` gives it. The model must have no
    `obstacles`.
    """
    spec = declare(config)
    fill(spec, model, config, longest)
    for side, register in (
        ("src", spec.register_source_vocabulary),
        ("tgt", spec.register_target_vocabulary),
    ):
        register(tokenizer.pieces(range(tokenizer.vocab_size(side)), side))
    pieces = tokenizer.pieces(range(EOS + 1))
    spec.config.bos_token = spec.config.decoder_start_token = pieces[BOS]
    spec.config.eos_token, spec.config.unk_token, spec.config.add_source_eos = (
        pieces[EOS],
        pieces[UNK],
        True,
    )
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))


def declare(config: ModelConfig) -> Any:
    """An empty `TransformerSpec` of this architecture."""
    specs = require("ctranslate2", "ctranslate2").specs
    transformer = config.transformer
    activations = {
        "relu": specs.Activation.RELU,
        "gelu": specs.Activation.GELU,
        "swiglu": specs.Activation.SWISH,
    }
    shared = {
        "pre_norm": transformer.norm in ("pre", "sandwich"),
        "pre_post_layer_norm": transformer.norm == "sandwich",
        "activation": activations[transformer.activation],
        "ffn_glu": transformer.activation == "swiglu",
        "rms_norm": transformer.norm_kind == "rms",
        "num_heads_kv": transformer.kv_heads or None,
        "qk_norm": transformer.qk_norm,
    }
    sides = []
    for side in ("encoder", "decoder"):
        position = side_setting(config, side, "position")
        own = {
            "relative_position": position == "shaw",
            "relative_attention_bias": position == "t5",
            "rotary_dim": 0 if position == "rope" else None,  # 0: all of a head
            "rotary_interleave": False,
        }
        if side == "decoder":
            own |= {
                "alibi": position == "alibi",
                "external_pre_post_encoder_layers": transformer.norm == "sandwich",
            }
        build = specs.TransformerEncoderSpec if side == "encoder" else specs.TransformerDecoderSpec
        sides.append(
            build(getattr(transformer, f"{side}_layers"), transformer.heads, **shared, **own)
        )
    spec = specs.TransformerSpec(*sides)
    if transformer.qk_norm:
        for layer in spec.decoder.layer:  # declared for cross-attention too, which has none here
            del layer.attention.q_norm, layer.attention.k_norm
    return spec


@torch.no_grad()
def fill(spec: Any, model: Seq2Seq, config: ModelConfig, longest: int) -> None:
    """Put the model's weights where the spec has a place for them."""
    encoder, decoder = (
        cast(TransformerEncoder, model.encoder),
        cast(TransformerDecoder, model.decoder),
    )
    spec.encoder.embeddings[0].weight = array(cast(nn.Embedding, model.source_embedding).weight)
    spec.decoder.embeddings.weight = array(cast(nn.Embedding, model.target_embedding).weight)
    fill_linear(spec.decoder.projection, model.output)
    for side, part, place in (
        ("encoder", encoder, spec.encoder),
        ("decoder", decoder, spec.decoder),
    ):
        if side_setting(config, side, "position") in ADDED:
            place.position_encodings.encodings = position_table(
                part.stack.positions, config.dim, longest
            )
        if not isinstance(part.stack.norm, nn.Identity):
            fill_norm(place.layer_norm, part.stack.norm)
    for number, layer in enumerate(cast(Sequence[EncoderLayer], encoder.layers)):
        place = spec.encoder.layer[number]
        fill_self_attention(place, layer.attention, layer.around_attention, encoder.stack, number)
        fill_feed_forward(place, layer.feed_forward, layer.around_feed_forward)
    for number, each in enumerate(cast(Sequence[DecoderLayer], decoder.layers)):
        place = spec.decoder.layer[number]
        fill_self_attention(place, each.self_attention, each.around_self, decoder.stack, number)
        fill_cross_attention(place, each.cross_attention, each.around_cross)
        fill_feed_forward(place, each.feed_forward, each.around_feed_forward)


def fill_self_attention(
    place: Any, attention: MultiHeadAttention, around: Sublayer, stack: Stack, number: int
) -> None:
    spec = place.self_attention
    spec.linear[0].weight = array(torch.cat((attention.query.weight, attention.key_value.weight)))
    spec.linear[0].bias = array(torch.cat((attention.query.bias, attention.key_value.bias)))
    fill_linear(spec.linear[1], attention.out, around)
    fill_norms(around, place, spec, "input_layer_norm", "post_attention_layer_norm")
    if attention.norms is not None:
        fill_norm(spec.q_norm, attention.norms[0])
        fill_norm(spec.k_norm, attention.norms[1])
    scheme = stack.positions.for_layer(number)
    if isinstance(scheme, ShawLayer):
        spec.relative_position_keys, spec.relative_position_values = (
            array(scheme.key.weight),
            array(scheme.value.weight),
        )
    if isinstance(scheme, T5Buckets):
        spec.relative_attention_bias = array(scheme.table.weight)
        spec.relative_attention_max_distance = np.int32(scheme.max_distance)


def fill_cross_attention(place: Any, attention: MultiHeadAttention, around: Sublayer) -> None:
    spec = place.attention
    fill_linear(spec.linear[0], attention.query)
    fill_linear(spec.linear[1], attention.key_value)
    fill_linear(spec.linear[2], attention.out, around)
    fill_norms(
        around,
        place,
        spec,
        "external_pre_encoder_attention_layer_norm",
        "external_post_encoder_attention_layer_norm",
    )


def fill_feed_forward(place: Any, layer: FeedForward, around: Sublayer) -> None:
    spec = place.ffn
    if layer.gated:
        (gate, wide), (gate_bias, wide_bias) = layer.wide.weight.chunk(2), layer.wide.bias.chunk(2)
        spec.linear_0.weight, spec.linear_0.bias = array(gate), array(gate_bias)
        spec.linear_0_noact.weight, spec.linear_0_noact.bias = array(wide), array(wide_bias)
    else:
        fill_linear(spec.linear_0, layer.wide)
    fill_linear(spec.linear_1, layer.narrow, around)
    fill_norms(around, place, spec, "pre_feedforward_layer_norm", "post_feedforward_layer_norm")


def fill_linear(spec: Any, linear: nn.Linear, around: Sublayer | None = None) -> None:
    """A matrix and its bias; the last of a sublayer `around`, whose residual connection may have a factor.

    DeepNorm's norm(a x + f(x)) is norm(x + f(x) / a), but for the norm's epsilon of 1e-5 beside a
    variance near 1.
    """
    factor = 1.0 if around is None else 1.0 / around.residual
    spec.weight, spec.bias = array(linear.weight * factor), array(linear.bias * factor)


def fill_norms(around: Sublayer, layer: Any, sublayer: Any, before: str, after: str) -> None:
    """The norm of a sublayer stands in its own spec; two, `before` and `after`, stand in that of the layer."""
    if around.norm_placement != "sandwich":
        fill_norm(sublayer.layer_norm, around.norm)
        return
    fill_norm(getattr(layer, before), around.norm)
    fill_norm(getattr(layer, after), around.second)


def fill_norm(spec: Any, norm: nn.Module) -> None:
    spec.gamma = array(cast(Tensor, norm.weight))
    if isinstance(norm, nn.LayerNorm):
        spec.beta = array(norm.bias)


def position_table(scheme: PositionScheme, dim: int, longest: int) -> np.ndarray:
    """What a scheme adds to embeddings at each position, [longest, dim]. CTranslate2's own sinusoids have other wavelengths."""
    return array(scheme.add(torch.zeros(1, longest, dim), torch.arange(longest))[0])


def array(weight: Tensor) -> np.ndarray:
    return weight.detach().float().cpu().numpy().copy()  # quantisation changes it in place
