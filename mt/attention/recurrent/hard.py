"""Hard attention: each query looks at one source position, sampled in training (Xu et al. 2015), the best in evaluation.

Sampling has no gradient. REINFORCE estimates one from how well the target was predicted; the
straight-through estimator takes that of the probabilities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.attention.select import Selector
from mt.layers.losses import ExtraLoss


def gumbel_noise_like(scores: Tensor) -> Tensor:
    """Gumbel noise: the argmax of scores and noise is a sample of their softmax (Gumbel 1954)."""
    return -torch.empty_like(scores).exponential_().log()


def one_hot_argmax(scores: Tensor) -> Tensor:
    return F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


def masked_log_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Of each position: [..., S] in float32, very small where masked. Finite in a row that is masked entirely too."""
    return scores.float().masked_fill(~mask, -1e9).log_softmax(-1)


class Reinforce(Selector):
    """The score-function estimator of Xu et al. 2015, section 4.1: log p(a_t) weighed by what the choice has cost.

    The baseline is linear in the query, detached: it learns the cost to expect and nothing learns
    from it. As a sum over what is still to come grows with its length, it is learned per remaining
    token.
    """

    def __init__(self, query_dim: int, entropy: float) -> None:
        super().__init__()
        self.entropy = entropy
        self.baseline = nn.Linear(query_dim, 1)
        nn.init.zeros_(self.baseline.weight)
        nn.init.zeros_(self.baseline.bias)

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Terms: log_prob, entropy and baseline."""
        log_p, some = masked_log_softmax(scores, mask), mask.any(-1, keepdim=True)
        if not self.training:
            return one_hot_argmax(log_p) * some, {}
        chosen = one_hot_argmax(log_p.detach() + gumbel_noise_like(log_p)) * some
        entropy = -(log_p.exp() * log_p * some).sum(-1)
        return chosen, {
            "log_prob": (log_p * chosen).sum((1, 3)),  # of the choices of all heads together
            "entropy": entropy.sum(1),
            "baseline": self.baseline(query.detach()).squeeze(-1).float(),
        }

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        log_prob, entropy, baseline = (terms[name] for name in ("log_prob", "entropy", "baseline"))

        def loss(nll: Tensor, real: Tensor) -> Tensor:
            count = real.to(nll.dtype)
            cost, tokens = (
                (reverse_cumsum(nll), reverse_cumsum(count).clamp(min=1))
                if affects_later_tokens
                else (nll, 1)
            )
            mean = cost / tokens
            choice = (tokens * (mean - baseline)).detach() * log_prob
            return ((choice - self.entropy * entropy + (mean - baseline).square()) * count).sum()

        return [loss]


def reverse_cumsum(x: Tensor) -> Tensor:
    """x [B, T] -> the sum of each entry and all that follow."""
    return x.flip(1).cumsum(1).flip(1)


class StraightThrough(Selector):
    """Straight-through Gumbel-softmax (Jang, Gu and Poole 2017): forward a sample, backward softmax((scores + noise) / t)."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        log_p, some = masked_log_softmax(scores, mask), mask.any(-1, keepdim=True)
        if not self.training:
            return one_hot_argmax(log_p) * some, {}
        noisy = log_p + gumbel_noise_like(log_p)
        soft = (noisy / self.temperature).softmax(-1)
        return (one_hot_argmax(noisy) + (soft - soft.detach())) * some, {}
