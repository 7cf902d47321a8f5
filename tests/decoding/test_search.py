"""The search compared with brute force over all sequences, on a small table of probabilities."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

import mt.decoding.search as search_module
from helpers.table_models import (
    VOCABULARY,
    WORDS,
    TableModel,
    assert_equal,
    brute_force,
    inputs,
    options,
    slow_beam,
)
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.decoding.ensemble import Ensemble
from mt.decoding.options import SearchOptions
from mt.decoding.search import search
from mt.errors import MTError


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_large_as_the_search_space_finds_the_best(seed: int, alpha: float) -> None:
    model = TableModel(seed)
    everything = brute_force(model, 1, 4, alpha)
    beam = len(everything) + 1
    found = search(model, *inputs(1), options(4, beam=beam, nbest=beam, length_penalty=alpha))[0]
    assert_equal(found, everything)


def test_greedy_search_takes_the_most_probable_token_in_each_step() -> None:
    for seed in range(10):
        model, tokens = TableModel(seed), []
        while len(tokens) < 8:
            logits = model.logits(1, (BOS, *tokens)).index_fill(
                0, torch.tensor([PAD, UNK, BOS]), -torch.inf
            )
            if (token := int(logits.argmax())) == EOS:
                break
            tokens.append(token)
        assert [search(model, *inputs(1), options(8, beam=1))[0][0].tokens] == [tokens]


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("beam", [1, 2, 3, 5])
def test_beam_search_in_a_batch_equals_plain_python_for_each_sentence(
    beam: int, alpha: float, monkeypatch
) -> None:
    model, sources = TableModel(7), list(range(12))
    expected = [slow_beam(model, source, 9, beam, alpha) for source in sources]
    wanted = options(9, beam=beam, nbest=beam, length_penalty=alpha)
    for dropping in (
        search_module.should_drop,
        lambda done, _: done > 0,
        lambda done, all_: done == all_,
    ):
        monkeypatch.setattr(search_module, "should_drop", dropping)
        for found, reference in zip(
            search(model, *inputs(*sources), wanted), expected, strict=True
        ):
            assert_equal(found, reference)
    assert (
        len({len(hypotheses[0].tokens) for hypotheses in expected}) > 1
    )  # sentences end at different steps


@pytest.mark.parametrize("beam", [1, 4])
def test_sentences_that_are_done_leave_the_batch(beam: int) -> None:
    """Once all others are done, the decoder only computes the rows of the endless sentence."""

    class Looping(TableModel):
        """Source 1 never ends; all others end with their fifth token."""

        def logits(self, source, history):
            ends = source != 1 and len(history) >= 5
            return (
                super()
                .logits(source, history)
                .index_fill(0, torch.tensor([EOS]), 30.0 if ends else -30.0)
            )

        def step(self, tokens, state):
            rows.append(len(tokens))
            return super().step(tokens, state)

    rows: list[int] = []
    found = search(Looping(1), *inputs(*range(1, 25)), options(60, beam=beam))
    assert [h[0].length for h in found] == [60] + [5] * 23
    together = 24 * 6 * beam  # with one more step, in which the rest of a beam ends
    assert sum(rows) <= together + 60 * beam
    assert rows[-1] == beam


def test_outputs_respect_length_limits_and_contain_no_special_tokens() -> None:
    class Stubborn(TableModel):
        """Prefers PAD, UNK and BOS, and avoids EOS."""

        def logits(self, source, history):
            logits = torch.zeros(VOCABULARY)
            logits[[PAD, UNK, BOS]] = 9.0
            logits[EOS] = -50.0
            return logits

    class Silent(TableModel):
        def logits(self, source, history):
            return torch.zeros(VOCABULARY).index_fill(0, torch.tensor([EOS]), 9.0)

    source = torch.tensor([[4, 4, 3], [4, 3, 0]])
    mask = source != 0
    for sample in (False, True):
        limited = SearchOptions(max_ratio=2.0, max_extra=1, nbest=3, sample=sample)
        found = search(Stubborn(), source, mask, limited)
        # Limits follow from the number of tokens of each source, without padding.
        assert [len(hypotheses[0].tokens) for hypotheses in found] == [7, 5]
        assert all(
            set(h.tokens) <= set(WORDS) and not h.complete and h.length == len(h.tokens)
            for hypotheses in found
            for h in hypotheses
        )
        assert search(Silent(), source, mask, SearchOptions())[0][0].tokens == []
        prolonged = SearchOptions(max_ratio=0, max_extra=1, min_length=4, sample=sample)
        found = search(Silent(), source, mask, prolonged)
        assert [(len(h.tokens), h.complete) for hs in found for h in hs] == [(4, True)] * 2


def test_sampling_follows_the_distribution() -> None:
    model = TableModel(3, sharpness=1.0)
    first = model.logits(1, (BOS,))
    first[[PAD, UNK, BOS]] = -torch.inf

    def frequencies(**changes) -> torch.Tensor:
        wanted = options(1, nbest=4000, sample=True, **changes)
        found = search(model, *inputs(1), wanted, torch.Generator().manual_seed(1))[0]
        assert len(found) == 4000
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        for h in found[::400]:
            assert h.log_prob == pytest.approx(model.log_prob(1, h.tokens, h.complete), abs=1e-4)
        counts = Counter(h.tokens[0] if h.tokens else EOS for h in found)
        return torch.tensor([counts[token] / 4000 for token in range(VOCABULARY)])

    assert torch.allclose(frequencies(), first.softmax(-1), atol=0.03)
    assert torch.allclose(frequencies(temperature=0.5), (first / 0.5).softmax(-1), atol=0.03)
    best = first.topk(2).indices
    expected = torch.full_like(first, -torch.inf).scatter(0, best, first[best]).softmax(-1)
    assert torch.allclose(frequencies(top_k=2), expected, atol=0.03)
    share = first.softmax(-1).sort(descending=True).values
    assert torch.allclose(frequencies(top_p=float(share[0] + share[1] / 2)), expected, atol=0.03)
    assert frequencies(top_p=1e-300)[best[0]] == 1.0  # 0 in single precision


def test_samples_have_the_log_prob_of_their_tokens_and_are_reproducible() -> None:
    model = TableModel(5, sharpness=1.0)
    wanted = options(9, nbest=6, sample=True)
    found, again, other = (
        search(model, *inputs(1, 2, 3), wanted, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert found == again != other
    for source, hypotheses in zip((1, 2, 3), found, strict=True):
        assert len(hypotheses) == 6
        for h in hypotheses:
            assert h.log_prob == pytest.approx(
                model.log_prob(source, h.tokens, h.complete), abs=1e-4
            )


def test_an_ensemble_averages_probabilities() -> None:
    class Mean(TableModel):
        def logits(self, source, history):
            members = [TableModel(seed).logits(source, history).softmax(-1) for seed in (1, 2)]
            return torch.stack(members).mean(0).log()

    wanted = options(6, beam=3, nbest=3)
    ensemble = Ensemble([TableModel(1), TableModel(2)])
    for found, expected in zip(
        search(ensemble, *inputs(1, 2, 3), wanted),
        search(Mean(), *inputs(1, 2, 3), wanted),
        strict=True,
    ):
        assert_equal(found, expected)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_is_an_error(value: float) -> None:
    class Broken(TableModel):
        def logits(self, source, history):
            logits = super().logits(source, history)
            if source == 2 and len(history) == 3:
                logits[5] = value
            return logits

    for changes in ({"beam": 3}, {"beam": 1}, {"sample": True}):
        with pytest.raises(MTError, match="NaN"):
            search(Broken(1), *inputs(1, 2, 3), options(9, min_length=5, **changes))


@pytest.mark.parametrize("sample", [False, True])
def test_constraints_that_exclude_every_output_are_an_error(sample: bool) -> None:
    source = torch.tensor([[5, EOS]])
    possible, impossible = (
        SearchOptions(sample=sample, no_repeat_ngram=1, min_length=length) for length in (3, 4)
    )
    (outputs,) = search(TableModel(), source, source > PAD, possible)
    assert sorted(outputs[0].tokens) == list(WORDS)
    with pytest.raises(MTError, match="ngram 1 leaves no token before .* min_length 4: lower"):
        search(TableModel(), source, source > PAD, impossible)
