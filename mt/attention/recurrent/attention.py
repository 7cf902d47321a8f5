"""Attention of recurrent decoders = score x scope x select: how well each state suits, where to look, how to choose.

The tables say which of each there are; README and `configs/attention/` name the papers. Shapes: B
sentences, N = B * K rows (in training K = 1; in search the K hypotheses of a sentence, side by
side, share its memory), Q queries a row, S source positions, H heads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mt.attention.recurrent.hard import Reinforce, StraightThrough
from mt.attention.recurrent.scopes import GlobalScope, MonotonicScope, PredictiveScope
from mt.attention.recurrent.scores import (
    AdditiveScore,
    DotScore,
    GeneralScore,
    LocationScore,
    Score,
    projection,
)
from mt.attention.select import (
    Selector,
    SoftSelector,
    masked_entmax15,
    masked_softmax,
    masked_sparsemax,
)
from mt.config.schema import RNNConfig
from mt.layers.losses import ExtraLoss

AttentionState = tuple[Tensor, ...]  # what earlier steps leave to later ones, one row a hypothesis


@dataclass
class ProjectedMemory:
    """A memory with everything that does not depend on the query."""

    values: Tensor  # [B, S, M]: what contexts are made of
    keys: Tensor  # [B, S, A]
    mask: Tensor  # [B, S] bool

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.values, self.keys, self.mask


@dataclass
class AttentionOutput:
    """What queries have found."""

    context: Tensor  # [N, Q, M]
    weights: Tensor  # [N, H, Q, S]
    terms: dict[str, Tensor] = field(
        default_factory=dict
    )  # what the training loss needs of each query, [N, Q]; in training only


def concat_outputs(parts: list[AttentionOutput]) -> AttentionOutput:
    """The queries of all parts, one after the other."""
    terms = {name: torch.cat([part.terms[name] for part in parts], 1) for name in parts[0].terms}
    return AttentionOutput(
        torch.cat([part.context for part in parts], 1),
        torch.cat([part.weights for part in parts], 2),
        terms,
    )


class Attention(nn.Module):
    """c_i = sum_j a_ij h_j with the weights a_i that score, scope and select make of query s_i and states h
    (Bahdanau et al. 2014, equations 5 and 6; Luong et al. 2015).

    A sentence without a single real token gives a context of zero. Weights of a query sum to 1, but
    for local-p, whose Gaussian makes them smaller. One head adds up the states as they are; several
    each add up a projection of their own, and their contexts stand side by side.

    With coverage, V c_ij is added to the key of position j, where c_ij is the sum of the weights
    that it got from earlier queries: with the additive score the attention of See et al. 2017,
    equation 11 (after Tu et al. 2016). Queries must then come one by one.
    """

    def __init__(self, config: RNNConfig, query_dim: int, memory_dim: int) -> None:
        super().__init__()
        self.heads, self.context_dim, self.coverage_loss = (
            config.attention_heads,
            memory_dim,
            config.coverage_loss,
        )
        self.score = SCORES[config.attention](config, query_dim, memory_dim)
        self.scope = SCOPES[config.scope](config, query_dim)
        self.select = SELECTORS[config.select](config, query_dim)
        self.value = (
            nn.Identity() if config.attention_heads == 1 else projection(memory_dim, memory_dim)
        )
        self.coverage = (
            projection(config.attention_heads, self.score.key_dim) if config.coverage else None
        )

    @property
    def sequential(self) -> bool:
        """Whether a query depends on what those before it have found."""
        return self.coverage is not None

    def project(self, states: Tensor, mask: Tensor) -> ProjectedMemory:
        """states [B, S, M], mask [B, S]: once a sentence."""
        return ProjectedMemory(self.value(states), self.score.project_keys(states), mask)

    def initial_state(self, memory: ProjectedMemory, rows: int) -> AttentionState:
        """The attention_state of N = `rows` rows before their first query."""
        if self.coverage is None:
            return ()
        return (
            memory.values.new_zeros(rows, self.heads, memory.mask.shape[1], dtype=torch.float32),
        )

    def forward(
        self, query: Tensor, memory: ProjectedMemory, at: Tensor, attention_state: AttentionState
    ) -> tuple[AttentionOutput, AttentionState]:
        """query [N, Q, D], the decoder's step `at` of each [Q] -> what they find, the attention_state of the next."""
        rows, length = query.shape[:2]
        # Hypotheses of a sentence are queries to its one memory; with several, all are of one step.
        query = query.reshape(memory.mask.shape[0], -1, query.shape[-1])
        mask, factor = self.scope(query, at, memory.mask)
        scores = self.score(query, self._keys(memory, attention_state))
        weights, terms = self.select(scores, mask[:, None], query)
        if factor is not None:
            weights = weights * factor[:, None]
        values = memory.values.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, S, M / H]
        context = (weights.to(values.dtype) @ values).transpose(1, 2).reshape(rows, length, -1)
        weights = (
            weights.unflatten(2, (-1, length)).transpose(1, 2).reshape(rows, self.heads, length, -1)
        )
        terms = {name: term.reshape(rows, length) for name, term in terms.items()}
        if (
            attention_state and self.training
        ):  # equation 12 of See et al.: what is looked at again costs
            terms["again"] = (
                torch.minimum(weights[:, :, 0], attention_state[0]).sum(-1).mean(1, keepdim=True)
            )
        return AttentionOutput(context, weights, terms), tuple(
            covered + weights[:, :, 0] for covered in attention_state
        )

    def _keys(self, memory: ProjectedMemory, attention_state: AttentionState) -> Tensor:
        """[B, 1, S, A], or [B, K, S, A] of hypotheses with a attention_state each."""
        keys = memory.keys[:, None]
        if self.coverage is None:
            return keys
        return keys + self.coverage(
            attention_state[0].unflatten(0, (keys.shape[0], -1)).movedim(2, -1)
        )

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        """Terms of the training loss from those of all steps, [B, T]. `later`: whether weights bear on later tokens."""
        found = self.select.losses(terms, affects_later_tokens) if terms else []
        if self.coverage_loss and "again" in terms:
            found.append(lambda nll, real: self.coverage_loss * (terms["again"] * real).sum())
        return found


