"""The parameters of a model by name, as run directories store them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.errors import MTError


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters by name, shared ones once."""
    return dict(model.named_parameters())


def load_parameters(model: nn.Module, tensors: dict[str, Tensor], origin: object) -> None:
    """Copy `tensors` into the parameters of a model, as `load_tensors` does."""
    load_tensors(model_tensors(model), tensors, origin)


@torch.no_grad()
def load_tensors(parameters: dict[str, Tensor], tensors: dict[str, Tensor], origin: object) -> None:
    """Copy `tensors` into the parameters with the same names.

    Raises MTError if names or shapes differ; `origin` is the file that the message names.
    """
    wrong = sorted(parameters.keys() ^ tensors.keys()) or [
        n for n, p in parameters.items() if p.shape != tensors[n].shape
    ]
    if wrong:
        raise MTError(
            f"{origin} does not match the model that the configuration describes: "
            f"{len(wrong)} tensors differ, the first is {wrong[0]}"
        )
    for name, parameter in parameters.items():
        parameter.copy_(tensors[name])
