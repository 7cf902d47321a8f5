"""Models of equal size: how many parameters a configuration has, and the width at which it has as many as another."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch

from mt.config.schema import ModelConfig
from mt.errors import UsageError
from mt.models.build import build_model

TOLERANCE = 0.05  # the largest difference that still counts as equal
RNN_STEP = 4  # of widths of recurrent states that are tried


def parameters(model: ModelConfig, source_vocab: int, target_vocab: int) -> int:
    """Trained numbers of the model, shared ones once; vocabulary sizes in pieces. No memory is taken."""
    with torch.device("meta"):
        built = build_model(model, source_vocab, target_vocab)
    return sum(parameter.numel() for parameter in built.parameters())


def match(model: ModelConfig, wanted: int, count: Callable[[ModelConfig], int]) -> list[str]:
    """Settings that give `model` as nearly `wanted` parameters as its width allows, `count` being what counts them.

    Of a model with a Transformer part the width is model.dim, the feed-forward layers in
    proportion; of others that of the recurrent state. UsageError where the nearest is more than
    TOLERANCE away.
    """
    transformer = "transformer" in (model.encoder, model.decoder)
    heads = model.transformer.heads if transformer else model.rnn.attention_heads
    step = (
        2 * heads if transformer else math.lcm(RNN_STEP, heads)
    )  # an even number in each head: rotary positions turn pairs

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

    low, high = 1, 2  # doubled, then halved: the count grows with the width
    while count_at(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count_at(middle) < wanted else (low, middle)
    best = min((low, high), key=lambda size: abs(count_at(size) - wanted))
    difference = count_at(best) / wanted - 1
    found = [f"{key}={value}" for key, value in settings(best).items()]
    if abs(difference) > TOLERANCE:
        raise UsageError(
            f"no width gives it {wanted:,} parameters: nearest is {', '.join(found)} with {count_at(best):,} ({difference:+.1%}); "
            "change its layers or its embeddings, or set match_parameters=false"
        )
    return found
