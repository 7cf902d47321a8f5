"""The optimizer, and the average of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mt.config.schema import OptimConfig
from mt.training.muon import Muon


class Optimizers:
    """The optimizers of a model's parameters, each of which belongs to one of them, as one."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        self._of = {
            p: part for part in parts for group in part.param_groups for p in group["params"]
        }

    def state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """What its optimizer remembers of a parameter, by name; to be read and to be set."""
        return self._of[parameter].state[parameter]

    def step(self, rate: float, skipped: Tensor) -> None:
        """One step at learning rate `rate`; where `skipped` (on the device) is 1.0, one that changes nothing."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.found_inf = skipped  # type: ignore[attr-defined]  # the switch that GradScaler uses
            part.step()


def build_optimizer(config: OptimConfig, model: nn.Module) -> Optimizers:
    """AdamW (Loshchilov and Hutter 2019) in one fused call, for all parameters or beside Muon, which takes the weight matrices.

    Only matrices decay: not biases and norms, nor the vectors of words and of positions. Muon
    leaves the output layer to AdamW, as Jordan et al. do: its rows are vectors of words too.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    head = {id(p) for name, p in model.named_parameters() if name.startswith("output.")}
    kinds: dict[str, list[nn.Parameter]] = {"muon": [], "matrices": [], "others": []}
    for parameter in model.parameters():
        matrix = parameter.dim() > 1 and id(parameter) not in tables
        muon = (
            config.optimizer == "muon"
            and matrix
            and parameter.dim() == 2
            and id(parameter) not in head
        )
        kinds["muon" if muon else "matrices" if matrix else "others"].append(parameter)
    adam = [
        {"params": kinds["matrices"], "weight_decay": config.weight_decay},
        {"params": kinds["others"], "weight_decay": 0.0},
    ]
    betas = config.betas[0], config.betas[1]
    parts: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(adam, lr=config.lr, betas=betas, eps=config.eps, fused=True)
    ]
    if kinds["muon"]:
        parts.append(Muon(kinds["muon"], config.lr, config.momentum, config.weight_decay))
    return Optimizers(parts)


@torch.no_grad()
def update(
    optimizer: Optimizers, gradients: list[Tensor], tokens: Tensor, clip: float, rate: float
) -> tuple[Tensor, Tensor]:
    """One step with gradients that are sums over `tokens`: average, clip to norm `clip` (0: no limit), apply.

    A gradient that is not finite changes nothing: the optimizers themselves skip the step, without
    the host having to look. Returns (gradient norm before clipping, 1.0 where the step was
    skipped), both on the device.
    """
    scale = 1.0 / tokens.clamp(min=1)
    norm = torch.nn.utils.get_total_norm(gradients) * scale
    if clip > 0:
        scale = scale * (clip / (norm + 1e-6)).clamp(max=1.0)
    skipped = (~torch.isfinite(norm)).to(torch.float32)
    torch._foreach_mul_(gradients, scale)
    optimizer.step(rate, skipped)
    return norm, skipped


class Average:
    """Exponential moving average of the weights, for validation and as the saved model (Kingma and Ba 2015, section 7.2).

    The decay grows with the steps, min(decay, (1 + t) / (10 + t)), so that early averages forget
    the initial weights. With decay 0 the average is the weights themselves.
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
        own = (
            [parameter.detach().clone() for parameter in self.live.values()] if self.shadow else []
        )
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
