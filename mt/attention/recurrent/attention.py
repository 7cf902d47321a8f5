"""Attention of recurrent decoders: score, scope and selection.

The score rates each source state against a query, the scope restricts the source positions, and
the selection turns scores into weights. The tables at the end of this file list all of them;
docs/attention.md names the papers.

Shapes: B sentences, Q queries per row, S source positions, H heads, and N = B * K rows. In training
K = 1; in search the K hypotheses of a sentence are neighbours and share its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

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
from mt.layers.repeated import RepeatedProduct

AttentionState = tuple[Tensor, ...]  # the coverage [N, H, S], or empty: one row per hypothesis


@dataclass
class ProjectedMemory:
    """Encoder states projected for attention, once per sentence."""

    values: Tensor  # [B, S, M]
    keys: Tensor  # [B, S, A]
    mask: Tensor  # [B, S] bool
    # weights [B, H, Q, S] -> their sums of values [B, H, Q, M / H], in training
    sum_values: Callable[[Tensor], Tensor] | None = None

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the tensors in order, so that ProjectedMemory(*tensors) restores them."""
        return self.values, self.keys, self.mask


@dataclass
class AttentionOutput:
    """Contexts and weights of Q queries."""

    context: Tensor  # [N, Q, M]
    weights: Tensor  # [N, H, Q, S]
    # Inputs of the extra losses by name, [N, Q] each; empty in evaluation.
    loss_terms: dict[str, Tensor] = field(default_factory=dict)


def concat_outputs(outputs: list[AttentionOutput]) -> AttentionOutput:
    """Concatenate outputs along the query dimension."""
    return AttentionOutput(
        torch.cat([output.context for output in outputs], 1),
        torch.cat([output.weights for output in outputs], 2),
        {
            name: torch.cat([output.loss_terms[name] for output in outputs], 1)
            for name in outputs[0].loss_terms
        },
    )


class Attention(nn.Module):
    """c_i = sum_j a_ij h_j, with weights a_ij from query s_i and encoder states h_j.

    See Bahdanau et al. 2014, equations 5 and 6, and Luong et al. 2015. The weights of a query sum
    to 1, except with local-p, whose Gaussian factor reduces them. A sentence of padding only has a
    context of zero. A single head sums the states themselves. With several heads, each sums a
    projection of its own, and the contexts are concatenated.

    With coverage, V c_ij is added to the key of position j, where c_ij is the sum of the weights
    that j received from earlier queries. With the additive score this is See et al. 2017, equation
    11 (after Tu et al. 2016). Queries must then be processed one at a time.
    """

    def __init__(self, config: RNNConfig, query_dim: int, memory_dim: int) -> None:
        super().__init__()
        self.heads, self.coverage_loss = config.attention_heads, config.coverage_loss
        self.context_dim = memory_dim
        self.score = SCORES[config.attention](config, query_dim, memory_dim)
        self.scope = SCOPES[config.scope](config, query_dim)
        self.select = SELECTORS[config.select](config, query_dim)
        self.value = nn.Identity() if self.heads == 1 else projection(memory_dim, memory_dim)
        self.coverage = projection(self.heads, self.score.key_dim) if config.coverage else None

    @property
    def sequential(self) -> bool:
        """True if a query depends on the weights of earlier queries."""
        return self.coverage is not None

    def project(self, states: Tensor, mask: Tensor) -> ProjectedMemory:
        """Project the encoder states [B, S, M] with their mask [B, S]; once per sentence."""
        return ProjectedMemory(self.value(states), self.score.project_keys(states, mask), mask)

    def initial_state(self, memory: ProjectedMemory, rows: int) -> AttentionState:
        """Return the state before the first query, for N = `rows` rows."""
        if self.coverage is None:
            return ()
        length = memory.mask.shape[1]
        return (memory.values.new_zeros(rows, self.heads, length, dtype=torch.float32),)

    def forward(
        self, query: Tensor, memory: ProjectedMemory, steps: Tensor, state: AttentionState
    ) -> tuple[AttentionOutput, AttentionState]:
        """Attend with query [N, Q, D] at decoder steps [Q]; return the output and the new state."""
        rows, length = query.shape[:2]
        # The hypotheses of a sentence become queries to its memory. If there are several, they are
        # all at the same step.
        query = query.reshape(memory.mask.shape[0], -1, query.shape[-1])
        mask, factor = self.scope(query, steps, memory.mask)
        scores = self.score(query, self._keys(memory, state))
        weights, terms = self.select(scores, mask[:, None], query)
        if factor is not None:
            weights = weights * factor[:, None]
        weights_low = weights.to(memory.values.dtype)
        if memory.sum_values is not None:
            context = memory.sum_values(weights_low)
        else:
            context = weights_low @ self._split_values(memory)
        context = context.transpose(1, 2).reshape(rows, length, -1)
        weights = weights.unflatten(2, (-1, length)).transpose(1, 2)  # [B, K, H, Q, S]
        weights = weights.reshape(rows, self.heads, length, -1)
        terms = {name: term.reshape(rows, length) for name, term in terms.items()}
        if state and self.training:  # the coverage loss of See et al. 2017, equation 12
            overlap = torch.minimum(weights[:, :, 0], state[0]).sum(-1)
            terms["coverage"] = overlap.mean(1, keepdim=True)
        new_state = tuple(coverage + weights[:, :, 0] for coverage in state)
        return AttentionOutput(context, weights, terms), new_state

    def _split_values(self, memory: ProjectedMemory) -> Tensor:
        """Return the values of each head, [B, H, S, M / H]."""
        return memory.values.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def training_memory(self, memory: ProjectedMemory) -> ProjectedMemory:
        """Return the memory for many queries in training, which sums values faster."""
        return replace(memory, sum_values=RepeatedProduct(self._split_values(memory).mT))

    def _keys(self, memory: ProjectedMemory, state: AttentionState) -> Tensor:
        """Return keys [B, 1, S, A], or with coverage [B, K, S, A]."""
        keys = memory.keys[:, None]
        if self.coverage is None:
            return keys
        return keys + self.coverage(state[0].unflatten(0, (keys.shape[0], -1)).movedim(2, -1))

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        """Build the extra losses from the loss terms of all steps [B, T]; see `Selector.losses`."""
        losses = self.select.losses(terms, affects_later_tokens) if terms else []
        if self.coverage_loss and "coverage" in terms:
            losses.append(lambda nll, real: self.coverage_loss * (terms["coverage"] * real).sum())
        return losses


