"""Low-rank adaptation, LoRA (Hu et al. 2022), as an optimizer of ordinary weight matrices.

LoRA trains W = W0 + s B A, with B [R, r] and A [r, C] instead of W [R, C]. Here the model keeps W,
and the optimizer has A and B. By the chain rule, their gradients are s B' dW and s dW A', so that
any layer can be trained that has a matrix. Nothing is to be merged in validation, in translation or
in files, and the moments of AdamW are those of A and B. In contrast to layers with A and B of their
own (the package peft), the gradient dW is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

# s = ALPHA / r: so the best learning rate does not depend on the rank (Schulman et al. 2025, "LoRA
# Without Regret").
ALPHA = 32.0
FACTORS = ("up", "down")  # B and A
SEED = 1  # of A: the same in every process, and in every run


class LowRankAdamW(torch.optim.Optimizer):
    """AdamW of the low-rank factors of changes of weight matrices.

    B is zero at first, and A is drawn from a uniform distribution with the bounds of a linear
    layer. Weight decay acts on both. The state of a matrix holds `up` and `down`, with their
    moments as `up_exp_avg` and so on.
    """

    found_inf: Tensor | None = None  # if 1.0, the next step does nothing, as in fused AdamW

    def __init__(
        self,
        matrices: Sequence[Tensor],
        rank: int,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        self.rank, self.scale = rank, ALPHA / rank
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(matrices, defaults)
        random = torch.Generator().manual_seed(SEED)
        for matrix in matrices:
            rows, columns = matrix.shape
            down = torch.empty(rank, columns).uniform_(-1, 1, generator=random) / columns**0.5
            self.state[matrix] = {"up": matrix.new_zeros(rows, rank), "down": down.to(matrix)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the factors with the gradients of the matrices, and then the matrices."""
        for group in self.param_groups:
            factors: list[Tensor] = []
            gradients: list[Tensor] = []
            moments: dict[str, list[Tensor]] = {"exp_avg": [], "exp_avg_sq": [], "step": []}
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            for matrix in matrices:
                state = self.state[matrix]
                up, down = (state[name] for name in FACTORS)
                factors += [up, down]
                gradients += [
                    self.scale * matrix.grad @ down.mT,
                    self.scale * up.mT @ matrix.grad,
                ]
                for name in FACTORS:
                    for moment, values in moments.items():
                        like = state[name] if moment != "step" else up.new_zeros(())
                        key = f"{name}_{moment}"
                        values.append(state.setdefault(key, torch.zeros_like(like)))
                matrix.addmm_(up, down, alpha=-self.scale)
            adamw(
                factors,
                gradients,
                moments["exp_avg"],
                moments["exp_avg_sq"],
                [],
                moments["step"],
                fused=True,
                found_inf=self.found_inf,
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )
            for matrix in matrices:
                state = self.state[matrix]
                matrix.addmm_(state["up"], state["down"], alpha=self.scale)
