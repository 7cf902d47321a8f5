"""Label-smoothed cross-entropy straight from hidden states: logits exist for one chunk of positions at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mt.data.vocabulary import PAD

CHUNK_LOGITS = (
    8 << 20
)  # elements of a chunk's logits: small enough for buffers to be reused, large enough for full products
SLICE_LOGITS = (
    3 << 18
)  # of what a CPU takes from logits to gradient at a time: few enough to stay in its cache


class _LinearCrossEntropy(torch.autograd.Function):
    """The loss is the end of the graph, so its gradients are computed in the forward pass, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: Tensor,
        padded: bool,
        smoothing: float,
        dtype: torch.dtype,
        wanted: bool,
    ) -> tuple[Tensor, Tensor]:
        vocabulary = weight.shape[0]
        hidden_low, weight_low = hidden.to(dtype), weight.to(dtype)
        smoothed = torch.zeros((), device=hidden.device)
        nll = torch.zeros(hidden.shape[0], device=hidden.device)
        # In float32, because they are sums; empty where nobody asks for them.
        shapes = [x.shape if wanted else (0,) for x in (hidden, weight, bias)]
        grad_hidden, grad_weight, grad_bias = (
            torch.zeros(shape, device=hidden.device) for shape in shapes
        )
        slice_logits = SLICE_LOGITS if hidden.device.type == "cpu" else CHUNK_LOGITS
        for chunk in _parts(hidden.shape[0], CHUNK_LOGITS // vocabulary):
            h = hidden_low[chunk]
            logits = (
                h @ weight_low.T
            )  # without bias; and then, slice by slice, their gradient in the same memory
            for part in _parts(len(h), slice_logits // vocabulary):
                y, x = target[chunk][part], logits[part].float().add_(bias)
                # The largest of logits and of probabilities give log sum exp; a CPU takes less time
                # for this softmax than for exp alone.
                p, chosen = x.softmax(-1), x.gather(1, y[:, None])[:, 0]
                real = y != PAD if padded else torch.ones_like(y)
                nll[chunk][part] = each = (x.amax(-1) - p.amax(-1).log() - chosen) * real
                smoothed += each.sum()
                if smoothing:
                    smoothed += smoothing * ((chosen - x.mean(-1)) * real).sum()
                if wanted:
                    # d loss / d logits = softmax - (1 - smoothing) * onehot - smoothing / V
                    grad = p.sub_(smoothing / vocabulary) if smoothing else p
                    grad.scatter_add_(1, y[:, None], grad.new_full((len(y), 1), smoothing - 1))
                    if padded:
                        grad.mul_(real[:, None])
                    grad_bias += grad.sum(0)
                    logits[part] = grad
            if wanted:
                grad_hidden[chunk] = (logits @ weight_low).float()
                grad_weight += (logits.T @ h).float()
        if wanted:
            ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return smoothed, nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        grad = grads[0]  # of the smoothed loss; the other output has no gradient
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return (
            grad_hidden * grad.to(grad_hidden.dtype),
            grad_weight * grad,
            grad_bias * grad,
            None,
            None,
            None,
            None,
            None,
        )


def _parts(length: int, step: int) -> Iterator[slice]:
    step = max(1, step)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def cross_entropy(
    hidden: Tensor, output: torch.nn.Linear, target: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """In nats: the label-smoothed loss, summed over all real target tokens, with gradient; and the plain negative
    log-likelihood of each token [B, T], 0 where there is none, without gradient.

    hidden [B, T, D], target [B, T] with PAD where nothing is to be predicted. Smoothing spreads
    that share of the probability evenly over the vocabulary (Szegedy et al. 2015, section 7), as
    torch's `label_smoothing` does.
    """
    shape, real = target.shape, None
    hidden, target = hidden.flatten(0, 1), target.flatten()
    if (
        target.device.type == "cpu"
    ):  # the shapes that result depend on the data: on a GPU this would wait for it
        real = (target != PAD).nonzero()[:, 0]
        hidden, target = hidden[real], target[real]
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    with torch.autocast(device, enabled=False):
        loss, nll = _LinearCrossEntropy.apply(
            hidden,
            output.weight,
            output.bias,
            target,
            real is None,
            smoothing,
            dtype,
            torch.is_grad_enabled(),
        )
    if real is not None:
        nll = nll.new_zeros(shape.numel()).index_copy_(0, real, nll)
    return loss, nll.view(shape)
