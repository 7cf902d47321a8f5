"""The memory of a training by formula, compared with the bytes that autograd keeps."""

from __future__ import annotations

import sys

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from helpers.benchmarks import load
from mt.config.compose import load_config
from mt.data.batching import make_batch
from mt.errors import UsageError
from mt.models.build import build_model
from mt.training.objective import Objective

VOCABULARY, LENGTH, HEADS = 100, 8, 2


def settings(layers: int, *more: str) -> list[str]:
    stack = {"encoder_layers": layers, "decoder_layers": layers, "heads": HEADS, "ff_dim": 192}
    return [
        *("auto=false", "optim=adamw", "trainer.precision=bf16", "model.dim=64"),
        *(f"model.transformer.{name}={value}" for name, value in stack.items()),
        *more,
    ]


def kept_bytes(pairs: int, overrides: list[str]) -> int:
    """Return the bytes that autograd keeps for the backward pass, without weights."""
    config = load_config(overrides)
    torch.manual_seed(1)
    model = build_model(config.model, VOCABULARY, VOCABULARY).train()
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    side = [[5] * (LENGTH - 1)] * pairs
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        Objective(config, torch.device("cpu"))(model, make_batch(side, side))
    for weight in model.parameters():
        kept.pop(weight.data_ptr(), None)
    return sum(storage.nbytes() for storage in kept.values())


def kept_for_a_token(*more: str) -> float:
    """Return bytes for a source and a target token in an encoder and a decoder layer.

    The difference of two batches is without casts of weights, that of one and two layers without
    what is outside layers.
    """
    one, two = (
        kept_bytes(8, settings(layers, *more)) - kept_bytes(4, settings(layers, *more))
        for layers in (1, 2)
    )
    return (two - one) / (4 * LENGTH)


def test_the_activations_of_a_layer_are_those_that_autograd_keeps() -> None:
    formula = load("count_memory").activation_bytes
    layer = formula(load_config(settings(1)).model)
    scores = 3 * 6 * HEADS * LENGTH  # of three attentions, which a fused kernel does not keep
    norms = 80  # at most: means and deviations, which the formula leaves out
    layer -= 2 * 10 * 64  # normalised queries and keys, of which a CPU keeps no float32
    assert layer + scores <= kept_for_a_token() <= layer + scores + norms
    inputs = [
        formula(load_config(settings(layers, "model.transformer.recompute=true")).model)
        for layers in (1, 2)
    ]
    recomputed = kept_for_a_token("model.transformer.recompute=true")
    assert recomputed == inputs[1] - inputs[0] == 2 * 4 * 64


def test_it_counts_a_billion_parameters_without_allocating_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = "--ranks 8 model.dim=2048 model.transformer.ff_dim=8192 model.transformer.heads=16"
    layers = "model.transformer.encoder_layers=8 model.transformer.decoder_layers=8"
    more = "trainer.batch_tokens=16384 trainer.precision=bf16"
    monkeypatch.setattr(sys, "argv", f"count_memory {arguments} {layers} {more}".split())
    script = load("count_memory")
    script.main()
    first, *ranks = capsys.readouterr().out.splitlines()
    assert first == "1,005,628,672 parameters; activations of 16,384 tokens: 30.06 GB"
    assert [float(line.split()[1]) for line in ranks] == [20.11, 2.51]
    assert [float(line.split()[-5]) for line in ranks] == [0, 4.02]  # all weights, in a validation
    with pytest.raises(UsageError, match="activations are known for plain Transformers"):
        script.activation_bytes(load_config(["model=rnn"]).model)
