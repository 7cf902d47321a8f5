"""Constraints on the next token, compared with brute force and slow references."""

from __future__ import annotations

import math
import random

import pytest
import torch

from helpers.table_models import (
    TableModel,
    assert_equal,
    brute_force,
    inputs,
    options,
    slow_beam,
)
from mt.data.vocabulary import BOS, EOS
from mt.decoding.candidates import filter_logits
from mt.decoding.ensemble import Ensemble
from mt.decoding.logits_processors import NoRepeatNgram, RepetitionPenalty
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import NEW_WORD, Prefixes
from mt.decoding.search import search


def repeats(tokens: list[int], size: int) -> bool:
    """Return whether the last n-gram stands earlier, too."""
    ngrams = [tokens[i : i + size] for i in range(len(tokens) - size + 1)]
    return bool(ngrams) and ngrams[-1] in ngrams[:-1]


def beginnings(sequences: list) -> Prefixes | None:
    return Prefixes(sequences, [5, EOS]).select(range(len(sequences)))


class ConstrainedModel(TableModel):
    """A table whose `next_log_probs` obey the constraints of search options, in plain Python.

    `prefixes` has the sequences of which an output must begin with one, for each source.
    """

    def __init__(self, seed: int, options: SearchOptions, prefixes: dict | None = None) -> None:
        super().__init__(seed)
        self.options, self.prefixes = options, prefixes or {}

    def logits(self, source: int, history: tuple[int, ...]) -> torch.Tensor:
        logits = super().logits(source, history)
        logits[EOS] -= 3  # long outputs, in which constraints act
        return logits

    def next_log_probs(self, source: int, tokens: list[int]) -> list[float]:
        logits = self.logits(source, (BOS, *tokens)).tolist()
        for token in set(tokens):
            penalty = self.options.repetition_penalty
            logits[token] = (
                logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
            )
        norm = math.log(sum(math.exp(logit) for logit in logits))
        log_probs = [logit - norm for logit in logits]
        begun = {
            each[len(tokens)]
            for each in self.prefixes.get(source, ())
            if len(each) > len(tokens) and each[: len(tokens)] == tokens
        }
        begun |= {5, EOS} if NEW_WORD in begun else set()
        for token in range(len(logits)):
            size = self.options.no_repeat_ngram
            excluded = (
                token not in begun
                if begun
                else (size and token != EOS and repeats([*tokens, token], size))
                or (token == EOS and len(tokens) < self.options.min_length)
            )
            if excluded:
                log_probs[token] = -math.inf
        return log_probs


CASES: dict[str, tuple[dict, dict]] = {
    "bigrams": ({"no_repeat_ngram": 2}, {}),
    "unigrams": ({"no_repeat_ngram": 1, "min_length": 1}, {}),
    "penalty": ({"repetition_penalty": 1.7}, {}),
    "all": ({"repetition_penalty": 0.8, "no_repeat_ngram": 3, "min_length": 2}, {}),
    "prefix": ({}, {1: [[5, 4]], 3: [[4]], 4: [[6, EOS]]}),
    "new word": ({}, {1: [[5, NEW_WORD], [4, 4]], 3: [[4, NEW_WORD]]}),
    "prefixes": (
        {"no_repeat_ngram": 1, "repetition_penalty": 1.3},
        {1: [[4, 4, 4, 6], [4, 5], [6]], 2: [[5, 5, 5, 5]], 3: [[6, 6, 5], [6, 6, 4]]},
    ),
}


@pytest.mark.parametrize(("choices", "prefixes"), CASES.values(), ids=CASES.keys())
def test_a_beam_as_large_as_the_search_space_finds_all_allowed_outputs(
    choices: dict, prefixes: dict
) -> None:
    for source in (1, 2, 3):
        wanted = options(2 if prefixes else 4, beam=500, nbest=500, **choices)
        longest = max(map(len, prefixes.get(source, [[]])))
        model = ConstrainedModel(source, wanted, prefixes)
        everything = brute_force(model, source, wanted.max_extra + longest, 1.0)
        found = search(
            model, *inputs(source), wanted, None, beginnings([prefixes.get(source, [])])
        )[0]
        assert_equal(found, everything)


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize(("choices", "prefixes"), CASES.values(), ids=CASES.keys())
def test_each_sentence_of_a_batch_is_searched_as_in_plain_python(
    choices: dict, prefixes: dict, beam: int
) -> None:
    wanted, sources = options(9, beam=beam, nbest=beam, **choices), list(range(10))
    model = ConstrainedModel(4, wanted, prefixes)
    given = [prefixes.get(source, []) for source in sources]
    free = search(model, *inputs(*sources), options(9, beam=beam, nbest=beam))
    found = search(model, *inputs(*sources), wanted, None, beginnings(given))
    assert found != free
    for source, hypotheses in zip(sources, found, strict=True):
        limit = 9 + max(map(len, prefixes.get(source, [[]])))
        assert_equal(hypotheses, slow_beam(model, source, limit, beam, 1.0))
        for each in hypotheses:
            ended = [*each.tokens, EOS]
            plain = [[token for token in each if token >= 0] for each in given[source]]
            assert not plain or any(ended[: len(each)] == each for each in plain)


