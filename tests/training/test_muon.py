"""Muon: orthogonal updates of weight matrices, compared with torch.optim.Muon."""

import math

import pytest
import torch
from torch import nn

from helpers.tiny_models import tiny_config
from mt.config.schema import OptimConfig
from mt.models.build import build_model
from mt.training import muon
from mt.training.muon import COEFFICIENTS, PRODUCT_DTYPE, Muon, orthogonalise
from mt.training.optim import apply_gradients, build_optimizer


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 1e-4), (PRODUCT_DTYPE, 0.08)])
@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 48, 16), (2, 16, 48), (1, 1, 8)])
def test_singular_values_become_nearly_one_and_vectors_stay(shape, dtype, rounding):
    torch.manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.linspace(1, 0.1, left.shape[-1])
    matrices = (left @ (values[:, None] * right)).to(dtype)
    result = left.mT @ orthogonalise(matrices).float() @ right.mT
    diagonal = result.diagonal(dim1=1, dim2=2)
    assert 0.73 - rounding < diagonal.min() <= diagonal.max() < 1.27 + rounding
    assert (result - torch.diag_embed(diagonal)).abs().max() < rounding
    assert torch.equal(orthogonalise(torch.zeros(shape)), torch.zeros(shape))


def test_each_polynomial_is_the_best_approximation_of_one_on_its_interval():
    """Chebyshev: the error of the best polynomial has four equal extremes of alternating sign."""
    values = torch.linspace(0.01, 1, 200_001, dtype=torch.float64)
    for a, b, c in COEFFICIENTS:
        low, high = values.min(), values.max()
        x = torch.linspace(low, high, 200_001, dtype=torch.float64)
        error = a * x + b * x**3 + c * x**5 - 1
        inner = (error[1:-1] - error[:-2]) * (error[2:] - error[1:-1]) <= 0
        extremes = torch.cat([error[:1], error[1:-1][inner], error[-1:]])
        assert extremes.sign().tolist() == [-1, 1, -1, 1]
        # The coefficients have four decimal places.
        torch.testing.assert_close(extremes.abs(), error.abs().max().expand(4), atol=2e-3, rtol=0)
        values = a * values + b * values**3 + c * values**5
    assert values.min() > 0.72 and values.max() < 1.28


def test_updates_equal_those_of_torch_with_its_polynomial(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(muon, "COEFFICIENTS", ((3.4445, -4.775, 2.0315),) * 3)
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in ((8, 8), (8, 8), (24, 8), (8, 24))]
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    one = Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1)
    other = torch.optim.Muon(
        theirs, lr=0.02, momentum=0.9, weight_decay=0.1, ns_steps=3, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        one.step()
        other.step()
    for a, b in zip(ours, theirs, strict=True):
        # Updates are about 0.02; products are in bfloat16, batched or not.
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)


def test_a_gradient_that_is_not_finite_changes_nothing():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 4))
    optimizer = build_optimizer(OptimConfig(optimizer="muon"), model)
    for bad in (1.0, math.nan, 1.0):
        state = [p.clone() for p in model.parameters()] + [
            optimizer.state(m.weight)["momentum"].clone() for m in model if bad != 1.0
        ]
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        model[0].weight.grad[0, 0] = bad
        apply_gradients(
            optimizer, [p.grad for p in model.parameters()], torch.tensor(1.0), 1.0, 0.1
        )
        after = [
            *model.parameters(),
            *(optimizer.state(m.weight)["momentum"] for m in model if bad != 1.0),
        ]
        assert all(torch.isfinite(tensor).all() for tensor in after)
        assert all(torch.equal(a, b) is (bad != 1.0) for a, b in zip(state, after, strict=True))


@pytest.mark.parametrize("family", ["transformer", "rnn"])
@pytest.mark.parametrize("tie", ["all", "none"])
def test_muon_takes_the_weight_matrices_and_adamw_the_rest(family, tie):
    config = tiny_config(family, family)
    config.tie_embeddings = tie
    model = build_model(config, 40, 40)
    adamw, matrices = build_optimizer(OptimConfig(optimizer="muon"), model).parts
    names = {id(p): name for name, p in model.named_parameters()}
    by_muon, by_adam = (
        {names[id(p)] for group in part.param_groups for p in group["params"]}
        for part in (matrices, adamw)
    )
    assert by_muon | by_adam == set(names.values()) and not by_muon & by_adam
    assert by_adam == {
        name
        for name in names.values()
        if "embedding" in name or "output." in name or model.get_parameter(name).dim() < 2
    }
