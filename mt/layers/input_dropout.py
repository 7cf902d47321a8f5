"""Dropout of whole tokens at the input of encoder and decoder.

The functions return factors [B, L] for the embeddings of ids [B, L]. Ids in `kept`, a tensor of
special tokens, have the factor 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cut_tokens(ids: Tensor, p: float, kept: Tensor) -> Tensor:
    """Draw factors that are 0 with probability p, else 1.

    Token cutoff of Shen et al. 2020, in the version of Gao et al. 2022: each token has a draw of
    its own, and the other embeddings keep their scale.
    """
    draws = torch.rand(ids.shape, device=ids.device)
    return torch.where((draws >= p) | torch.isin(ids, kept), 1.0, 0.0)


def drop_words(ids: Tensor, p: float, kept: Tensor) -> Tensor:
    """Draw factors that are 0 with probability p, the same for all occurrences in a sentence.

    Word dropout of Gal and Ghahramani 2016, section 4.2: each distinct piece of a sentence has one
    draw. The other factors are 1 / (1 - p), which keeps the expected embedding.
    """
    draws = torch.rand(ids.shape, device=ids.device)
    # All occurrences take the draw at the rank of their piece in the sentence.
    draws = draws.gather(1, torch.searchsorted(ids.sort(1).values, ids))
    return torch.where(torch.isin(ids, kept), 1.0, (draws >= p) / (1 - p))
