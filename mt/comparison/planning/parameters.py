"""Models of equal size: counts of parameters, and the width for a given number of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch

from mt.config.schema import ModelConfig
from mt.errors import UsageError
from mt.models.build import build_model

MAX_DIFFERENCE = 0.05  # from the wanted number of parameters, as a share of it
RNN_WIDTH_STEP = 4  # between the widths of recurrent states that are tried


def count_parameters(model: ModelConfig, source_vocab: int, target_vocab: int) -> int:
    """Count the parameters of a model, shared ones once, without allocating memory."""
    with torch.device("meta"):
        built = build_model(model, source_vocab, target_vocab)
    return sum(parameter.numel() for parameter in built.parameters())


def match_parameters(
    model: ModelConfig, target: int, count: Callable[[ModelConfig], int]
) -> list[str]:
    """Return width settings that give `model` as nearly `target` parameters as possible.

    For a model with a Transformer part the width is model.dim, with feed-forward layers in
    proportion; for others that of the recurrent state. `count` counts the parameters. Raises
    UsageError if the nearest number differs by more than MAX_DIFFERENCE.
    """
    transformer = "transformer" in (model.encoder, model.decoder)
    heads = model.transformer.heads if transformer else model.rnn.attention_heads
    # Transformer heads get an even width, since rotary positions rotate pairs.
    step = 2 * heads if transformer else math.lcm(RNN_WIDTH_STEP, heads)

    def settings(size: int) -> dict[str, int]:
        if not transformer:
            return {"model.rnn.hidden": size * step}
        inner = round(size * step * model.transformer.ff_dim / model.dim / 8) * 8
        return {"model.dim": size * step, "model.transformer.ff_dim": max(8, inner)}

    def count_at(size: int) -> int:
        changed = copy.deepcopy(model)
        for key, value in settings(size).items():
            section, name = (
                (changed if key.count(".") == 1 else getattr(changed, key.split(".")[1])),
                key.split(".")[-1],
            )
            setattr(section, name, value)
        return count(changed)

    low, high = 1, 2  # bisection: the count grows with the width
    while count_at(high) < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count_at(middle) < target else (low, middle)
    best = min((low, high), key=lambda size: abs(count_at(size) - target))
    difference = count_at(best) / target - 1
    chosen = [f"{key}={value}" for key, value in settings(best).items()]
    if abs(difference) > MAX_DIFFERENCE:
        raise UsageError(
            f"no width gives it {target:,} parameters: nearest is {', '.join(chosen)} "
            f"with {count_at(best):,} ({difference:+.1%}); "
            "change its layers or its embeddings, or set match_parameters=false"
        )
    return chosen
