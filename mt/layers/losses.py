"""Terms of the training loss that a mechanism adds to the cross-entropy."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# A term of the training loss beside the cross-entropy: from the negative log-likelihood of each
# target token and which are real ([B, T] float without gradient, and bool) to a sum over those
# tokens, as the cross-entropy is one.
ExtraLoss = Callable[[Tensor, Tensor], Tensor]
