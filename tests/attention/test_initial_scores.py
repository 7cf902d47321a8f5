"""Attention scores of new models: a softmax has a useful gradient only if they differ little.

Measured is the standard deviation of the scores in a row, for sentences of 24 pieces.
"""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from mt.attention.recurrent.scores import DotScore
from mt.config.compose import load_config
from mt.config.model_schema import POSITION_NAMES
from mt.config.presets import groups
from mt.config.yaml import config_from_yaml, config_to_yaml
from mt.models.build import build_model

# With a deviation of 2, the largest of 24 normal scores has 40 % of the softmax on average. Small
# scores are harmless, as the gradient is largest at equal weights, but constant ones are not.
SENSITIVE = 0.01, 2.0

# Options of attention= that have no scores, or none of their own.
WITHOUT_SCORES = ("no-attention", "sutskever", "linear")
# Dot products as in the paper, not scaled: they grow with the square root of the width.
UNSCALED = ("dot", "general")

CASES = [
    *([f"attention={name}"] for name in groups()["attention"] if name not in WITHOUT_SCORES),
    *([f"position={name}"] for name in POSITION_NAMES),
    *(
        ["model=transformer", f"model.transformer.norm={n}"]
        for n in ("post", "sandwich", "deepnorm")
    ),
    ["model=transformer", "model.transformer.qk_norm=true"],
    ["model=transformer", "model.decoder=rnn", "model.rnn.attention=scaled_general"],
    ["model=rnn", "model.decoder=transformer"],
    ["model=rnn", "model.rnn.cell=lstm", "attention=luong"],
]


def family(case: list[str]) -> list[str]:
    """Return the settings of a case with the model that they apply to."""
    if case[0].startswith("model="):
        return case
    transformer = ("gqa", "mqa", "window", "strided", "multiscale", "adaptive_span")
    is_rnn = case[0].startswith("attention=") and not case[0].endswith(transformer)
    return [f"model={'rnn' if is_rnn else 'transformer'}", *case]


@functools.cache
def deviations(size: str, *settings: str) -> dict[str, tuple[float, float]]:
    """Return the least and greatest deviation over heads and layers, by kind of attention."""
    config = load_config(["auto=false", *settings, f"model/size={size}"]).model
    torch.manual_seed(1)
    model = build_model(config, 1000, 1000).eval()
    recurrent: list[Tensor] = []
    for name, module in model.named_modules():
        if name.endswith("attention.score"):  # [B, H, Q, S]
            module.register_forward_hook(lambda *call: recurrent.append(call[-1].std(-1).mean(-1)))
    source, target = torch.randint(4, 1000, (2, 8, 24)).unbind()
    with torch.no_grad():
        output = model(source, torch.ones_like(source, dtype=torch.bool), target, need_weights=True)
    found = {}
    for kind, weights in output.attention.items():
        if recurrent and kind == "cross":
            heads = torch.stack(recurrent).mean((0, 1))
        else:  # the logarithm of softmax weights is the score, up to a constant of the row
            rows = weights[:, :, :, 8:]  # of at least eight visible keys
            scores = torch.where(rows > 0, rows.log(), torch.nan)
            centred = scores - scores.nanmean(-1, keepdim=True)
            heads = centred.square().nanmean(-1).sqrt().mean((0, 3))
        found[kind] = heads.min().item(), heads.max().item()
    return found


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_scores_of_new_models_are_in_the_sensitive_range_of_a_softmax(case: list[str]) -> None:
    settings = family(case)
    if case[0].endswith(("sparsemax", "entmax15")):  # zeros: measured before the selection only
        settings = ["model=rnn", *case]
    found = deviations("tiny", *settings)
    measured = {k: d for k, d in found.items() if not (settings[0] == "model=rnn" and k != "cross")}
    assert measured
    for kind, (least, greatest) in measured.items():
        assert SENSITIVE[0] < least and greatest < SENSITIVE[1], (kind, found)


@pytest.mark.parametrize("score", ["additive", "scaled_dot", "scaled_general", "dot", "general"])
def test_scores_stay_in_range_in_wide_models_if_they_are_scaled(score: str) -> None:
    """From 128 to 1000 hidden units."""
    settings = ["model=rnn", "attention=luong", f"model.rnn.attention={score}"]
    narrow, wide = (deviations(size, *settings)["cross"][0] for size in ("tiny", "base"))
    if score in UNSCALED:
        assert wide > max(1.8 * narrow, SENSITIVE[1])
    else:
        assert SENSITIVE[0] < wide < SENSITIVE[1] and 0.5 < wide / narrow < 2


def test_scaled_general_is_general_divided_by_the_root_of_the_width() -> None:
    """The name `general` keeps its meaning, so that saved runs translate as before."""
    models = []
    for score in ("general", "scaled_general"):
        config = load_config(
            ["auto=false", "model=rnn", f"attention={score}", "model/size=tiny"]
        ).model
        torch.manual_seed(1)
        models.append(build_model(config, 50, 50).eval())
    scores = [module for m in models for module in m.modules() if isinstance(module, DotScore)]
    query, states = torch.randn(2, 3, 128), torch.randn(2, 5, 256)
    mask = torch.ones(2, 5, dtype=torch.bool)
    plain, scaled = (each(query, each.project_keys(states, mask)[:, None]) for each in scores)
    torch.testing.assert_close(plain / 128**0.5, scaled)
    names = [{name for name, _ in model.named_parameters()} for model in models]
    assert names[0] == names[1]


def test_a_saved_run_with_general_attention_reads_it_unscaled() -> None:
    config = load_config(
        ["auto=false", "model=rnn", "attention=general", "model/size=tiny", "name=old"]
    )
    text = config_to_yaml(config)
    assert "attention: general\n" in text
    model = build_model(config_from_yaml(text).model, 50, 50)
    assert [m.scale for m in model.modules() if isinstance(m, DotScore)] == [1.0]
