"""What settings may not be, and which do not go together: one line each that says what would work.

The first part is read from the schema; the rest are the rules that concern more than one setting.
All are checked at the start, before any text is read.
"""

from __future__ import annotations

import difflib
import functools
import math
from pathlib import Path

from mt.config.schema import ADDED_POSITION_NAMES, MULTI_HEAD_SCORES, Config, keys
from mt.errors import UsageError


def check_values(config: Config) -> None:
    """Refuse values outside a setting's choices or range, and settings that contradict each other."""
    for name, field in keys().items():
        value, rules = functools.reduce(getattr, name.split("."), config), field.metadata
        if rules["choices"] and value not in rules["choices"]:
            near = difflib.get_close_matches(str(value), rules["choices"], 1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"choose one of {', '.join(rules['choices'])}"
            )
            raise UsageError(f"{name}={value} is not possible: {hint}")
        if isinstance(value, int | float) and not (
            rules["least"] <= value < rules["below"] and math.isfinite(value)
        ):
            limit = f" and below {rules['below']:g}" if math.isfinite(rules["below"]) else ""
            raise UsageError(
                f"{name}={value} is not possible: give {rules['least']:g} or more{limit}"
            )
    if not config.name or Path(config.name).is_absolute() or ".." in Path(config.name).parts:
        raise UsageError(
            f"name={config.name!r} is not possible: give the name of a folder inside runs_dir"
        )
    if len(config.optim.betas) != 2 or not all(0 <= beta < 1 for beta in config.optim.betas):
        raise UsageError(
            f"optim.betas={config.optim.betas} is not possible: give two numbers from 0 to below 1"
        )
    model = config.model
    if model.dim % 2:
        raise UsageError(f"model.dim={model.dim} is not possible: it must be even")
    if "transformer" in (model.encoder, model.decoder):
        check_transformer(config)
    elif config.trainer.compile:
        raise UsageError(
            "trainer.compile=true compiles the layers of Transformers, and this model has none: set trainer.compile=false"
        )
    if "rnn" in (model.encoder, model.decoder):
        check_rnn(config)
    if model.tie_embeddings == "all" and not config.data.tokenizer.joint:
        raise UsageError(
            "model.tie_embeddings=all needs one vocabulary: set model.tie_embeddings=target or data.tokenizer.joint=true"
        )


def check_transformer(config: Config) -> None:
    """Refuse settings of Transformers that cannot go together; only what the chosen encoder and decoder use counts."""
    model, transformer = config.model, config.model.transformer
    heads, head_dim = transformer.heads, model.dim // transformer.heads
    if model.dim % heads:
        raise UsageError(
            f"model.dim={model.dim} is not divisible by model.transformer.heads={heads}"
        )
    if transformer.kv_heads and heads % transformer.kv_heads:
        raise UsageError(
            f"model.transformer.kv_heads={transformer.kv_heads} does not divide model.transformer.heads={heads}"
        )
    sides = {"encoder": model.encoder, "decoder": model.decoder}
    for side in (side for side, family in sides.items() if family == "transformer"):
        position, pattern = (
            getattr(transformer, f"{side}_{kind}") or getattr(transformer, kind)
            for kind in ("position", "pattern")
        )
        where = f"model.transformer.{side}_pattern={pattern}"
        if position == "rope" and head_dim % 2:
            raise UsageError(
                f"rope turns pairs of numbers: model.dim / model.transformer.heads = {head_dim} must be even"
            )
        if position == "alibi" and side == "encoder" and heads == 1:
            raise UsageError(
                "alibi with one head cannot tell left from right in an encoder: set model.transformer.heads to 2 or more"
            )
        if (
            pattern in ("window", "multiscale", "adaptive_span")
            and transformer.window > config.data.max_pieces
        ):
            raise UsageError(
                f"model.transformer.window={transformer.window} reaches over the longest sentence: give at most "
                f"data.max_pieces={config.data.max_pieces}, or take {side}_pattern=full"
            )
        if pattern == "strided" and heads % 2:
            raise UsageError(
                f"{where} gives half of the heads to each of its two layouts: model.transformer.heads={heads} must be even"
            )
        if pattern == "strided" and transformer.stride > config.data.max_pieces:
            raise UsageError(
                f"model.transformer.stride={transformer.stride} is more than data.max_pieces={config.data.max_pieces}: give less"
            )
        if pattern == "adaptive_span" and transformer.select != "softmax":
            raise UsageError(
                f"{where} is a weight within softmax: set model.transformer.select=softmax"
            )
        if pattern == "linear" and position not in ADDED_POSITION_NAMES:
            raise UsageError(
                f"{where} has no scores that position={position} could change: choose {', '.join(ADDED_POSITION_NAMES)}"
            )


def check_rnn(config: Config) -> None:
    """Refuse settings of recurrent parts that cannot go together; only what the chosen encoder and decoder use counts."""
    model, rnn = config.model, config.model.rnn
    if model.encoder == "rnn" and rnn.reverse_source and rnn.bidirectional:
        raise UsageError(
            "model.rnn.reverse_source=true turns an encoder of one direction round: set model.rnn.bidirectional=false"
        )
    if model.decoder != "rnn":
        return
    if rnn.placement == "bahdanau" and not rnn.input_feeding:
        raise UsageError(
            "model.rnn.input_feeding=false is for model.rnn.placement=luong: in bahdanau's the context always enters"
        )
    if rnn.coverage_loss and not rnn.coverage:
        raise UsageError(
            f"model.rnn.coverage_loss={rnn.coverage_loss} needs coverage: set model.rnn.coverage=true"
        )
    if rnn.attention == "none":
        for key, neutral in (
            ("scope", "global"),
            ("select", "softmax"),
            ("coverage", False),
            ("attention_heads", 1),
        ):
            if getattr(rnn, key) != neutral:
                raise UsageError(
                    f"model.rnn.attention=none has no use for model.rnn.{key}: set it to {str(neutral).lower()}"
                )
        return
    score = f"model.rnn.attention={rnn.attention}"
    width = (
        model.dim
        if model.encoder == "transformer"
        else rnn.hidden * (2 if rnn.bidirectional else 1)
    )
    if rnn.attention_heads > 1:
        if rnn.attention not in MULTI_HEAD_SCORES:
            possible = ", ".join(MULTI_HEAD_SCORES)
            raise UsageError(
                f"{score} has one head: set model.rnn.attention_heads=1, or model.rnn.attention to one of {possible}"
            )
        for name, value in (
            (f"model.rnn.attention_dim={rnn.attention_dim}", rnn.attention_dim),
            (f"the encoder's width {width}", width),
        ):
            if value % rnn.attention_heads:
                raise UsageError(
                    f"{name} is not divisible by model.rnn.attention_heads={rnn.attention_heads}"
                )
    elif rnn.attention in ("dot", "scaled_dot") and width != rnn.hidden:
        remedy = (
            f"model.rnn.hidden={width}"
            if model.encoder == "transformer"
            else "model.rnn.bidirectional=false"
        )
        raise UsageError(
            f"{score} needs encoder states ({width}) as wide as the decoder's ({rnn.hidden}): set {remedy}, or model.rnn.attention=general"
        )
    if rnn.attention == "location":
        if rnn.coverage:
            raise UsageError(
                f"{score} has no keys for coverage to act on: set model.rnn.coverage=false, or another model.rnn.attention"
            )
        if rnn.longest_source <= config.data.max_pieces:
            raise UsageError(
                f"model.rnn.longest_source={rnn.longest_source} is too short for {score}: give at least data.max_pieces + 1 = "
                f"{config.data.max_pieces + 1}"
            )
