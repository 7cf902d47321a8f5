"""The search on Transformers and recurrent networks, against decoding without a cached state."""

from __future__ import annotations

import random

import pytest
import torch

from helpers.tiny_models import liven, sentences, tiny_model
from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS
from mt.decoding.options import SearchOptions
from mt.decoding.search import search
from mt.decoding.translator import Translator
from mt.models.seq2seq import Seq2Seq

FAMILIES = [
    (encoder, decoder) for encoder in ("transformer", "rnn") for decoder in ("transformer", "rnn")
]


def recomputed_beam(
    model: Seq2Seq, source: list[int], limit: int, beam: int
) -> list[tuple[list[int], float]]:
    """Return the beam search for one sentence, recomputing each prefix from its beginning."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, float, list[int]]] = []
    for length in range(1, limit + 1):
        batch = make_batch([source] * len(live), [()] * len(live))
        prefixes = torch.tensor([[BOS, *tokens] for _, tokens in live])
        steps = (
            model.output(model(batch.source, batch.source_mask, prefixes).hidden[:, -1])
            .log_softmax(-1)
            .tolist()
        )
        candidates = [
            (log_prob + step[token], [*tokens, token])
            for (log_prob, tokens), step in zip(live, steps, strict=True)
            for token in range(EOS, len(step))
        ]
        candidates.sort(key=lambda candidate: -candidate[0])
        for log_prob, tokens in candidates[:beam]:
            if tokens[-1] == EOS or length == limit:
                finished.append((log_prob / length, log_prob, tokens))
        finished = sorted(finished, key=lambda entry: -entry[0])[:beam]
        live = [candidate for candidate in candidates if candidate[1][-1] != EOS][:beam]
        if len(finished) == beam and finished[-1][0] >= live[0][0] / length:
            break
    return [
        ([token for token in tokens if token != EOS], log_prob) for _, log_prob, tokens in finished
    ]


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
@torch.no_grad()
def test_cached_beam_search_equals_recomputing_every_prefix(encoder: str, decoder: str) -> None:
    model = liven(tiny_model(40, encoder, decoder))
    choose = random.Random(1)
    sources = [choose.choices(range(4, 40), k=length) for length in (1, 4, 9, 2, 14)]
    batch = make_batch(sources, [()] * len(sources))
    lengths = set()
    for beam in (1, 4):
        options = SearchOptions(beam=beam, nbest=beam, max_ratio=1.0, max_extra=4)
        for source, found in zip(
            sources, search(model, batch.source, batch.source_mask, options), strict=True
        ):
            expected = recomputed_beam(model, source, len(source) + 1 + 4, beam)
            assert [h.tokens for h in found] == [tokens for tokens, _ in expected]
            assert [h.log_prob for h in found] == pytest.approx(
                [log_prob for _, log_prob in expected], abs=1e-3
            )
            lengths.update(len(h.tokens) for h in found)
    assert len(lengths) > 2  # not all reach the limit


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
def test_scores_are_those_of_teacher_forcing(
    encoder: str, decoder: str, tokenizer: Tokenizer
) -> None:
    model = liven(tiny_model(tokenizer.vocab_size(), encoder, decoder))
    options = SearchOptions(beam=3, nbest=3, max_ratio=0.5)
    sources = [tokenizer.encode(line) for line in sentences(8)]
    batch = make_batch(sources, [()] * 8)
    for source, hypotheses in zip(
        sources, search(model, batch.source, batch.source_mask, options), strict=True
    ):
        assert len(hypotheses) == 3
        for h in hypotheses:
            forced = make_batch([source], [h.tokens])
            with torch.no_grad():
                log_probs = model.output(
                    model(forced.source, forced.source_mask, forced.target_input).hidden
                ).log_softmax(-1)
            total = sum(
                float(log_probs[0, t, token])
                for t, token in enumerate([*h.tokens, EOS][: h.length])
            )
            assert h.log_prob == pytest.approx(total, abs=1e-3)
            assert h.score == pytest.approx(total / h.length, abs=1e-3)


def test_the_score_of_a_translation_does_not_depend_on_the_batch(
    translator: Translator,
) -> None:
    lines = sentences(20)
    found = translator.translate_nbest(lines, 1, min_length=3, beam=1)
    # Only texts that are encoded as the pieces that the model produced can be compared.
    same = [
        (each.source, each.outputs[0])
        for each in found
        if each.outputs[0].complete
        and len(translator.tokenizer.encode(each.text, "tgt")) + 1 == each.outputs[0].tokens
    ]
    scores = translator.score([(source, output.text) for source, output in same])
    alone = [translator.score([(source, output.text)])[0] for source, output in same]
    assert [s.log_prob for s in scores] == pytest.approx([s.log_prob for s in alone], abs=1e-3)
    assert [s.tokens for s in scores] == [output.tokens for _, output in same]
