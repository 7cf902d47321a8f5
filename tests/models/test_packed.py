"""Packed linear layers equal the layers that they replace, alone and in models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.tiny_models import liven
from helpers.variants import VARIANTS, VOCAB
from mt.data.batching import make_batch
from mt.device import autocast
from mt.models.build import build_model
from mt.models.packed import PackedLinear, can_pack, pack

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(
    not can_pack(CPU), reason="no packed layers on this processor or in this PyTorch"
)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 5, 64, 321])
def test_a_packed_layer_equals_a_linear_one_for_any_number_of_rows(rows: int, bias: bool) -> None:
    linear = nn.Linear(48, 333, bias=bias)
    x = torch.randn(rows, 3, 48)
    with torch.no_grad():
        assert torch.allclose(PackedLinear(linear, torch.float32)(x), linear(x), atol=1e-5)
        with autocast(CPU, "bf16"):
            expected = linear(x)
            found = PackedLinear(linear, torch.bfloat16)(x)
    assert found.dtype == expected.dtype == torch.bfloat16
    # float32 input without autocast, as in inspection of attention
    assert torch.equal(PackedLinear(linear, torch.bfloat16)(x), linear(x))
    assert torch.allclose(found.float(), expected.float(), atol=2e-2)


@pytest.mark.parametrize(
    ("precision", "name"),
    [
        *(("fp32", name) for name in VARIANTS),
        *(("bf16", name) for name in ("transformer", "rnn, gru", "transformer to rnn")),
    ],
)
@torch.no_grad()
def test_a_packed_model_gives_the_same_probabilities(precision: str, name: str) -> None:
    model = liven(build_model(VARIANTS[name], VOCAB, VOCAB)).eval()
    names = {name for name, _ in model.named_parameters()}
    batch = make_batch([[5, 6, 7, 8], [9] * 11, [4]], [[5, 6], [7, 8, 9, 10], []])

    def log_probs() -> torch.Tensor:
        with autocast(CPU, precision):
            hidden = model(batch.source, batch.source_mask, batch.target_input).hidden
            return model.output(hidden).float().log_softmax(-1)

    expected = log_probs()
    pack(model, torch.bfloat16 if precision == "bf16" else torch.float32)
    assert not any(type(module) is nn.Linear for module in model.modules())
    assert torch.allclose(log_probs(), expected, atol=1e-4 if precision == "fp32" else 0.2)
    assert {name for name, _ in model.named_parameters()} == names
