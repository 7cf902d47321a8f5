"""Ensembles: several models as one, whose probabilities are averaged at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.models.seq2seq import DecodingState, Memory, Seq2Seq


def mean_log_probs(logits: Sequence[Tensor]) -> Tensor:
    """Return the log of the mean probability [..., V], given each model's logits [..., V]."""
    log_probs = torch.stack([scores.log_softmax(-1) for scores in logits])
    return log_probs.logsumexp(0) - math.log(len(logits))


@dataclass
class EnsembleState:
    """The decoding states of all models, which are reordered together."""

    states: list[DecodingState]

    def select(self, rows: Tensor) -> EnsembleState:
        return EnsembleState([state.select(rows) for state in self.states])

    def select_sentences(self, sentences: Tensor, rows: Tensor) -> EnsembleState:
        return EnsembleState([state.select_sentences(sentences, rows) for state in self.states])


class Ensemble:
    """Models with the same vocabularies, with the interface of one: encode, init_state, step."""

    def __init__(self, models: Sequence[Seq2Seq]) -> None:
        self.models = list(models)

    def encode(self, source: Tensor, mask: Tensor) -> list[Memory]:
        return [model.encode(source, mask) for model in self.models]

    def init_state(self, memory: list[Memory], beam: int = 1) -> EnsembleState:
        pairs = zip(self.models, memory, strict=True)
        return EnsembleState([model.init_state(states, beam) for model, states in pairs])

    def step(
        self, tokens: Tensor, state: EnsembleState
    ) -> tuple[Tensor, EnsembleState, dict[str, Tensor]]:
        """Decode one step: tokens [B * K] -> log-probabilities [B * K, V] and the next state.

        The log-probabilities take the place of logits. There is no attention.
        """
        pairs = zip(self.models, state.states, strict=True)
        steps = [model.step(tokens, member_state) for model, member_state in pairs]
        log_probs = mean_log_probs([logits for logits, _, _ in steps])
        return log_probs, EnsembleState([next_state for _, next_state, _ in steps]), {}
