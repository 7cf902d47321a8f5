"""Hard attention: each query attends to one source position (Xu et al. 2015).

The position is sampled in training; in evaluation it is the most likely one. Sampling has no
gradient. REINFORCE estimates one from the cost of the predictions; the straight-through estimator
uses the gradient of the probabilities instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.attention.select import Selector, mask_scores
from mt.layers.losses import ExtraLoss


def gumbel_noise_like(scores: Tensor) -> Tensor:
    """Draw Gumbel noise: argmax(scores + noise) is a sample of softmax(scores) (Gumbel 1954)."""
    return -torch.empty_like(scores).exponential_().log()


def one_hot_argmax(scores: Tensor) -> Tensor:
    """Return 1 at the highest score of each row and 0 elsewhere."""
    return F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)


def masked_log_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Return log-probabilities [..., S] in float32, finite even in fully masked rows."""
    return mask_scores(scores.float(), mask).log_softmax(-1)


class Reinforce(Selector):
    """The REINFORCE estimator of Xu et al. 2015, section 4.1: log p(a_t) times the cost of a_t.

    The baseline predicts the cost as a linear function of the detached query, so that its loss
    trains nothing else. A sum over the remaining tokens grows with their number; the baseline
    therefore predicts the mean cost per remaining token.
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
        """Return one-hot weights and the loss terms log_prob, entropy and baseline."""
        log_p, any_visible = masked_log_softmax(scores, mask), mask.any(-1, keepdim=True)
        if not self.training:
            return one_hot_argmax(log_p) * any_visible, {}
        sample = one_hot_argmax(log_p.detach() + gumbel_noise_like(log_p)) * any_visible
        entropy = -(log_p.exp() * log_p * any_visible).sum(-1)
        return sample, {
            "log_prob": (log_p * sample).sum((1, 3)),  # joint over the heads
            "entropy": entropy.sum(1),
            "baseline": self.baseline(query.detach()).squeeze(-1).float(),
        }

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        log_prob, entropy, baseline = (terms[name] for name in ("log_prob", "entropy", "baseline"))

        def loss(nll: Tensor, real: Tensor) -> Tensor:
            real = real.to(nll.dtype)
            if affects_later_tokens:
                cost, tokens = reverse_cumsum(nll), reverse_cumsum(real).clamp(min=1)
            else:
                cost, tokens = nll, torch.ones_like(nll)
            mean = cost / tokens
            surrogate = (tokens * (mean - baseline)).detach() * log_prob
            baseline_loss = (mean - baseline).square()
            return ((surrogate - self.entropy * entropy + baseline_loss) * real).sum()

        return [loss]


def reverse_cumsum(x: Tensor) -> Tensor:
    """Return the sum of each entry and all later ones: [B, T] -> [B, T]."""
    return x.flip(1).cumsum(1).flip(1)


class StraightThrough(Selector):
    """Straight-through Gumbel-softmax (Jang, Gu and Poole 2017).

    The forward pass samples; the backward pass uses the gradient of softmax((scores + noise) / t),
    with temperature t.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(
        self, scores: Tensor, mask: Tensor, query: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        log_p, any_visible = masked_log_softmax(scores, mask), mask.any(-1, keepdim=True)
        if not self.training:
            return one_hot_argmax(log_p) * any_visible, {}
        noisy = log_p + gumbel_noise_like(log_p)
        soft = (noisy / self.temperature).softmax(-1)
        return (one_hot_argmax(noisy) + (soft - soft.detach())) * any_visible, {}
