"""Gradients of recurrent decoders, whose training has backward passes written by hand."""

from __future__ import annotations

import pytest
import torch

from helpers.variants import VARIANTS, VOCAB
from mt.layers.repeated import repeated_linear_layers
from mt.models.build import build_model
from mt.models.recurrent.gru import gru_step

RECURRENT = [name for name, config in VARIANTS.items() if config.decoder == "rnn"]


@pytest.fixture(params=RECURRENT)
def model(request):
    torch.manual_seed(0)
    return build_model(VARIANTS[request.param], VOCAB, VOCAB).eval()


@pytest.fixture
def batch():
    torch.manual_seed(1)
    source = torch.randint(4, VOCAB, (3, 7))
    mask = torch.arange(7) < torch.tensor([7, 5, 3])[:, None]
    return source * mask, mask, torch.randint(4, VOCAB, (3, 6)), torch.randn(3, 6, VOCAB)


def gradients(model, logits, factors):
    loss = (logits.float() * factors).sum()
    return torch.autograd.grad(loss, list(model.parameters()), materialize_grads=True)


def test_gradients_of_teacher_forcing_equal_those_of_single_steps(model, batch):
    """A step of decoding applies plain layers, which autograd differentiates."""
    source, mask, target, factors = batch
    whole = model.output(model(source, mask, target).hidden)
    state, logits = model.init_state(model.encode(source, mask)), []
    for token in target.unbind(1):
        step, state, _ = model.step(token, state)
        logits.append(step)
    torch.testing.assert_close(
        gradients(model, whole, factors),
        gradients(model, torch.stack(logits, 1), factors),
        atol=1e-4,
        rtol=1e-4,
    )


def test_gradients_in_bfloat16_are_close_to_those_in_float32(model, batch):
    source, mask, target, factors = batch
    expected = gradients(model, model.output(model(source, mask, target).hidden), factors)
    with torch.autocast("cpu", torch.bfloat16):
        low = model.output(model(source, mask, target).hidden)
    found = gradients(model, low, factors)
    assert {grad.dtype for grad in found} == {torch.float32}
    difference, size = (
        torch.cat([x.flatten() for x in each]).norm()
        for each in ([a - b for a, b in zip(found, expected, strict=True)], expected)
    )
    assert 0 < difference < 0.1 * size


def test_layers_in_a_loop_have_the_gradients_of_plain_layers_also_when_backward_runs_twice():
    torch.manual_seed(2)
    layers = torch.nn.ModuleList(torch.nn.Linear(4, 4, bias=bias) for bias in (True, False, True))
    x = torch.randn(3, 4, requires_grad=True)
    inputs = (x, *layers[0].parameters(), *layers[1].parameters())  # the last one is not called

    def loss():
        state = x
        for _ in range(3):
            state = (layers[0](state) + layers[1](state[:, None])[:, 0]).tanh()
        return state.square().sum()

    expected = torch.autograd.grad(loss(), inputs)
    with repeated_linear_layers(layers):
        value = loss()
    for _ in range(2):
        torch.testing.assert_close(torch.autograd.grad(value, inputs, retain_graph=True), expected)
    torch.testing.assert_close(torch.autograd.grad(loss(), inputs), expected)


def test_second_derivatives_are_an_error():
    torch.manual_seed(3)
    layers, x = torch.nn.ModuleList([torch.nn.Linear(4, 4)]), torch.randn(3, 4, requires_grad=True)
    with repeated_linear_layers(layers):
        repeated = layers[0](x)
    gates = [torch.randn(3, 12, requires_grad=True) for _ in range(2)]
    for y, inputs in ((repeated, x), (gru_step(*gates, x), gates[0])):
        (grad,) = torch.autograd.grad(y.square().sum(), inputs, create_graph=True)
        with pytest.raises(RuntimeError, match="once_differentiable"):
            grad.square().sum().backward()