class NoAttention(nn.Module):
    """The interface of `Attention` with a context of width 0.

    The decoder then knows the source through its initial state only (Sutskever et al. 2014; Cho et
    al. 2014), the bottleneck that attention was introduced to remove.
    """

    context_dim, sequential = 0, False

    def project(self, states: Tensor, mask: Tensor) -> ProjectedMemory:
        empty = states[..., :0]
        return ProjectedMemory(empty, empty, mask)

    def training_memory(self, memory: ProjectedMemory) -> ProjectedMemory:
        return memory

    def initial_state(self, memory: ProjectedMemory, rows: int) -> AttentionState:
        return ()

    def forward(
        self, query: Tensor, memory: ProjectedMemory, steps: Tensor, state: AttentionState
    ) -> tuple[AttentionOutput, AttentionState]:
        """Return contexts [N, Q, 0] and weights [N, 1, Q, S] of zeros."""
        rows, length = query.shape[:2]
        weights = query.new_zeros(rows, 1, length, memory.mask.shape[1])
        return AttentionOutput(query[..., :0], weights), ()

    def losses(self, terms: dict[str, Tensor], affects_later_tokens: bool) -> list[ExtraLoss]:
        return []


def _additive_score(config: RNNConfig, query_dim: int, memory_dim: int) -> Score:
    return AdditiveScore(query_dim, memory_dim, config.attention_dim, config.attention_heads)


def _dot_score(config: RNNConfig, query_dim: int, memory_dim: int, scaled: bool = False) -> Score:
    heads = config.attention_heads
    return DotScore(query_dim, memory_dim, config.attention_dim, heads, scaled)


# Name -> score function, from (config, query width, width of the encoder states).
SCORES: dict[str, Callable[[RNNConfig, int, int], Score]] = {
    "additive": _additive_score,
    "concat": _additive_score,
    "dot": _dot_score,
    "scaled_dot": lambda config, query, memory: _dot_score(config, query, memory, scaled=True),
    "general": lambda config, query, memory: GeneralScore(query, memory),
    "scaled_general": lambda config, query, memory: GeneralScore(query, memory, scaled=True),
    "location": lambda config, query, memory: LocationScore(query, config.longest_source),
}
# Name -> scope, from (config, query width).
SCOPES: dict[str, Callable[[RNNConfig, int], nn.Module]] = {
    "global": lambda config, query: GlobalScope(),
    "local_m": lambda config, query: MonotonicScope(config.window),
    "local_p": lambda config, query: PredictiveScope(query, config.window),
}
# Name -> selector, from (config, query width).
SELECTORS: dict[str, Callable[[RNNConfig, int], Selector]] = {
    "softmax": lambda config, query: SoftSelector(masked_softmax),
    "sparsemax": lambda config, query: SoftSelector(masked_sparsemax),
    "entmax15": lambda config, query: SoftSelector(masked_entmax15),
    "hard": lambda config, query: HARD_ESTIMATORS[config.hard_estimator](config, query),
}
# Name -> gradient estimator of hard attention, from (config, query width).
HARD_ESTIMATORS: dict[str, Callable[[RNNConfig, int], Selector]] = {
    "reinforce": lambda config, query: Reinforce(query, config.hard_entropy),
    "gumbel": lambda config, query: StraightThrough(config.hard_temperature),
}


def build_attention(config: RNNConfig, query_dim: int, memory_dim: int) -> Attention | NoAttention:
    """Build the attention that `config` describes, for these widths of queries and states."""
    return NoAttention() if config.attention == "none" else Attention(config, query_dim, memory_dim)
