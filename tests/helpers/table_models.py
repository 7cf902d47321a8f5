"""A model that is a table of logits, and slow searches over it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from mt.data.vocabulary import BOS, EOS
from mt.decoding.options import SearchOptions
from mt.decoding.search import Hypothesis
from mt.models.seq2seq import DecodingState, Memory

WORDS = (4, 5, 6)
VOCABULARY = 7


class TableModel:
    """A model whose logits are a pseudo-random function of the source and of all earlier tokens.

    The earlier tokens are in the cache. A search that does not reorder the cache, or that mixes up
    sentences, gets other logits.
    """

    def __init__(self, seed: int = 0, sharpness: float = 2.0) -> None:
        self.seed, self.sharpness = seed, sharpness

    def logits(self, source: int, history: tuple[int, ...]) -> torch.Tensor:
        key = hash((self.seed, source, *history)) % 2**31
        return (
            torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(key)) * self.sharpness
        )

    def encode(self, source: torch.Tensor, mask: torch.Tensor) -> Memory:
        return Memory(source, mask, source)

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        self.beam = beam
        return DecodingState(
            {"source": memory.states[:, 0]},
            [torch.zeros(len(memory.mask) * beam, 0, dtype=torch.long), None],
        )

    def step(self, tokens: torch.Tensor, state: DecodingState):
        history = torch.cat([state.cache[0], tokens[:, None]], 1)
        source = state.memory["source"].repeat_interleave(self.beam)
        logits = torch.stack(
            [self.logits(int(s), tuple(h)) for s, h in zip(source, history.tolist(), strict=True)]
        )
        return logits, DecodingState(state.memory, [history, None], state.step + 1), {}

    def next_log_probs(self, source: int, tokens: list[int]) -> list[float]:
        """Return the log-probabilities of all tokens that follow the given ones."""
        return self.logits(source, (BOS, *tokens)).log_softmax(-1).tolist()

    def log_prob(self, source: int, tokens: list[int], ended: bool) -> float:
        every = [*tokens, EOS] if ended else tokens
        return sum(self.next_log_probs(source, every[:t])[token] for t, token in enumerate(every))


def brute_force(model: TableModel, source: int, limit: int, alpha: float) -> list[Hypothesis]:
    """Return all possible outputs, best first.

    These are the complete ones of up to `limit` tokens, EOS included, and those cut off at `limit`.
    """
    found = []
    for length in range(limit + 1):
        for tokens in itertools.product(WORDS, repeat=length):
            ended = length < limit
            log_prob = model.log_prob(source, list(tokens), ended)
            if log_prob > -math.inf:
                score = log_prob / (length + ended) ** alpha
                found.append(Hypothesis(list(tokens), score, log_prob, ended))
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def inputs(*sources: int) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.tensor([[each, 3] for each in sources])
    return source, torch.ones_like(source, dtype=torch.bool)


def options(limit: int, **changes) -> SearchOptions:
    return SearchOptions(max_ratio=0.0, max_extra=limit, **changes)


def assert_equal(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(h.tokens, h.complete) for h in found] == [(h.tokens, h.complete) for h in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)


def slow_beam(
    model: TableModel, source: int, limit: int, beam: int, alpha: float
) -> list[Hypothesis]:
    """Return the beam search for one sentence in plain Python, recomputing every hypothesis."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[Hypothesis] = []
    for length in range(1, limit + 1):
        candidates = []
        for log_prob, tokens in live:
            step = model.next_log_probs(source, tokens)
            candidates += [
                (log_prob + step[token], [*tokens, token])
                for token in (EOS, *WORDS)
                if step[token] > -math.inf
            ]
        candidates.sort(key=lambda candidate: -candidate[0])
        for log_prob, tokens in candidates[:beam]:
            if tokens[-1] == EOS or length == limit:
                ended = tokens[-1] == EOS
                finished.append(
                    Hypothesis(tokens[: length - ended], log_prob / length**alpha, log_prob, ended)
                )
        finished = sorted(finished, key=lambda hypothesis: -hypothesis.score)[:beam]
        live = [candidate for candidate in candidates if candidate[1][-1] != EOS][:beam]
        if not live or len(finished) == beam and finished[-1].score >= live[0][0] / length**alpha:
            break
    return finished