@pytest.mark.parametrize(("choices", "prefixes"), CASES.values(), ids=CASES.keys())
def test_samples_obey_constraints_and_have_the_constrained_distribution(
    choices: dict, prefixes: dict
) -> None:
    wanted = options(3, nbest=3000, sample=True, **choices)
    model = ConstrainedModel(2, wanted, prefixes)
    generator = torch.Generator().manual_seed(1)
    found = search(model, *inputs(1), wanted, generator, beginnings([prefixes.get(1, [])]))[0]
    for each in found[::100]:
        expected = model.log_prob(1, each.tokens, each.complete)
        assert each.log_prob == pytest.approx(expected, abs=1e-4)
        assert sum(each.log_probs) == pytest.approx(expected, abs=1e-4)
    firsts = [each.tokens[0] if each.tokens else EOS for each in found]
    total = sum(math.exp(value) for value in model.next_log_probs(1, [])[EOS:])
    for token, value in list(enumerate(model.next_log_probs(1, [])))[EOS:]:
        assert firsts.count(token) / 3000 == pytest.approx(math.exp(value) / total, abs=0.04)


class StartedModel(ConstrainedModel):
    """Begins with START, with probability 1; the constraints hold for what follows."""

    START = (6, 4)

    def logits(self, source: int, history: tuple[int, ...]) -> torch.Tensor:
        return super().logits(source, (BOS, *self.START, *history[1:]))

    def next_log_probs(self, source: int, tokens: list[int]) -> list[float]:
        if len(tokens) < len(self.START):
            wanted = self.START[len(tokens)]
            return [0.0 if token == wanted else -math.inf for token in range(7)]
        return super().next_log_probs(source, tokens[len(self.START) :])


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("name", ["bigrams", "all", "prefixes"])
def test_outputs_begin_with_what_is_given_at_no_cost(name: str, beam: int) -> None:
    choices, prefixes = CASES[name]
    wanted, sources = options(9, beam=beam, nbest=beam, **choices), list(range(10))
    table = ConstrainedModel(4, wanted, prefixes)
    reference = StartedModel(4, wanted, prefixes)
    given = Prefixes([prefixes.get(source, []) for source in sources], [5, EOS], reference.START)
    found = search(table, *inputs(*sources), wanted, None, given)
    for source, hypotheses in zip(sources, found, strict=True):
        limit = 9 + len(reference.START) + max(map(len, prefixes.get(source, [[]])))
        assert_equal(hypotheses, slow_beam(reference, source, limit, beam, 1.0))
        assert all(each.tokens[:2] == [6, 4] for each in hypotheses)
        assert all(each.log_probs[:2] == [0, 0] for each in hypotheses)


def test_the_minimum_length_counts_from_what_is_given() -> None:
    class Silent(TableModel):
        def logits(self, source: int, history: tuple[int, ...]) -> torch.Tensor:
            return torch.zeros(7).index_fill(0, torch.tensor([EOS]), 9.0)

    wanted, given = options(1, min_length=6, beam=2, nbest=2), Prefixes([[]], [], (6, 4))
    (found,) = search(Silent(), *inputs(1), wanted, None, given)
    assert [(len(each.tokens), each.complete) for each in found] == [(8, True)] * 2


def test_no_ngram_is_repeated_in_large_vocabularies() -> None:
    choose = random.Random(1)
    for size in (1, 2, 3, 4):
        tokens = [[choose.choices(range(3, 7), k=12) for _ in range(3)] for _ in range(5)]
        log_probs = NoRepeatNgram(size).after_softmax(torch.zeros(5, 3, 9), torch.tensor(tokens))
        for sentence in range(5):
            for row in range(3):
                expected = [repeats([*tokens[sentence][row], token], size) for token in range(9)]
                assert (log_probs[sentence, row] == -torch.inf).tolist() == expected


def test_the_penalty_lowers_logits_of_either_sign_once() -> None:
    logits = torch.tensor([[[3.0, -3.0, 2.0, 0.0, -1.0]]])
    tokens = torch.tensor([[[0, 1, 0, 3]]])
    found = RepetitionPenalty(1.5).before_softmax(logits, tokens)
    assert found.flatten().tolist() == pytest.approx([2.0, -4.5, 2.0, 0.0, -1.0])


def test_epsilon_keeps_probable_tokens_and_at_least_one() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.25, 0.24, 0.25, 0.26]]).log()
    kept = filter_logits(logits, 0, 1.0, 0.1) > -torch.inf
    assert kept.tolist() == [[True, True, True, False], [True] * 4]
    kept = filter_logits(logits, 0, 1.0, 0.9) > -torch.inf
    assert kept.tolist() == [[True, False, False, False], [False, False, False, True]]
    kept = filter_logits(logits, 2, 1.0, 0.1) > -torch.inf
    assert kept.sum(1).tolist() == [2, 2]


def test_an_ensemble_obeys_constraints() -> None:
    wanted = options(9, beam=2, nbest=2, no_repeat_ngram=1)
    ensemble = Ensemble([TableModel(1), TableModel(2)])
    for hypotheses in search(
        ensemble, *inputs(1, 2, 3), wanted, None, beginnings([[[5]], [], [[6, 6]]])
    ):
        for each in hypotheses:
            assert len(set(each.tokens[1:])) == len(each.tokens[1:])
    found = search(ensemble, *inputs(1, 2), wanted, None, beginnings([[[5]], [[6, 6]]]))
    assert [each.tokens[0] for hypotheses in found for each in hypotheses] == [5, 5, 6, 6]
