"""Losses of target tokens from hidden states, without storing the logits of all positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mt.data.vocabulary import PAD

# Logits computed at a time: few enough to reuse the memory, enough for efficient products.
CHUNK_LOGITS = 8 << 20
# A CPU computes multiples of so many positions, because oneDNN generates kernels for each number.
ROUND_POSITIONS = 64
# Logits that a CPU turns into gradients at a time: few enough to stay in its cache.
SLICE_LOGITS = 3 << 18

# A part of a loss: a factor, and values [n, K] or [n, 1] to sum over real tokens.
Term = tuple[float, Tensor]


class TokenLoss:
    """Interface of losses that are sums over target tokens, with their gradients.

    A token may be predicted by K forward passes (`passes`).
    """

    passes: int = 1

    def __call__(
        self, logits: Tensor, p: Tensor, log_sum: Tensor, target: Tensor, needs_grad: bool
    ) -> tuple[Tensor, list[Term], Tensor | None]:
        """Compute the loss of n tokens: logits [n, K, V], p = softmax(logits), target [n].

        log_sum [n, K] is the logarithm of the softmax's denominator. Returns the negative
        log-likelihoods [n, K], the terms of the loss, and if needed its gradient with respect to
        the logits, [n, K, V], which may take the memory of `p`.
        """
        raise NotImplementedError


class CrossEntropy(TokenLoss):
    """Cross-entropy with label smoothing (Szegedy et al. 2015, section 7).

    The share `smoothing` of the probability is spread evenly over the vocabulary, as PyTorch's
    `label_smoothing` does.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing

    def __call__(
        self, logits: Tensor, p: Tensor, log_sum: Tensor, target: Tensor, needs_grad: bool
    ) -> tuple[Tensor, list[Term], Tensor | None]:
        smoothing, index = self.smoothing, target[:, None, None].expand(*log_sum.shape, 1)
        target_logit = logits.gather(-1, index)[..., 0]
        nll = log_sum - target_logit
        terms = [(1.0, nll)]
        if smoothing:
            terms.append((smoothing, target_logit - logits.mean(-1)))
        if not needs_grad:
            return nll, terms, None
        # d loss / d logits = softmax - (1 - smoothing) * onehot - smoothing / V
        grad = p.sub_(smoothing / p.shape[-1]) if smoothing else p
        grad.scatter_add_(-1, index, grad.new_full((1, 1, 1), smoothing - 1).expand_as(index))
        return nll, terms, grad


class _LinearTokenLoss(torch.autograd.Function):
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
        token_loss: TokenLoss,
        dtype: torch.dtype,
        needs_grad: bool,
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss of hidden [N, K, D], weight [V, D], bias [V], target [N]; NLLs [N, K].

        `target` may contain PAD. `dtype`: the type of the matrix products.
        """
        vocabulary = weight.shape[0]
        position_logits = vocabulary * token_loss.passes
        hidden_low, weight_low = hidden.to(dtype), weight.to(dtype)
        loss = torch.zeros((), device=hidden.device)
        all_nll = torch.zeros(hidden.shape[:2], device=hidden.device)
        # float32, because they are sums; empty if not needed.
        shapes = [x.shape if needs_grad else (0,) for x in (hidden, weight, bias)]
        grad_hidden, grad_weight, grad_bias = (
            torch.zeros(shape, device=hidden.device) for shape in shapes
        )
        on_cpu = hidden.device.type == "cpu"
        slice_logits = SLICE_LOGITS if on_cpu else CHUNK_LOGITS
        chunk_size = CHUNK_LOGITS // position_logits
        chunk_size -= chunk_size % ROUND_POSITIONS if chunk_size > ROUND_POSITIONS else 0
        for chunk in _slices(hidden.shape[0], chunk_size):
            h = hidden_low[chunk].flatten(0, 1)
            # Without bias. Gradients replace the logits in the same memory, slice by slice.
            rows = h @ weight_low.T
            logits = rows.unflatten(0, (-1, token_loss.passes))
            for part in _slices(len(logits), slice_logits // position_logits):
                y, x = target[chunk][part], logits[part].float().add_(bias)
                # log sum exp x = max x - log max softmax(x). On a CPU this softmax takes less time
                # than exp alone.
                p = x.softmax(-1)
                log_sum = x.amax(-1) - p.amax(-1).log()
                nll, terms, grad = token_loss(x, p, log_sum, y, needs_grad)
                real = (y != PAD)[:, None]
                all_nll[chunk][part] = nll * real
                for factor, term in terms:
                    loss += factor * (term * real).sum()
                if grad is not None:
                    # To ask a GPU whether there are any would take longer.
                    if not (on_cpu and real.all()):
                        grad.mul_(real[..., None])
                    grad_bias += grad.flatten(0, 1).sum(0)
                    logits[part] = grad
            if needs_grad:
                grad_hidden[chunk] = (rows @ weight_low).float().view_as(grad_hidden[chunk])
                grad_weight += (rows.T @ h).float()
        if needs_grad:
            ctx.save_for_backward(grad_hidden.to(hidden.dtype), grad_weight, grad_bias)
        ctx.mark_non_differentiable(all_nll)
        return loss, all_nll

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Scale the gradients by that of the loss; the NLL has none."""
        grad = grads[0]
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        grad_hidden = grad_hidden * grad.to(grad_hidden.dtype)
        return grad_hidden, grad_weight * grad, grad_bias * grad, None, None, None, None


def _slices(length: int, step: int) -> Iterator[slice]:
    """Yield slices of at most `step` (at least 1) that cover `length`."""
    step = max(1, step)
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def sum_token_loss(
    hidden: Tensor, output: torch.nn.Linear, target: Tensor, token_loss: TokenLoss
) -> tuple[Tensor, Tensor]:
    """Compute a loss, summed over all real tokens, and the negative log-likelihoods in nats.

    hidden [K * B, T, D] holds the K passes of `token_loss` one after the other; target [B, T] has
    PAD at positions without a prediction. The loss has a gradient; the negative log-likelihoods
    [K * B, T], 0 at PAD, have none.
    """
    (batch, length), passes, kept = target.shape, token_loss.passes, None
    # [B * T, K, D], so that a chunk has all predictions of its tokens.
    hidden = hidden.unflatten(0, (passes, batch)).movedim(0, 2).flatten(0, 1)
    target = target.flatten()
    device = hidden.device.type
    # On a CPU, drop most padding. On a GPU, the data-dependent shape would force a synchronisation.
    if device == "cpu":
        padding = target == PAD
        real = len(target) - int(padding.sum())
        kept = padding.argsort(stable=True)[: real + -real % ROUND_POSITIONS]
        hidden, target = hidden[kept], target[kept]
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    with torch.autocast(device, enabled=False):
        loss, nll = _LinearTokenLoss.apply(
            hidden,
            output.weight,
            output.bias,
            target,
            token_loss,
            dtype,
            torch.is_grad_enabled(),
        )
    if kept is not None:
        nll = nll.new_zeros(batch * length, passes).index_copy_(0, kept, nll)
    return loss, nll.T.reshape(passes * batch, length)


def cross_entropy(
    hidden: Tensor, output: torch.nn.Linear, target: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Compute the cross-entropy of one pass; see `CrossEntropy` and `sum_token_loss`."""
    return sum_token_loss(hidden, output, target, CrossEntropy(smoothing))
