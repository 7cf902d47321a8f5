"""Checks of values and combinations of settings; each error says which setting to change, and how.

`check_ranges` applies the limits that the schema declares. The other functions check rules that
involve more than one setting. All of them run before any text is read.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from pathlib import Path

from mt.config.automatic import with_defaults
from mt.config.model_schema import ADDED_POSITION_NAMES, MULTI_HEAD_SCORES
from mt.config.placeholders import check_symbols
from mt.config.schema import Config, get_value, keys
from mt.config.setting import AUTO_NUMBER, MAX_INTEGER, is_auto
from mt.config.training_checks import (
    check_end_of_training,
    check_fine_tuning,
    check_regularisers,
    check_trackers,
    check_validation_sets,
)
from mt.errors import UsageError


def check_values(config: Config) -> None:
    """Raise UsageError if a value is invalid or if settings contradict each other.

    A setting that is `auto` counts as its default here; what is chosen is checked again.
    """
    check_ranges(config)
    config = with_defaults(config)
    parts = Path(config.name).parts
    if Path(config.name).is_absolute() or ".." in parts or not parts:
        raise UsageError(
            f"name must be a relative path inside runs_dir, without '..', got {config.name!r}"
        )
    if any(part != part.strip() or not part.isprintable() for part in parts):
        raise UsageError(
            "name must have no spaces at its ends and only characters that can be seen, "
            f"got {config.name!r}"
        )
    clean = config.data.clean
    if clean.max_words and clean.min_words > clean.max_words:
        raise UsageError(
            f"data.clean.min_words must be <= data.clean.max_words, which is {clean.max_words}, "
            f"got {clean.min_words}"
        )
    check_symbols(config.data)
    if (noise := sum(dataclasses.astuple(config.data.noise))) > 1 + 1e-9:
        raise UsageError(f"the sum of data.noise.* must be <= 1, got {noise:g}")
    if config.data.both_directions:
        check_directions(config)
    betas = config.optim.betas
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise UsageError(f"optim.betas must be two numbers >= 0 and < 1, got {betas}")
    check_trackers(config)
    check_fine_tuning(config)
    check_validation_sets(config)
    check_end_of_training(config)
    check_regularisers(config)
    model = config.model
    if model.dim % 2:
        raise UsageError(f"model.dim must be even, got {model.dim}")
    if "transformer" in (model.encoder, model.decoder):
        check_transformer(config)
    elif config.trainer.compile:
        raise UsageError(
            "trainer.compile=true needs Transformer layers, and this model has none: "
            "set trainer.compile=false"
        )
    if "rnn" in (model.encoder, model.decoder):
        check_rnn(config)
    if model.tie_embeddings == "all" and not config.data.tokenizer.joint:
        raise UsageError(
            "model.tie_embeddings=all needs a joint vocabulary: "
            "set model.tie_embeddings=target or data.tokenizer.joint=true"
        )


def check_directions(config: Config) -> None:
    """Raise UsageError if a model cannot be trained in both directions."""
    if not config.data.tokenizer.joint:
        raise UsageError(
            "data.both_directions=true needs a joint vocabulary, because each language is on both "
            "sides: set data.tokenizer.joint=true"
        )
    if config.data.src_lang == config.data.tgt_lang:
        raise UsageError(
            "data.both_directions=true needs two languages, which name the tags: "
            f"data.src_lang and data.tgt_lang are both {config.data.src_lang}"
        )


def check_ranges(config: Config) -> None:
    """Raise UsageError if a value is outside the choices or the range that the schema declares."""
    settings = [(name, field, get_value(config, name)) for name, field in keys().items()]
    settings += [
        (f"data.{key}.{field.name}", field, getattr(split, field.name))
        for key, split in config.data.named_splits().items()
        for field in dataclasses.fields(split)
    ]
    for name, field, value in settings:
        if is_auto(field, value):
            continue
        limits = field.metadata
        choices, minimum, below = limits["choices"], limits["minimum"], limits["below"]
        maximum = limits["maximum"]
        if maximum is None:
            maximum = MAX_INTEGER if isinstance(value, int) else math.inf
        if choices and value not in choices:
            near = difflib.get_close_matches(str(value), choices, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            listed = ", ".join(choice or "''" for choice in choices)
            raise UsageError(f"{name} must be one of {listed}, got {value}{hint}")
        if not isinstance(value, int | float):
            continue
        if value == AUTO_NUMBER:
            raise UsageError(f"{name} refers to a setting that is auto: give one of them a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{name} must be a finite number, got {value}")
        if not minimum <= value < below or value > maximum:
            upper = f" and < {below:g}" if math.isfinite(below) else ""
            if value > maximum or maximum not in (math.inf, MAX_INTEGER):
                upper += f" and <= {_format(maximum)}"
            raise UsageError(f"{name} must be >= {minimum:g}{upper}, got {value}")


def _format(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.10g}"


def check_transformer(config: Config) -> None:
    """Raise UsageError if the Transformer encoder or decoder in use has incompatible settings."""
    model, transformer = config.model, config.model.transformer
    heads = transformer.heads
    if model.dim % heads:
        raise UsageError(
            f"model.dim must be divisible by model.transformer.heads={heads}, got {model.dim}"
        )
    if transformer.kv_heads and heads % transformer.kv_heads:
        raise UsageError(
            f"model.transformer.kv_heads must divide model.transformer.heads={heads}, "
            f"got {transformer.kv_heads}"
        )
    for side, family in (("encoder", model.encoder), ("decoder", model.decoder)):
        if family == "transformer":
            check_position(config, side)
            check_pattern(config, side)


def check_position(config: Config, side: str) -> None:
    """Raise UsageError if the position encoding of a Transformer side does not fit its heads."""
    transformer = config.model.transformer
    position = getattr(transformer, f"{side}_position") or transformer.position
    head_dim = config.model.dim // transformer.heads
    if position == "rope" and head_dim % 2:
        raise UsageError(
            "position rope rotates pairs of dimensions: "
            f"model.dim / model.transformer.heads must be even, got {head_dim}"
        )
    if position == "alibi" and side == "encoder" and transformer.heads == 1:
        raise UsageError(
            "position alibi with a single head cannot distinguish left from right in an encoder: "
            "set model.transformer.heads to 2 or more"
        )


def check_pattern(config: Config, side: str) -> None:
    """Raise UsageError if the self-attention pattern of a Transformer side has invalid settings."""
    transformer, max_pieces = config.model.transformer, config.data.max_pieces
    position = getattr(transformer, f"{side}_position") or transformer.position
    pattern = getattr(transformer, f"{side}_pattern") or transformer.pattern
    name = f"model.transformer.{side}_pattern={pattern}"
    if pattern in ("window", "multiscale", "adaptive_span") and transformer.window > max_pieces:
        raise UsageError(
            f"model.transformer.window must be <= data.max_pieces={max_pieces}, "
            f"got {transformer.window}: reduce it, or set "
            f"model.transformer.{side}_pattern=full"
        )
    if pattern == "strided" and transformer.heads % 2:
        raise UsageError(
            f"{name} has two layouts, each for half of the heads: "
            f"model.transformer.heads must be even, got {transformer.heads}"
        )
    if pattern == "strided" and transformer.stride > max_pieces:
        raise UsageError(
            f"model.transformer.stride must be <= data.max_pieces={max_pieces}, "
            f"got {transformer.stride}"
        )
    if pattern == "adaptive_span" and transformer.select != "softmax":
        raise UsageError(f"{name} needs softmax: set model.transformer.select=softmax")
    if pattern == "linear" and position not in ADDED_POSITION_NAMES:
        raise UsageError(
            f"{name} computes no attention scores, which position {position} would modify: "
            f"the position must be one of {', '.join(ADDED_POSITION_NAMES)}"
        )


def check_rnn(config: Config) -> None:
    """Raise UsageError if the recurrent encoder or decoder in use has incompatible settings."""
    model, rnn = config.model, config.model.rnn
    if model.encoder == "rnn" and rnn.reverse_source and rnn.bidirectional:
        raise UsageError(
            "model.rnn.reverse_source=true needs a unidirectional encoder: "
            "set model.rnn.bidirectional=false"
        )
    if model.decoder != "rnn":
        return
    if rnn.placement == "bahdanau" and not rnn.input_feeding:
        raise UsageError(
            "model.rnn.input_feeding=false needs model.rnn.placement=luong: "
            "with bahdanau, the context is always an input of the recurrence"
        )
    if rnn.coverage_loss and not rnn.coverage:
        raise UsageError(
            f"model.rnn.coverage_loss={rnn.coverage_loss} needs coverage: "
            "set model.rnn.coverage=true"
        )
    if rnn.attention == "none":
        check_no_attention(config)
    else:
        check_rnn_attention(config)


def check_no_attention(config: Config) -> None:
    """Raise UsageError if a recurrent decoder without attention has settings of attention."""
    neutral = {"scope": "global", "select": "softmax", "coverage": False, "attention_heads": 1}
    for key, value in neutral.items():
        if getattr(config.model.rnn, key) != value:
            raise UsageError(
                f"model.rnn.attention=none does not use model.rnn.{key}: "
                f"set it to {str(value).lower()}"
            )


def check_rnn_attention(config: Config) -> None:
    """Raise UsageError if the attention score of a recurrent decoder does not fit its settings."""
    model, rnn, max_pieces = config.model, config.model.rnn, config.data.max_pieces
    score, heads = f"model.rnn.attention={rnn.attention}", rnn.attention_heads
    recurrent_width = rnn.hidden * (2 if rnn.bidirectional else 1)
    width = model.dim if model.encoder == "transformer" else recurrent_width
    if heads > 1:
        if rnn.attention not in MULTI_HEAD_SCORES:
            raise UsageError(
                f"{score} supports a single head: set model.rnn.attention_heads=1, "
                f"or model.rnn.attention to one of {', '.join(MULTI_HEAD_SCORES)}"
            )
        for name, value in (
            ("model.rnn.attention_dim", rnn.attention_dim),
            ("the dimension of encoder states", width),
        ):
            if value % heads:
                raise UsageError(
                    f"{name} must be divisible by model.rnn.attention_heads={heads}, got {value}"
                )
    elif rnn.attention in ("dot", "scaled_dot") and width != rnn.hidden:
        fix = (
            f"model.dim={width} and model.rnn.hidden={width}"  # both, because one may be auto
            if model.encoder == "transformer"
            else "model.rnn.bidirectional=false"
        )
        raise UsageError(
            f"{score} needs encoder and decoder states of the same dimension, got {width} and "
            f"{rnn.hidden}: set {fix}, or model.rnn.attention=scaled_general"
        )
    if rnn.attention == "location":
        if rnn.coverage:
            raise UsageError(
                f"{score} has no keys, which coverage would modify: "
                "set model.rnn.coverage=false, or another model.rnn.attention"
            )
        if rnn.longest_source <= max_pieces:
            raise UsageError(
                f"model.rnn.longest_source must be >= data.max_pieces + 1 = {max_pieces + 1} "
                f"with {score}, got {rnn.longest_source}"
            )
