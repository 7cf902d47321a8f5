"""Label-smoothed cross-entropy from hidden states, without storing the logits of all positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mt.data.vocabulary import PAD

# Logits computed at a time: few enough to reuse the memory, enough for efficient products.
CHUNK_LOGITS = 8 << 20
# Logits that a CPU turns into gradients at a time: few enough to stay in its cache.
SLICE_LOGITS = 3 << 18


class _LinearCrossEntropy(torch.autograd.Function):
    """Output layer and loss, chunk by chunk.

    The loss is the end of the graph; the forward pass therefore computes the gradients as well.
    """

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
        needs_grad: bool,
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss of hidden [N, D], weight [V, D], bias [V], target [N] and the NLL [N].

        `padded`: target may contain PAD. `dtype`: the type of the matrix products.
        """
        vocabulary = weight.shape[0]
        hidden_low, weight_low = hidden.to(dtype), weight.to(dtype)
        loss = torch.zeros((), device=hidden.device)
        nll = torch.zeros(hidden.shape[0], device=hidden.device)
        # float32, because they are sums; empty if not needed.
        shapes = [x.shape if needs_grad else (0,) for x in (hidden, weight, bias)]
        grad_hidden, grad_weight, grad_bias = (
            torch.zeros(shape, device=hidden.device) for shape in shapes
        )
        slice_logits = SLICE_LOGITS if hidden.device.type == "cpu" else CHUNK_LOGITS
        for chunk in _slices(hidden.shape[0], CHUNK_LOGITS // vocabulary):
            h = hidden_low[chunk]
            # Without bias. Gradients replace the logits in the same memory, slice by slice.
            logits = h @ weight_low.T
            for rows in _slices(len(h), slice_logits // vocabulary):
                y, x = target[chunk][rows], logits[rows].float().add_(bias)
                # log sum exp x = max x - log max softmax(x). On a CPU this softmax takes less time
                # than exp alone.
                p, target_logit = x.softmax(-1), x.gather(1, y[:, None])[:, 0]
                real = y != PAD if padded else torch.ones_like(y)
                row_nll = (x.amax(-1) - p.amax(-1).log() - target_logit) * real
                nll[chunk][rows] = row_nll
                loss += row_nll.sum()
                if smoothing:
                    loss += smoothing * ((target_logit - x.mean(-1)) * real).sum()
                if needs_grad:
                    # d loss / d logits = softmax - (1 - smoothing) * onehot - smoothing / V
                    grad = p.sub_(smoothing / vocabulary) if smoothing else p
                    grad.scatter_add_(1, y[:, None], grad.new_full((len(y), 1), smoothing - 1))
                    if padded:
                        grad.mul_(real[:, None])
                    grad_bias += grad.sum(0)
                    logits[rows] = grad
            if needs_grad:
                grad_hidden[chunk] = (logits @ weight_low).float()
                grad_weight += (logits.T @ h).float()
        if needs_grad:
            ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Scale the gradients by that of the loss; the NLL has none."""
        grad = grads[0]
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        grad_hidden = grad_hidden * grad.to(grad_hidden.dtype)
        return grad_hidden, grad_weight * grad, grad_bias * grad, None, None, None, None, None


def _slices(length: int, step: int) -> Iterator[slice]:
    """Yield slices of at most `step` (at least 1) that cover `length`."""
    step = max(1, step)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def cross_entropy(
    hidden: Tensor, output: torch.nn.Linear, target: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Compute the training loss and the negative log-likelihood of each target token, in nats.

    hidden [B, T, D], target [B, T] with PAD at positions without a prediction. Returns the
    label-smoothed loss, summed over all real tokens, with gradient; and the unsmoothed negative
    log-likelihood [B, T], 0 at PAD, without gradient. Label smoothing spreads the share `smoothing`
    of the probability evenly over the vocabulary (Szegedy et al. 2015, section 7), as PyTorch's
    `label_smoothing` does.
    """
    shape, real = target.shape, None
    hidden, target = hidden.flatten(0, 1), target.flatten()
    device = hidden.device.type
    # On a CPU, drop the padding. On a GPU, the data-dependent shape would force a synchronisation.
    if device == "cpu":
        real = (target != PAD).nonzero()[:, 0]
        hidden, target = hidden[real], target[real]
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
