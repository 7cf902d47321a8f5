"""Losses that make several forward passes over the same text predict alike.

Each is the cross-entropy of the passes plus a divergence between their predictions. A divergence
takes log-probabilities and probabilities [n, K, V] of n tokens in K passes. It returns its values
[n] and its gradient with respect to the logits, which follows from the derivatives g_v with respect
to the probabilities p_v: it is p_v * (g_v - sum over w of p_w * g_w).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mt.models.loss import CrossEntropy, Term, TokenLoss

Divergence = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class ConsistencyLoss(TokenLoss):
    """Weighted cross-entropies of several passes, plus `strength` times a divergence of them."""

    def __init__(
        self, smoothing: float, weights: Sequence[float], divergence: Divergence, strength: float
    ) -> None:
        self.cross_entropy = CrossEntropy(smoothing)
        self.passes, self.weights = len(weights), tuple(weights)
        self.divergence, self.strength = divergence, strength

    def __call__(
        self, logits: Tensor, p: Tensor, log_sum: Tensor, target: Tensor, needs_grad: bool
    ) -> tuple[Tensor, list[Term], Tensor | None]:
        divergences, divergence_grad = self.divergence(logits - log_sum[..., None], p)
        nll, terms, grad = self.cross_entropy(logits, p, log_sum, target, needs_grad)
        weighted = [
            (factor * weight, term[:, k : k + 1])
            for factor, term in terms
            for k, weight in enumerate(self.weights)
        ]
        if grad is not None:
            for k, weight in enumerate(self.weights):
                grad[:, k].mul_(weight).add_(divergence_grad[:, k], alpha=self.strength)
        return nll, [*weighted, (self.strength, divergences[:, None])], grad


def kl(log_p: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Return KL(p_1 || p_2) of two passes, and its gradient."""
    log_ratio = log_p[:, 0] - log_p[:, 1]
    value = (p[:, 0] * log_ratio).sum(-1)
    return value, torch.stack((p[:, 0] * (log_ratio - value[:, None]), p[:, 1] - p[:, 0]), 1)


def symmetric_kl(log_p: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of KL(p_1 || p_2) and KL(p_2 || p_1) of two passes, and its gradient."""
    forward, grad = kl(log_p, p)
    log_ratio = log_p[:, 1] - log_p[:, 0]
    backward = (p[:, 1] * log_ratio).sum(-1)
    grad[:, 0] -= grad[:, 1]
    grad[:, 1] += p[:, 1] * (log_ratio - backward[:, None])
    return (forward + backward) / 2, grad.div_(2)


def jensen_shannon(log_p: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of KL(p_k || mean of all p), over the K passes, and its gradient."""
    passes = p.shape[1]
    log_ratio = log_p - (log_p.logsumexp(1, keepdim=True) - math.log(passes))
    values = (p * log_ratio).sum(-1, keepdim=True)
    return values[..., 0].mean(1), p * (log_ratio - values) / passes


def r_drop(smoothing: float, alpha: float) -> ConsistencyLoss:
    """Build the loss of R-Drop: two passes that differ in dropout only.

    The loss of a token y in Wu et al. 2021 (arXiv 2106.14448) is
        -log p_1(y) - log p_2(y) + alpha * (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2.
    Here it is half of that, so that the loss and the norm of the gradient, which optim.clip limits,
    have the scale of a single pass. Alpha has the meaning and the values of the paper.
    """
    return ConsistencyLoss(smoothing, (0.5, 0.5), symmetric_kl, alpha / 2)


def simcut(smoothing: float, alpha: float) -> ConsistencyLoss:
    """Build the loss of SimCut: a pass, and one with a cut input.

    The loss of a token y in Gao et al. 2022 (arXiv 2206.02368) is
        -log p(y) + alpha * KL(p || p_cut).
    The gradient flows into both passes, which the paper finds important.
    """
    return ConsistencyLoss(smoothing, (1.0, 0.0), kl, alpha)


def token_cutoff(smoothing: float, alpha: float, views: int) -> ConsistencyLoss:
    """Build the loss of token cutoff: a pass, and N (`views`) with cut inputs.

    The loss of a token y follows Shen et al. 2020 (arXiv 2009.13818), halved as in `r_drop`:
        (-log p(y) - mean of log p_cut(y) + alpha * JS) / 2,
    with the Jensen-Shannon divergence JS of all N + 1 predictions. The paper has one more weight,
    that of the cross-entropy of the cut passes; it is 1 here.
    """
    weights = (0.5, *[0.5 / views] * views)
    return ConsistencyLoss(smoothing, weights, jensen_shannon, alpha / 2)
