"""Muon: the momentum of each matrix, made orthogonal, as its step (Jordan et al. 2024, kellerjordan.github.io/posts/muon)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

# Of the quintics a x + b x^3 + c x^5 that are applied one after the other, each the nearest to 1 on
# the interval where the one before has left the singular values (Amsel et al. 2025, algorithm 3,
# the Polar Express), the first being [0.01, 1]: they end between 0.73 and 1.27. Jordan et al.
# repeat one quintic five times, for values from 0.002 on; on a CPU the rounds are a good part of a
# step.
COEFFICIENTS = ((8.0934, -23.6204, 17.4462), (3.6366, -2.7219, 0.5365), (2.6613, -1.9772, 0.4526))
PRECISION = torch.bfloat16  # of the products: rounds far less than the iteration leaves open
RMS = 0.2  # of a step's entries, as AdamW's steps have: one learning rate then serves both (Liu et al. 2025, section 2.2)


class Muon(torch.optim.Optimizer):
    """For weight matrices that are applied to vectors. Embeddings, output layers, biases and norms are AdamW's.

    The step of a matrix of r x c is the nearest orthogonal matrix to its momentum (Nesterov's),
    times 0.2 sqrt(max(r, c)). All directions of a matrix so learn at the same speed, not only those
    in which gradients are large. Matrices of the same shape are orthogonalised together.
    torch.optim.Muon takes one matrix after the other, with one polynomial, and cannot skip a step.
    """

    found_inf: Tensor | None = (
        None  # 1.0 where the next step must change nothing; the switch that fused AdamW has
    )

    def __init__(
        self,
        matrices: Iterable[Tensor] | list[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step with the gradients that the matrices have."""
        for group in self.param_groups:
            alike: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                alike[matrix.shape, matrix.device].append(matrix)
            for matrices in alike.values():
                self._step(matrices, group["lr"], group["momentum"], group["weight_decay"])

    def _step(self, matrices: list[Tensor], lr: float, decay: float, weight_decay: float) -> None:
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        moving: Tensor | float = 1.0
        if self.found_inf is not None and self.found_inf.device.type == "cpu":
            if self.found_inf:
                return
        elif (
            self.found_inf is not None
        ):  # the host does not look: what is not a number would remain so, however little of it is added
            moving = 1.0 - self.found_inf
            for gradient in gradients:
                torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)
        momenta = [
            self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
            for matrix in matrices
        ]
        for momentum, gradient in zip(momenta, gradients, strict=True):
            momentum.lerp_(gradient, (1 - decay) * moving)
        # Nesterov's look ahead.
        steps = orthogonalise(
            torch.stack(
                [g.lerp_(m, decay).to(PRECISION) for g, m in zip(gradients, momenta, strict=True)]
            )
        )
        if weight_decay:
            torch._foreach_mul_(matrices, 1 - lr * weight_decay * moving)
        size = lr * RMS * max(matrices[0].shape) ** 0.5
        torch._foreach_sub_(matrices, list(steps.to(matrices[0].dtype).mul_(size * moving)))


def orthogonalise(matrices: Tensor) -> Tensor:
    """U V' of each matrix U S V', nearly: singular values that are not small come out near 1. [N, R, C] -> [N, R, C].

    By polynomials of odd powers, which need products only.
    """
    wide = matrices.size(1) <= matrices.size(2)
    x = matrices if wide else matrices.mT
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for a, b, c in COEFFICIENTS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
