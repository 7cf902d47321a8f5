"""The weights of a model by name: what is stored, and how it is put back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.errors import MTError


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters by name; shared ones once."""
    return dict(model.named_parameters())


@torch.no_grad()
def load_parameters(model: nn.Module, tensors: dict[str, Tensor], origin: object) -> None:
    """Copy tensors into the parameters of the same names; all must be there, in shape, and nothing else."""
    parameters = model_tensors(model)
    wrong = sorted(parameters.keys() ^ tensors.keys()) or [
        n for n, p in parameters.items() if p.shape != tensors[n].shape
    ]
    if wrong:
        raise MTError(
            f"{origin} holds another model than the configuration describes: {len(wrong)} tensors differ, first {wrong[0]}"
        )
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])
