"""Optimizers, and the moving average of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from mt.config.schema import OptimConfig
from mt.errors import MTError
from mt.training.low_rank import LowRankAdamW
from mt.training.muon import MapMatrices, Muon


class CombinedOptimizer:
    """Several optimizers as one; each parameter of the model belongs to one of them."""

    def __init__(
        self, parts: list[torch.optim.Optimizer], pull: DecayToStart | None = None
    ) -> None:
        self.parts, self.pull = parts, pull
        self._part = {
            p: part for part in parts for group in part.param_groups for p in group["params"]
        }

    def state(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Return the optimizer state of a parameter by name, to read or modify.

        A parameter that is not trained has none.
        """
        part = self._part.get(parameter)
        return part.state[parameter] if part else {}

    def step(self, rate: float, skipped: Tensor) -> None:
        """Update the weights at learning rate `rate`; do nothing if the tensor `skipped` is 1.0."""
        if self.pull:
            self.pull.step(rate, skipped)
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.found_inf = skipped  # type: ignore[attr-defined]  # as torch.amp.GradScaler does
            part.step()


class DecayToStart:
    """Decoupled decay of all weights towards those at the beginning of fine-tuning.

    As decoupled weight decay (Loshchilov and Hutter 2019), but towards the weights of the model
    that is fine-tuned (L2-SP, Li et al. 2018): w <- w - rate * decay * (w - w0) in each step.
    """

    def __init__(self, weights: Iterable[Tensor], decay: float) -> None:
        """Keep a copy of the weights as they are now."""
        self.weights = list(weights)
        self.start = [weight.detach().clone() for weight in self.weights]
        self.decay = decay

    @torch.no_grad()
    def step(self, rate: float, skipped: Tensor) -> None:
        """Decay once at learning rate `rate`; do nothing if the tensor `skipped` is 1.0."""
        factor = rate * self.decay * (1 - skipped)  # a tensor, so that nothing waits for a GPU
        for weight, start in zip(self.weights, self.start, strict=True):
            weight.sub_((weight - start) * factor)


def build_optimizer(
    config: OptimConfig,
    model: nn.Module,
    weights: dict[str, nn.Parameter] | None = None,
    map_matrices: MapMatrices | None = None,
) -> CombinedOptimizer:
    """Return fused AdamW (Loshchilov and Hutter 2019), or Muon for weight matrices with AdamW.

    Weight decay applies to weight matrices only, not to biases, norms or embeddings of words and
    positions. As in Jordan et al. 2024, AdamW optimizes the output layer, whose rows are word
    embeddings too. `weights` are what is optimized of each parameter of the model: by default all
    of it. `map_matrices` divides the work of Muon. With `config.lora`, LowRankAdamW optimizes the
    weight matrices, and the other weights stop requiring a gradient.
    """
    if config.lora:
        return CombinedOptimizer([adapt_matrices(config, model)])
    weights = weights or dict(model.named_parameters())
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    muon: list[nn.Parameter] = []
    shapes: list[torch.Size] = []
    decayed: list[nn.Parameter] = []
    not_decayed: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix, is_output = parameter.dim() == 2, name.startswith("output.")
        if parameter.dim() < 2 or id(parameter) in embeddings:
            not_decayed.append(weights[name])
        elif config.optimizer == "muon" and is_matrix and not is_output:
            muon.append(weights[name])
            shapes.append(parameter.shape)
        else:
            decayed.append(weights[name])
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": not_decayed, "weight_decay": 0.0},
    ]
    betas = config.betas[0], config.betas[1]
    parts: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.lr, betas=betas, eps=config.eps, fused=True)
    ]
    if muon:
        decay = config.weight_decay
        parts.append(Muon(muon, config.lr, config.momentum, decay, map_matrices, shapes))
    pull = DecayToStart(weights.values(), config.init_decay) if config.init_decay else None
    return CombinedOptimizer(parts, pull)


def adapt_matrices(config: OptimConfig, model: nn.Module) -> LowRankAdamW:
    """Return an optimizer of low-rank changes of the model's matrices; nothing else is trained."""
    adapted, betas = freeze_others(config, model), (config.betas[0], config.betas[1])
    return LowRankAdamW(adapted, config.lora, config.lr, betas, config.eps, config.weight_decay)


def freeze_others(config: OptimConfig, model: nn.Module) -> list[nn.Parameter]:
    """Let only the matrices that `config.lora` adapts require a gradient, and return them.

    Those are the matrices of linear and recurrent layers that have more elements than their
    factors. Embeddings, output layer, norms and biases are not adapted.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    adapted: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_layer = parameter.dim() == 2 and id(parameter) not in embeddings
        is_large = config.lora * sum(parameter.shape) < parameter.numel()
        parameter.requires_grad = is_layer and is_large and not name.startswith("output.")
        if parameter.requires_grad:
            adapted.append(parameter)
    if not adapted:
        raise MTError(
            f"optim.lora={config.lora} is too large for the matrices of this model: reduce it"
        )
    return adapted


def collect_gradients(model: nn.Module) -> list[Tensor]:
    """Return the gradients of all trained parameters.

    They are zeros if a rank had no batch that reaches them.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trained:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in trained if parameter.grad is not None]


@torch.no_grad()
def apply_gradients(
    optimizer: CombinedOptimizer,
    gradients: list[Tensor],
    tokens: Tensor,
    clip: float,
    rate: float,
    norm: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Average gradients that are sums over `tokens`, clip them, and update the weights.

    `clip` is the maximum norm; 0: no clipping. `norm` is the norm of the sums, by default that of
    `gradients`, which may be a part of all. If a gradient is not finite, the optimizers skip the
    step on the device, without synchronisation with the host.

    Returns the gradient norm before clipping, and 1.0 if the step was skipped, else 0.0; both are
    tensors on the device.
    """
    scale = 1.0 / tokens.clamp(min=1)
    norm = (torch.nn.utils.get_total_norm(gradients) if norm is None else norm) * scale
    if clip > 0:
        scale = scale * (clip / (norm + 1e-6)).clamp(max=1.0)
    skipped = (~torch.isfinite(norm)).to(torch.float32)
    torch._foreach_mul_(gradients, scale)
    optimizer.step(rate, skipped)
    return norm, skipped


class WeightAverage:
    """Exponential moving average of the weights (Kingma and Ba 2015, section 7.2).

    It is validated and saved as the model. The decay rises with step t, as
    min(decay, (1 + t) / (10 + t)), so that early averages forget the initial weights. With decay 0,
    the average is the current weights.
    """

    def __init__(self, weights: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.live = {name: weight for name, weight in weights.items() if weight.requires_grad}
        self.shadow = {name: p.detach().clone() for name, p in self.live.items()} if decay else {}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the weights after optimizer step `step`."""
        if self.shadow:
            weight = 1 - min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(self.shadow.values()), list(self.live.values()), weight)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights inside the `with` block."""
        current = [p.detach().clone() for p in self.live.values()] if self.shadow else []
        self._set(list(self.shadow.values()))
        try:
            yield
        finally:
            self._set(current)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        # Copied, not swapped: cuDNN keeps the weights of a recurrent network in one block.
        if self.shadow:
            torch._foreach_copy_(list(self.live.values()), values)
