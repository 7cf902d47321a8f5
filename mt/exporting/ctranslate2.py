"""Export of Transformers to CTranslate2: build a model specification and copy the weights into it.

CTranslate2 (https://opennmt.net/CTranslate2) runs Transformers in C++ on CPUs and GPUs. Its
`ctranslate2.specs` defines the supported architectures. For each mechanism,
tests/exporting/test_ctranslate2.py compares both implementations on random weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from mt.attention.transformer.multihead import MultiHeadAttention
from mt.attention.transformer.position_scheme import PositionScheme
from mt.attention.transformer.positions import ShawLayer, T5Buckets
from mt.config.model_schema import ADDED_POSITION_NAMES
from mt.config.schema import ModelConfig
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS, UNK
from mt.exporting.ctranslate2_support import side_setting
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
# Exported as a table of vectors, which limits the length of the text.
TABLE_POSITIONS = ADDED_POSITION_NAMES


def max_positions(config: ModelConfig, longest: int) -> int:
    """Return the maximum length in tokens of the exported model; 0: unlimited.

    It is `longest` if a side of the model has a table of positions, which then gets that many rows.
    """
    positions = [side_setting(config, side, "position") for side in ("encoder", "decoder")]
    return longest if any(position in TABLE_POSITIONS for position in positions) else 0


def write_model(
    folder: Path,
    model: Seq2Seq,
    config: ModelConfig,
    tokenizer: Tokenizer,
    quantization: str,
    longest: int,
) -> None:
    """Write model.bin, config.json and vocabularies into an existing folder.

    `longest` is the number of rows of position tables, from `max_positions`.
    `ctranslate2_support` says which models can be exported.
    """
    spec = build_spec(config)
    copy_weights(spec, model, config, longest)
    for side, register in (
        ("src", spec.register_source_vocabulary),
        ("tgt", spec.register_target_vocabulary),
    ):
        register(tokenizer.pieces(range(tokenizer.vocab_size(side)), side))
    pieces = tokenizer.pieces(range(EOS + 1))
    spec.config.bos_token = spec.config.decoder_start_token = pieces[BOS]
    spec.config.eos_token, spec.config.unk_token = pieces[EOS], pieces[UNK]
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))


def build_spec(config: ModelConfig) -> Any:
    """Build a `TransformerSpec` of this architecture, without weights."""
    specs = require("ctranslate2", "ctranslate2").specs
    transformer = config.transformer
    activations = {
        "relu": specs.Activation.RELU,
        "gelu": specs.Activation.GELU,
        "swish": specs.Activation.SWISH,
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
        side_options = {
            "relative_position": position == "shaw",
            "relative_attention_bias": position == "t5",
            "rotary_dim": 0 if position == "rope" else None,  # 0: the whole head
            "rotary_interleave": False,
        }
        if side == "decoder":
            side_options |= {
                "alibi": position == "alibi",
                "external_pre_post_encoder_layers": transformer.norm == "sandwich",
            }
        build = specs.TransformerEncoderSpec if side == "encoder" else specs.TransformerDecoderSpec
        layers = getattr(transformer, f"{side}_layers")
        sides.append(build(layers, transformer.heads, **shared, **side_options))
    spec = specs.TransformerSpec(*sides)
    if transformer.qk_norm:
        for layer in spec.decoder.layer:  # our cross-attention has no QK-norm
            del layer.attention.q_norm, layer.attention.k_norm
    return spec


@torch.no_grad()
def copy_weights(spec: Any, model: Seq2Seq, config: ModelConfig, longest: int) -> None:
    """Copy the weights of the model into the spec."""
    encoder = cast(TransformerEncoder, model.encoder)
    decoder = cast(TransformerDecoder, model.decoder)
    spec.encoder.embeddings[0].weight = to_numpy(cast(nn.Embedding, model.source_embedding).weight)
    spec.decoder.embeddings.weight = to_numpy(cast(nn.Embedding, model.target_embedding).weight)
    copy_linear(spec.decoder.projection, model.output)
    for side, stack, side_spec in (
        ("encoder", encoder.stack, spec.encoder),
        ("decoder", decoder.stack, spec.decoder),
    ):
        if side_setting(config, side, "position") in TABLE_POSITIONS:
            table = position_table(stack.positions, config.dim, longest)
            side_spec.position_encodings.encodings = table
        if not isinstance(stack.norm, nn.Identity):
            copy_norm(side_spec.layer_norm, stack.norm)
    for number, layer in enumerate(cast(Sequence[EncoderLayer], encoder.layers)):
        layer_spec = spec.encoder.layer[number]
        copy_self_attention(
            layer_spec, layer.attention, layer.around_attention, encoder.stack, number
        )
        copy_feed_forward(layer_spec, layer.feed_forward, layer.around_feed_forward)
    for number, each in enumerate(cast(Sequence[DecoderLayer], decoder.layers)):
        layer_spec = spec.decoder.layer[number]
        copy_self_attention(
            layer_spec, each.self_attention, each.around_self, decoder.stack, number
        )
        copy_cross_attention(layer_spec, each.cross_attention, each.around_cross)
        copy_feed_forward(layer_spec, each.feed_forward, each.around_feed_forward)


def copy_self_attention(
    layer_spec: Any, attention: MultiHeadAttention, sublayer: Sublayer, stack: Stack, number: int
) -> None:
    """Copy the self-attention of layer `number`, with its norms and relative positions."""
    spec = layer_spec.self_attention
    query, key_value = attention.query, attention.key_value
    spec.linear[0].weight = to_numpy(torch.cat((query.weight, key_value.weight)))
    spec.linear[0].bias = to_numpy(torch.cat((query.bias, key_value.bias)))
    copy_linear(spec.linear[1], attention.out, sublayer.residual)
    copy_sublayer_norms(sublayer, spec, layer_spec, "input_layer_norm", "post_attention_layer_norm")
    if attention.norms is not None:
        copy_norm(spec.q_norm, attention.norms[0])
        copy_norm(spec.k_norm, attention.norms[1])
    scheme = stack.positions.for_layer(number)
    if isinstance(scheme, ShawLayer):
        spec.relative_position_keys = to_numpy(scheme.key.weight)
        spec.relative_position_values = to_numpy(scheme.value.weight)
    if isinstance(scheme, T5Buckets):
        spec.relative_attention_bias = to_numpy(scheme.table.weight)
        spec.relative_attention_max_distance = np.int32(scheme.max_distance)


def copy_cross_attention(
    layer_spec: Any, attention: MultiHeadAttention, sublayer: Sublayer
) -> None:
    """Copy the cross-attention of a layer, with its norms."""
    spec = layer_spec.attention
    copy_linear(spec.linear[0], attention.query)
    copy_linear(spec.linear[1], attention.key_value)
    copy_linear(spec.linear[2], attention.out, sublayer.residual)
    copy_sublayer_norms(
        sublayer,
        spec,
        layer_spec,
        "external_pre_encoder_attention_layer_norm",
        "external_post_encoder_attention_layer_norm",
    )


def copy_feed_forward(layer_spec: Any, layer: FeedForward, sublayer: Sublayer) -> None:
    """Copy the feed-forward network of a layer, with its norms."""
    spec = layer_spec.ffn
    if layer.gated:
        (gate, wide), (gate_bias, wide_bias) = layer.wide.weight.chunk(2), layer.wide.bias.chunk(2)
        spec.linear_0.weight, spec.linear_0.bias = to_numpy(gate), to_numpy(gate_bias)
        spec.linear_0_noact.weight, spec.linear_0_noact.bias = to_numpy(wide), to_numpy(wide_bias)
    else:
        copy_linear(spec.linear_0, layer.wide)
    copy_linear(spec.linear_1, layer.narrow, sublayer.residual)
    copy_sublayer_norms(
        sublayer, spec, layer_spec, "pre_feedforward_layer_norm", "post_feedforward_layer_norm"
    )


def copy_linear(spec: Any, linear: nn.Linear, residual: float = 1.0) -> None:
    """Copy a linear layer, divided by the factor of the residual connection around it.

    CTranslate2 has no such factor. DeepNorm's norm(a x + f(x)) equals norm(x + f(x) / a), except
    for the epsilon of the norm: 1e-5, added to a variance near 1.
    """
    factor = 1.0 / residual
    spec.weight, spec.bias = to_numpy(linear.weight * factor), to_numpy(linear.bias * factor)


def copy_sublayer_norms(
    sublayer: Sublayer, spec: Any, layer_spec: Any, before: str, after: str
) -> None:
    """Copy the norm of a sublayer to its own spec `spec`.

    With sandwich norms, there are two. They belong to the spec of the layer, under the names
    `before` and `after`.
    """
    if sublayer.norm_placement != "sandwich":
        copy_norm(spec.layer_norm, sublayer.norm)
        return
    copy_norm(getattr(layer_spec, before), sublayer.norm)
    copy_norm(getattr(layer_spec, after), sublayer.second)


def copy_norm(spec: Any, norm: nn.Module) -> None:
    """Copy a LayerNorm or an RMSNorm, which has no bias."""
    spec.gamma = to_numpy(cast(Tensor, norm.weight))
    if isinstance(norm, nn.LayerNorm):
        spec.beta = to_numpy(norm.bias)


def position_table(scheme: PositionScheme, dim: int, longest: int) -> np.ndarray:
    """Return the vectors that a scheme adds to the embeddings, [longest, dim].

    Sinusoids are exported too, because those of CTranslate2 have other wavelengths.
    """
    return to_numpy(scheme.add(torch.zeros(1, longest, dim), torch.arange(longest))[0])


def to_numpy(weight: Tensor) -> np.ndarray:
    """Copy a tensor to a float32 array. A copy, because CTranslate2 quantises in place."""
    return weight.detach().float().cpu().numpy().copy()
