"""Several models as one: at every step the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.models.seq2seq import DecodingState, Memory, Seq2Seq


def mean_log_probs(logits: Sequence[Tensor]) -> Tensor:
    """Logits of each model [..., V] -> logarithm of the mean probability [..., V]."""
    return torch.stack([each.log_softmax(-1) for each in logits]).logsumexp(0) - math.log(
        len(logits)
    )


@dataclass
class EnsembleState:
    """The members' states, which are reordered together."""

    states: list[DecodingState]

    def select(self, rows: Tensor) -> EnsembleState:
        return EnsembleState([state.select(rows) for state in self.states])

    def select_sentences(self, sentences: Tensor, rows: Tensor) -> EnsembleState:
        return EnsembleState([state.select_sentences(sentences, rows) for state in self.states])


class Ensemble:
    """Models with the same vocabularies behind the interface of one: `encode`, `init_state`, `step`."""

    def __init__(self, models: Sequence[Seq2Seq]) -> None:
        self.models = list(models)

    def encode(self, source: Tensor, mask: Tensor) -> list[Memory]:
        return [model.encode(source, mask) for model in self.models]

    def init_state(self, memory: list[Memory], beam: int = 1) -> EnsembleState:
        return EnsembleState(
            [model.init_state(each, beam) for model, each in zip(self.models, memory, strict=True)]
        )

    def step(
        self, tokens: Tensor, state: EnsembleState
    ) -> tuple[Tensor, EnsembleState, dict[str, Tensor]]:
        """tokens [B * K] -> log-probabilities [B * K, V] (which serve as logits), the next state, no attention."""
        steps = [
            model.step(tokens, each) for model, each in zip(self.models, state.states, strict=True)
        ]
        return (
            mean_log_probs([logits for logits, _, _ in steps]),
            EnsembleState([next_state for _, next_state, _ in steps]),
            {},
        )