class NoAttention(nn.Module):
    """Nothing is looked up: a context of width 0. The decoder knows of the source what its initial state holds (Sutskever et
    al. 2014; Cho et al. 2014), which is what attention was invented to get away from.

    The interface of Attention, for a decoder that takes either.
    """

    context_dim, sequential = 0, False

    def project(self, states: Tensor, mask: Tensor) -> ProjectedMemory:
        nothing = states[..., :0]
        return ProjectedMemory(nothing, nothing, mask)

    def initial_state(self, memory: ProjectedMemory, rows: int) -> AttentionState:
        return ()

    def forward(
        self, query: Tensor, memory: ProjectedMemory, at: Tensor, attention_state: AttentionState
    ) -> tuple[AttentionOutput, AttentionState]:
        """Contexts [N, Q, 0], weights [N, 1, Q, S] of zeros."""
        rows, length = query.shape[:2]
        return AttentionOutput(
            query[..., :0], query.new_zeros(rows, 1, length, memory.mask.shape[1])
        ), ()

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        return []


# From the settings, the width of queries and that of the memory's states.
SCORES: dict[str, Callable[[RNNConfig, int, int], Score]] = {
    "additive": lambda c, query, memory: AdditiveScore(
        query, memory, c.attention_dim, c.attention_heads
    ),
    "concat": lambda c, query, memory: AdditiveScore(
        query, memory, c.attention_dim, c.attention_heads
    ),
    "dot": lambda c, query, memory: DotScore(query, memory, c.attention_dim, c.attention_heads),
    "scaled_dot": lambda c, query, memory: DotScore(
        query, memory, c.attention_dim, c.attention_heads, scaled=True
    ),
    "general": lambda c, query, memory: GeneralScore(query, memory),
    "location": lambda c, query, memory: LocationScore(query, c.longest_source),
}
SCOPES: dict[str, Callable[[RNNConfig, int], nn.Module]] = {
    "global": lambda c, query: GlobalScope(),
    "local_m": lambda c, query: MonotonicScope(c.window),
    "local_p": lambda c, query: PredictiveScope(query, c.window),
}
SELECTORS: dict[str, Callable[[RNNConfig, int], Selector]] = {
    "softmax": lambda c, query: SoftSelector(masked_softmax),
    "sparsemax": lambda c, query: SoftSelector(masked_sparsemax),
    "entmax15": lambda c, query: SoftSelector(masked_entmax15),
    "hard": lambda c, query: HARD_ESTIMATORS[c.hard_estimator](c, query),
}
HARD_ESTIMATORS: dict[str, Callable[[RNNConfig, int], Selector]] = {
    "reinforce": lambda c, query: Reinforce(query, c.hard_entropy),
    "gumbel": lambda c, query: StraightThrough(c.hard_temperature),
}


def build_attention(config: RNNConfig, query_dim: int, memory_dim: int) -> Attention | NoAttention:
    """What `config` describes, for queries and source states of these widths."""
    return NoAttention() if config.attention == "none" else Attention(config, query_dim, memory_dim)
