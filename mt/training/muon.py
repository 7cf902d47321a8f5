"""Muon: momentum with orthogonalised updates for weight matrices (Jordan et al. 2024).

See kellerjordan.github.io/posts/muon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from mt.training.distributed import ProcessGroup

# (a, b, c) of the polynomials a x + b x^3 + c x^5, applied one after the other to singular values.
# Each is the best approximation of 1 on the interval that the previous one maps to, starting with
# [0.01, 1] (Polar Express, Amsel et al. 2025, algorithm 3). The result is between 0.73 and 1.27.
# Jordan et al. apply one polynomial five times, for singular values from 0.002. Three take less
# time, which matters on a CPU.
COEFFICIENTS = ((8.0934, -23.6204, 17.4462), (3.6366, -2.7219, 0.5365), (2.6613, -1.9772, 0.4526))
PRODUCT_DTYPE = torch.bfloat16  # its rounding error is far below that of the approximation
# Root mean square of an update, as that of AdamW, so that both can use the same learning rate
# (Liu et al. 2025, section 2.2).
UPDATE_RMS = 0.2

# (function, matrices, shape) -> function(matrices), see `ProcessGroup.map_matrices`.
MapMatrices = Callable[[Callable[[Tensor], Tensor], Tensor, torch.Size], Tensor]


class Muon(torch.optim.Optimizer):
    """Muon optimizer for the weight matrices of linear layers.

    The update of an r x c matrix is the orthogonal matrix closest to its Nesterov momentum, times
    0.2 sqrt(max(r, c)). All directions of a matrix thus learn at the same speed, not only those
    with large gradients.

    Matrices of the same shape are orthogonalised together, by `map_matrices`, through which ranks
    divide the work and exchange the results. In contrast, torch.optim.Muon processes one matrix at
    a time, with a single polynomial, and cannot skip a step.
    """

    found_inf: Tensor | None = None  # if 1.0, the next step does nothing, as in fused AdamW

    def __init__(
        self,
        matrices: Iterable[Tensor] | list[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        map_matrices: MapMatrices | None = None,
        shapes: Sequence[torch.Size] = (),
    ):
        """Optimize matrices, of which this rank may have some rows; `shapes` are the whole ones."""
        self.map_matrices = map_matrices or ProcessGroup().map_matrices
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        own = [matrix for group in self.param_groups for matrix in group["params"]]
        whole = shapes or [matrix.shape for matrix in own]
        self.shapes = dict(zip(own, whole, strict=True))

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all matrices with their gradients."""
        for group in self.param_groups:
            by_shape: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                by_shape[self.shapes[matrix], matrix.device].append(matrix)
            for (shape, _), matrices in by_shape.items():
                self._step(matrices, shape, group["lr"], group["momentum"], group["weight_decay"])

    def _step(
        self,
        matrices: list[Tensor],
        shape: torch.Size,
        lr: float,
        decay: float,
        weight_decay: float,
    ) -> None:
        """Update matrices of the same shape."""
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        active: Tensor | float = 1.0  # 0 if the step is skipped
        if self.found_inf is not None and self.found_inf.device.type == "cpu":
            if self.found_inf:
                return
        elif self.found_inf is not None:
            # To avoid synchronisation, a skipped step is computed with factor 0. Replace NaN and
            # infinity, which would remain NaN when multiplied by 0.
            active = 1.0 - self.found_inf
            for gradient in gradients:
                torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)
        momenta = [
            self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
            for matrix in matrices
        ]
        for momentum, gradient in zip(momenta, gradients, strict=True):
            momentum.lerp_(gradient, (1 - decay) * active)
        nesterov = [
            gradient.lerp_(momentum, decay).to(PRODUCT_DTYPE)
            for gradient, momentum in zip(gradients, momenta, strict=True)
        ]
        updates = self.map_matrices(orthogonalise, torch.stack(nesterov), shape)
        if weight_decay:
            torch._foreach_mul_(matrices, 1 - lr * weight_decay * active)
        size = lr * UPDATE_RMS * max(shape) ** 0.5
        torch._foreach_sub_(matrices, list(updates.to(matrices[0].dtype).mul_(size * active)))


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return approximately U V' of each matrix U S V', [N, R, C] -> [N, R, C].

    Odd polynomials, which need matrix products only, map singular values that are not small to
    values close to 1.
    """
    wide = matrices.size(1) <= matrices.size(2)
    x = matrices if wide else matrices.mT
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for a, b, c in COEFFICIENTS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT
