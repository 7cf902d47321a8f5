"""The optimizer, its learning rate, and the average of the weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mt.config import OptimConfig


def learning_rate(config: OptimConfig, step: int, progress: float) -> float:
    """The rate of optimizer step `step` (from 1) when `progress` (0 to 1) of the training budget is spent.

    Linear warm-up, then inverse square root (Vaswani et al. 2017, section 5.3, without its dependence on the width), or a
    half cosine to zero (Loshchilov and Hutter 2017), or constant.
    """
    warm = min(1.0, step / max(1, config.warmup))
    if config.schedule == "inverse_sqrt":
        return config.lr * min(warm, math.sqrt(max(1, config.warmup) / step))
    if config.schedule == "cosine":
        return config.lr * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.lr * warm


def build_optimizer(config: OptimConfig, model: nn.Module) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) in one fused call; only matrices decay, not embeddings, biases and norms."""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in model.parameters():
        (matrices if parameter.dim() > 1 and id(parameter) not in embeddings else others).append(parameter)
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(config.betas[0], config.betas[1]), eps=config.eps, fused=True)


@torch.no_grad()
def update(optimizer: torch.optim.AdamW, gradients: list[Tensor], tokens: Tensor, clip: float, rate: float) -> tuple[Tensor, Tensor]:
    """One step with gradients that are sums over `tokens`: average, clip to norm `clip` (0: no limit), apply.

    A gradient that is not finite changes nothing: the fused kernel itself skips the step, without the host having to
    look. Returns (gradient norm before clipping, 1.0 where the step was skipped), both on the device.
    """
    scale = 1.0 / tokens.clamp(min=1)
    norm = torch.nn.utils.get_total_norm(gradients) * scale
    if clip > 0:
        scale = scale * (clip / (norm + 1e-6)).clamp(max=1.0)
    skipped = (~torch.isfinite(norm)).to(torch.float32)
    torch._foreach_mul_(gradients, scale)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.found_inf = skipped  # type: ignore[attr-defined]  # the switch that GradScaler uses
    optimizer.step()
    return norm, skipped


class Average:
    """Exponential moving average of the weights, for validation and as the saved model (Kingma and Ba 2015, section 7.2).

    The decay grows with the steps, min(decay, (1 + t) / (10 + t)), so that early averages forget the initial weights.
    With decay 0 the average is the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.live = dict(model.named_parameters())
        self.shadow = {name: p.detach().clone() for name, p in self.live.items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after optimizer step `step`."""
        if self.shadow:
            weight = 1 - min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.shadow.values()), list(self.live.values()), weight)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the averaged weights inside the block and its own after it."""
        own = [parameter.detach().clone() for parameter in self.live.values()] if self.shadow else []
        self._set(list(self.shadow.values()))
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        # Copied, not swapped: cuDNN keeps the weights of a recurrent network in one block.
        if self.shadow:
            torch._foreach_copy_(list(self.live.values()), values)
