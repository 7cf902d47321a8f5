"""Training of every variant on PyTorch's meta device, which has shapes and types but no values.

It stands in for a GPU: whatever looks at a value fails here and would synchronise there, and so
does an operation on tensors of two devices.
"""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn
from torch.optim import optimizer

from helpers.variants import VARIANTS, VOCAB
from mt.config.schema import OptimConfig
from mt.models.build import build_model
from mt.models.loss import cross_entropy
from mt.training.optim import WeightAverage, apply_gradients, build_optimizer, collect_gradients

META = torch.device("meta")


@pytest.fixture(autouse=True)
def _admit_the_meta_device(monkeypatch):
    """Leave out autocast and the list of devices of fused optimizers, which do not know it."""
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: ["meta"])
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())


def take_step(name: str) -> nn.Module:
    """Return a variant with the gradients of a batch."""
    model = build_model(VARIANTS[name], VOCAB, VOCAB).train().to(META)
    source = torch.empty(2, 5, dtype=torch.long, device=META)
    target = torch.empty(2, 4, dtype=torch.long, device=META)
    output = model(source, source > 0, target)
    loss, nll = cross_entropy(output.hidden, model.output, target, smoothing=0.1)
    for term in output.losses:
        loss = loss + term(nll, target > 0)
    loss.backward()
    return model


@pytest.mark.parametrize("name", VARIANTS)
def test_a_training_step_looks_at_no_value_and_mixes_no_devices(name):
    gradients = collect_gradients(take_step(name))
    assert {gradient.device for gradient in gradients} == {META}


@pytest.mark.parametrize("name", ["transformer", "rnn, gru"])
@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_an_update_looks_at_no_value_and_mixes_no_devices(name, kind):
    model = take_step(name)
    optim = build_optimizer(OptimConfig(optimizer=kind), model)
    average = WeightAverage(dict(model.named_parameters()), 0.999)
    tokens = torch.empty((), device=META)
    norm, skipped = apply_gradients(optim, collect_gradients(model), tokens, 1.0, 1e-3)
    average.update(1)
    assert {norm.device, skipped.device} == {META}
