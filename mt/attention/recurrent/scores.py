"""Scores of recurrent decoders: how well each source state suits a query.

Shapes: B sentences, Q queries of width D, S source states of width M, H heads, A the width of keys.
Keys are made once a sentence. All queries have the same, or each has keys of its own (coverage).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.errors import MTError


class Score(nn.Module):
    """How well each state suits each query."""

    key_dim: int  # A

    def project_keys(self, states: Tensor) -> Tensor:
        """states [B, S, M] -> keys [B, S, A]."""
        raise NotImplementedError

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """query [B, Q, D], keys [B, 1 or Q, S, A] -> scores [B, H, Q, S]."""
        raise NotImplementedError


class AdditiveScore(Score):
    """e_ij = v^T tanh(W s_i + U h_j) (Bahdanau et al. 2014, appendix A.1.2).

    Luong et al. 2015 call v^T tanh(W [s; h]) "concat": the same, W split in two. Several heads
    share out the rows of W and U, and each has its own v.
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

    def project_keys(self, states: Tensor) -> Tensor:
        return self.key(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        energy = self.energy.weight
        if len(energy) > 1:  # one product for all heads: the v of each beside zeros
            energy = (
                torch.eye(len(energy), device=energy.device, dtype=energy.dtype)[..., None] * energy
            ).flatten(1)
        # v^T tanh(z) as 2 v^T sigmoid(2 z) - sum(v): these tanh are most of the work, and on a CPU
        # a sigmoid takes a sixth of one.
        inner = torch.add(2 * self.query(query)[:, :, None], keys, alpha=2).sigmoid()
        return (F.linear(inner, 2 * energy) - energy.sum(1)).movedim(-1, 1)


class DotScore(Score):
    """e_ij = s_i^T h_j (Luong et al. 2015, section 3.1), with `scaled` divided by the root of its width (Vaswani et al. 2017).

    One head takes query and states as they are, which must be equally wide. Several project both
    and share out the result.
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

    def project_keys(self, states: Tensor) -> Tensor:
        return self.key(states)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        query, keys = (
            x.unflatten(-1, (self.heads, -1)).movedim(-2, 1)
            for x in (self.query(query) * self.scale, keys)
        )
        if keys.shape[2] == 1:  # the same for all queries: one product a sentence
            return query @ keys[:, :, 0].mT
        return (keys @ query[..., None]).squeeze(-1)


class GeneralScore(DotScore):
    """e_ij = s_i^T W h_j (Luong et al. 2015, section 3.1)."""

    def __init__(self, query_dim: int, memory_dim: int) -> None:
        super().__init__(query_dim, query_dim, query_dim)
        self.key = projection(memory_dim, query_dim)


class LocationScore(Score):
    """e_i = W s_i, of which entry j scores position j, whatever stands there (Luong et al. 2015, equation 8).

    W has a row for each position up to the `longest` source. A longer one raises MTError.
    """

    key_dim = 0  # the keys only tell how many there are

    def __init__(self, query_dim: int, longest: int) -> None:
        super().__init__()
        self.position = projection(query_dim, longest)

    def project_keys(self, states: Tensor) -> Tensor:
        if states.shape[1] > self.position.out_features:
            raise MTError(
                f"a source of {states.shape[1]} pieces is longer than what attention by location was trained for: split it, or train "
                f"with model.rnn.longest_source over {self.position.out_features}"
            )
        return states[..., :0]

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        return self.position(query)[:, None, :, : keys.shape[2]]


def projection(width: int, to: int) -> nn.Linear:
    """A matrix without a bias, Xavier's initial weights."""
    linear = nn.Linear(width, to, bias=False)
    nn.init.xavier_uniform_(linear.weight)
    return linear
