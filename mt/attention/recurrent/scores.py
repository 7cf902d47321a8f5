"""Score functions of recurrent decoders: how well a source state matches a query.

Shapes: B sentences, Q queries of width D, S source states of width M, H heads, A the width of keys.
Keys are computed once per sentence. With coverage, each query has keys of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.attention.masks import position_range
from mt.errors import MTError


class Score(nn.Module):
    """Base class of score functions."""

    key_dim: int  # A

    def project_keys(self, states: Tensor, mask: Tensor) -> Tensor:
        """Compute the keys: states [B, S, M] with mask [B, S] -> [B, S, A]."""
        raise NotImplementedError

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score each key: query [B, Q, D], keys [B, 1 or Q, S, A] -> [B, H, Q, S]."""
        raise NotImplementedError


class AdditiveScore(Score):
    """e_ij = v^T tanh(W s_i + U h_j) (Bahdanau et al. 2014, appendix A.1.2).

    The "concat" score of Luong et al. 2015, v^T tanh(W [s; h]), is the same with W split in two.
    With several heads, each head has its own v and its own rows of W and U.
    """

    def __init__(self, query_dim: int, memory_dim: int, inner_dim: int, heads: int = 1) -> None:
        super().__init__()
        self.key_dim = inner_dim
        self.query = nn.Linear(query_dim, inner_dim, bias=False)
        self.key = nn.Linear(memory_dim, inner_dim)
        self.energy = nn.Linear(inner_dim // heads, heads, bias=False)  # row h is the v of head h
        nn.init.xavier_uniform_(self.query.weight)
        nn.init.xavier_uniform_(self.key.weight)
        nn.init.xavier_uniform_(self.energy.weight)
        nn.init.zeros_(self.key.bias)

    def project_keys(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.key(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        energy = self.energy.weight
        heads = len(energy)
        if heads > 1:  # block-diagonal [H, A], so that one product serves all heads
            eye = torch.eye(heads, device=energy.device, dtype=energy.dtype)
            energy = (eye[..., None] * energy).flatten(1)
        # v^T tanh(z) = 2 v^T sigmoid(2 z) - sum(v). The tanh dominates the cost of this score, and
        # on a CPU sigmoid is six times as fast.
        inner = torch.add(2 * self.query(query)[:, :, None], keys, alpha=2).sigmoid()
        return (F.linear(inner, 2 * energy) - energy.sum(1)).movedim(-1, 1)


class DotScore(Score):
    """e_ij = s_i^T h_j (Luong et al. 2015, section 3.1).

    With `scaled`, it is divided by the square root of the width (Vaswani et al. 2017). One head
    takes query and states as they are; their widths must then be equal. Several heads project both
    and split the result.
    """

    def __init__(
        self, query_dim: int, memory_dim: int, inner_dim: int, heads: int = 1, scaled: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.key_dim = heads, memory_dim if heads == 1 else inner_dim
        self.scale = (self.key_dim // heads) ** -0.5 if scaled else 1.0
        self.query, self.key = (
            nn.Identity() if heads == 1 else projection(width, inner_dim)
            for width in (query_dim, memory_dim)
        )

    def project_keys(self, states: Tensor, mask: Tensor) -> Tensor:
        return self.key(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        query, keys = (
            x.unflatten(-1, (self.heads, -1)).movedim(-2, 1)
            for x in (self.query(query) * self.scale, keys)
        )
        if keys.shape[2] == 1:  # all queries share the keys: one product per sentence
            return query @ keys[:, :, 0].mT
        return (keys @ query[..., None]).squeeze(-1)


class GeneralScore(DotScore):
    """e_ij = s_i^T W h_j (Luong et al. 2015, section 3.1).

    With `scaled`, it is divided by the square root of the width of s_i.
    """

    def __init__(self, query_dim: int, memory_dim: int, scaled: bool = False) -> None:
        super().__init__(query_dim, query_dim, query_dim, scaled=scaled)
        self.key = projection(memory_dim, query_dim)


class LocationScore(Score):
    """e_i = W s_i, whose entry j scores position j from the query alone (Luong et al. 2015, eq. 8).

    W has one row per position, `max_length` in all. Raises MTError for a longer source. Padding
    beyond the last position has the score of that, which the mask hides.
    """

    key_dim = 0  # keys only carry the number of positions

    def __init__(self, query_dim: int, max_length: int) -> None:
        super().__init__()
        self.position = projection(query_dim, max_length)

    def project_keys(self, states: Tensor, mask: Tensor) -> Tensor:
        max_length = self.position.out_features
        # Only batches that are wide are read, for which a GPU waits.
        if states.shape[1] > max_length and mask[:, max_length:].any():
            raise MTError(
                f"location attention was trained for sources of at most {max_length} pieces, "
                f"got {int(mask.sum(1).max())}: split the source, or train with "
                f"model.rnn.longest_source over {max_length}"
            )
        return states[..., :0]

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        positions = position_range(0, keys.shape[2], query.device)
        positions = positions.clamp(max=self.position.out_features - 1)
        return self.position(query)[:, None].index_select(-1, positions)


def projection(in_dim: int, out_dim: int) -> nn.Linear:
    """Return a linear layer without bias, with Xavier initialisation."""
    linear = nn.Linear(in_dim, out_dim, bias=False)
    nn.init.xavier_uniform_(linear.weight)
    return linear
