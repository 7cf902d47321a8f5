"""GRUs whose backward pass is written by hand: over a whole sequence, and one step.

Autograd would record some fifteen small operations per step and differentiate each of them. Over a
sequence, all that does not depend on the recurrence is computed for all steps at once; in
particular, the gradient of the weights is one product over all steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gru_states(input_gates: Tensor, start: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute the states [N, T, H] of a GRU by the formulas of `gru_update` (cells.py).

    input_gates [N, T, 3 H] are the products with the input, start [N, H] is the state before them,
    weight [3 H, H] and bias [3 H] are those of the product with the state. That product is computed
    in the type of input_gates, all else in the type of start.
    """
    return _GRU.apply(input_gates.transpose(0, 1), start, weight, bias).transpose(0, 1)


class _GRU(torch.autograd.Function):
    """`gru_states`, but with the steps in the first dimension of input_gates and states."""

    @staticmethod
    def forward(
        ctx: Any, input_gates: Tensor, start: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        (steps, rows, _), hidden = input_gates.shape, start.shape[1]
        weight, bias = weight.to(input_gates.dtype), bias.to(start.dtype)
        gates_rz = input_gates[..., : 2 * hidden] + bias[: 2 * hidden]
        gates_n = input_gates[..., 2 * hidden :].to(start.dtype)
        states = start.new_empty(steps + 1, rows, hidden)
        states[0] = start
        gates = start.new_empty(steps, rows, 2 * hidden)  # r, z
        products, candidates = start.new_empty(2, steps, rows, hidden)  # U h + b, n
        r_steps, z_steps = (gate.unbind() for gate in gates.chunk(2, -1))
        for t, (state, next_state) in enumerate(zip(states[:-1], states[1:], strict=True)):
            product = (state.to(weight.dtype) @ weight.T).to(start.dtype)
            torch.add(gates_rz[t], product[:, : 2 * hidden], out=gates[t]).sigmoid_()
            torch.add(product[:, 2 * hidden :], bias[2 * hidden :], out=products[t])
            n = torch.addcmul(gates_n[t], r_steps[t], products[t], out=candidates[t])
            torch.lerp(tanh_(n), state, z_steps[t], out=next_state)
        ctx.save_for_backward(states, gates, products, candidates, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        """Backpropagate through time: from step to step, only the state's gradient is unknown."""
        states, gates, products, n, weight = ctx.saved_tensors
        hidden, before = n.shape[-1], states[:-1]
        z = gates[..., hidden:]
        by_n, by_products = derivatives(gates, products, n, before)
        grad_states = grads[0].clone()
        grad_products = torch.empty_like(by_products, dtype=weight.dtype)
        later = torch.zeros_like(states[0])  # gradient that arrives from later steps
        for t in reversed(range(len(n))):
            grad = grad_states[t].add_(later)
            torch.mul(by_products[t], grad[:, None], out=grad_products[t])
            later = torch.addcmul(grad_products[t].flatten(1) @ weight, grad, z[t])
        grad_inputs = grad_products.clone()  # differs in the gate n only
        torch.mul(by_n, grad_states, out=grad_inputs[:, :, 2])
        flat = grad_products.flatten(2).flatten(0, 1)
        grad_weight = flat.T @ before.flatten(0, 1).to(weight.dtype)
        grad_bias = flat.sum(0, dtype=n.dtype)
        return grad_inputs.flatten(2), later, grad_weight.to(n.dtype), grad_bias


class _GRUStep(torch.autograd.Function):
    """`gru_update` of one step."""

    @staticmethod
    def forward(ctx: Any, input_gates: Tensor, hidden_gates: Tensor, state: Tensor) -> Tensor:
        hidden = state.shape[-1]
        gates = (input_gates[:, : 2 * hidden] + hidden_gates[:, : 2 * hidden]).sigmoid_()
        products = hidden_gates[:, 2 * hidden :]
        n = tanh_(torch.addcmul(input_gates[:, 2 * hidden :], gates[:, :hidden], products))
        ctx.save_for_backward(gates, products, n, state)
        return torch.lerp(n, state, gates[:, hidden:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        gates, products, n, state = ctx.saved_tensors
        by_n, by_products = derivatives(gates, products, n, state)
        grad_products = by_products * grads[0][:, None]
        grad_inputs = grad_products.clone()  # differs in the gate n only
        torch.mul(by_n, grads[0], out=grad_inputs[:, 2])
        return grad_inputs.flatten(1), grad_products.flatten(1), grads[0] * gates[:, n.shape[-1] :]


gru_step = _GRUStep.apply


def derivatives(gates: Tensor, products: Tensor, n: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives of the next state with respect to its pre-activations.

    gates [..., 2 H] are r and z, products [..., H] is U h + b of the gate n, state is h. The first
    result [..., H] is the derivative by the input's share of n, the second [..., 3, H] is that by
    the state's share of r, z and n.
    """
    r, z = gates.chunk(2, -1)
    by_n = (1 - z) * (1 - n.square())
    by_r, by_z = by_n * products * r * (1 - r), (state - n) * z * (1 - z)
    return by_n, torch.stack((by_r, by_z, by_n * r), dim=-2)


def tanh_(x: Tensor) -> Tensor:
    """Compute tanh(x) = 2 sigmoid(2 x) - 1 in place; on a CPU, sigmoid is six times as fast."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)
