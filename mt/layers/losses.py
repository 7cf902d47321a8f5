"""The type of the loss terms that a mechanism adds to the cross-entropy."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# (nll, real) -> loss: from the negative log-likelihood of each target token ([B, T] float, without
# gradient) and the mask of real tokens ([B, T] bool) to a sum over real tokens, like the
# cross-entropy itself.
ExtraLoss = Callable[[Tensor, Tensor], Tensor]
