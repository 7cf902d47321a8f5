"""Wide beams over sentences that end at different steps, against a beam search in plain Python."""

from __future__ import annotations

import pytest
import torch

from mt.data.vocabulary import BOS, EOS
from mt.decoding.logits_processors import FORBIDDEN_TOKENS
from mt.decoding.options import SearchOptions
from mt.decoding.search import search
from mt.models.seq2seq import DecodingState, Memory

SENTENCES, MAX_LENGTH = 12, 6


class LastTokenModel:
    """Logits are tables of sentence, last token and step; an unknown token is an IndexError.

    Some sentences end at once, others only at the maximum length.
    """

    def __init__(self, vocabulary: int) -> None:
        generator = torch.Generator().manual_seed(vocabulary)
        self.logits = 3 * torch.randn(SENTENCES, vocabulary, vocabulary, generator=generator)
        self.steps = torch.randn(MAX_LENGTH, vocabulary, generator=generator)
        self.logits[..., EOS] += torch.linspace(-4, 14, SENTENCES)[:, None]

    def encode(self, source: torch.Tensor, mask: torch.Tensor) -> Memory:
        return Memory(source, mask, source)

    def init_state(self, memory: Memory, beam: int = 1) -> DecodingState:
        self.beam = beam
        return DecodingState({"source": memory.states[:, 0]}, [torch.zeros(SENTENCES * beam, 1)])

    def step(self, tokens: torch.Tensor, state: DecodingState):
        source = state.memory["source"].repeat_interleave(self.beam)
        logits = self.logits[source, tokens] + self.steps[state.step]
        return logits, DecodingState(state.memory, state.cache, state.step + 1), {}

    def log_probs(self, sentence: int, token: int, step: int) -> list[float]:
        log_probs = (self.logits[sentence, token] + self.steps[step]).log_softmax(-1)
        return log_probs.index_fill(0, torch.tensor(FORBIDDEN_TOKENS), -torch.inf).tolist()


def plain_search(model: LastTokenModel, sentence: int, beam: int) -> list[tuple[float, list[int]]]:
    """Return the finished hypotheses (log-probability by length, tokens), best first."""
    live, finished = [(0.0, [BOS])], []
    for length in range(1, MAX_LENGTH + 1):
        candidates = []
        for score, tokens in live:
            log_probs = model.log_probs(sentence, tokens[-1], length - 1)
            candidates += [(score + value, [*tokens, t]) for t, value in enumerate(log_probs)]
        candidates.sort(key=lambda candidate: -candidate[0])
        candidates = candidates[: 2 * beam]
        for score, tokens in candidates[:beam]:
            if tokens[-1] == EOS or length == MAX_LENGTH:
                words = tokens[1:-1] if tokens[-1] == EOS else tokens[1:]
                finished.append((score / length, words))
        finished = sorted(finished, key=lambda hypothesis: -hypothesis[0])[:beam]
        live = [candidate for candidate in candidates if candidate[1][-1] != EOS][:beam]
        full = len(finished) == beam and (not live or finished[-1][0] >= live[0][0] / length)
        if full:
            break
    return finished


@pytest.mark.parametrize("vocabulary", [40, 257])
@pytest.mark.parametrize("beam", [1, 7, 20])
def test_a_wide_beam_finds_what_a_plain_one_does(beam: int, vocabulary: int) -> None:
    model = LastTokenModel(vocabulary)
    source = torch.arange(SENTENCES)[:, None]
    options = SearchOptions(beam=beam, nbest=beam, max_ratio=0, max_extra=MAX_LENGTH)
    results = search(model, source, torch.ones_like(source, dtype=torch.bool), options)
    for sentence, hypotheses in enumerate(results):
        expected = plain_search(model, sentence, beam)
        assert [h.tokens for h in hypotheses] == [tokens for _, tokens in expected]
        for hypothesis, (score, _) in zip(hypotheses, expected, strict=True):
            assert hypothesis.score == pytest.approx(score, abs=1e-4)
