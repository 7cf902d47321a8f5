"""N-best lists without repetition, and minimum-Bayes-risk decoding against plain Python."""

from __future__ import annotations

import json

import pytest
import torch
from sacrebleu.metrics import BLEU, CHRF

from mt.data.batching import make_batch
from mt.data.vocabulary import EOS
from mt.decoding.formats import format_lines
from mt.decoding.options import SearchOptions
from mt.decoding.outputs import decode_hypotheses
from mt.decoding.ranking import rank
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator


def hypotheses(*texts: str) -> list[tuple[str, Hypothesis]]:
    return [(text, Hypothesis([5], -float(i), -float(i), True)) for i, text in enumerate(texts)]


def test_an_nbest_list_has_no_text_twice() -> None:
    found = hypotheses("a", "b", "a", "c", "b")
    options = SearchOptions(beam=5, nbest=4)
    assert rank(found, options, "de") == [found[0], found[1], found[3]]
    assert rank(found, SearchOptions(beam=5, nbest=2), "de") == found[:2]
    # Samples are independent of each other.
    assert rank(found, SearchOptions(nbest=5, sample=True), "de") == found


def test_two_segmentations_of_a_text_are_one_translation(translator: Translator) -> None:
    tokenizer = translator.tokenizer
    usual = tokenizer.encode("the cat", "tgt")
    letters = [tokenizer.models["tgt"].processor.piece_to_id(piece) for piece in "▁the▁cat"]
    assert usual != letters
    found = [Hypothesis(row, -1.0, -1.0, True) for row in (usual, letters, usual[:1])]
    texts = [text for text, _ in decode_hypotheses(["x"], [found], tokenizer)[0]]
    assert texts[0] == texts[1] == "the cat"
    for each in translator.translate_nbest(["the cat sees", "a dog"], 10, beam=20, max_extra=3):
        texts = [output.text for output in each.outputs]
        assert len(texts) == 10 == len(set(texts))
        scores = [output.score for output in each.outputs]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_minimum_bayes_risk_equals_the_mean_of_sacrebleu(
    translator: Translator, metric: str, sample: bool
) -> None:
    choices = {"sample": sample, "max_extra": 5, "max_ratio": 0.5}
    lines = ["the cat sees the dog .", "a tree and a house"]
    every = translator.translate_nbest(lines, 12, seed=3, beam=12, **choices)
    found = translator.translate_nbest(lines, 3, seed=3, mbr=12, mbr_metric=metric, **choices)
    score = CHRF() if metric == "chrf" else BLEU(effective_order=True)
    for candidates, chosen in zip(every, found, strict=True):
        texts = [output.text for output in candidates.outputs]
        means = {
            text: sum(score.sentence_score(text, [other]).score for other in texts) / len(texts)
            for text in texts
        }
        best = sorted(means.values(), reverse=True)[:3]
        assert [output.score for output in chosen.outputs] == pytest.approx(best, abs=1e-6)
        for output in chosen.outputs:
            assert output.score == pytest.approx(means[output.text], abs=1e-6)
            same = [each for each in candidates.outputs if each.text == output.text]
            assert output.log_prob == pytest.approx(same[0].log_prob, abs=1e-4)
        if sample:
            assert len(set(texts)) > 1


def test_a_text_that_was_sampled_twice_counts_twice() -> None:
    found = hypotheses("x y z", "a b c d", "a b c d", "x y z v")
    assert rank(found, SearchOptions(mbr=4, sample=True), "de")[0][0] == "a b c d"
    assert rank(found[1:], SearchOptions(mbr=3, sample=True), "de")[0][0] == "a b c d"
    assert rank([found[1], *found[::3]], SearchOptions(mbr=3), "de")[0][0].startswith("x y z")


def test_tables_and_json_lines_survive_any_translation(translator: Translator) -> None:
    translations = translator.translate_nbest(["the cat", ""], 2, beam=2)
    translations[0].outputs[0].text = "a ||| b ||| -1.0"
    rows = "".join(format_lines(translations, "tsv", 2, False)).splitlines()
    first = translations[0].outputs
    assert [row.split("\t") for row in rows] == [
        ["0", f"{first[0].score:.6f}", "a ||| b ||| -1.0"],
        ["0", f"{first[1].score:.6f}", first[1].text],
        ["1", "0.000000", ""],
    ]


def test_pieces_and_words_have_their_log_probabilities(translator: Translator) -> None:
    lines = ["the cat sees", "a dog . " * 30]
    found = translator.translate_nbest(lines, 2, min_length=3)
    assert found[1].outputs[0].parts
    for text, each in zip(format_lines(found, "jsonl", 2, False), found, strict=True):
        for record, output in zip(json.loads(text)["nbest"], each.outputs, strict=True):
            assert sum(value for _, value in record["pieces"]) == pytest.approx(
                output.log_prob, abs=1e-3
            )
            assert len(record["pieces"]) == output.tokens
            if record["words"]:
                assert [word for word, _ in record["words"]] == output.text.split()
            ends = sum(value for piece, value in record["pieces"] if piece == "</s>")
            total = sum(value for _, value in record["words"])
            if record["words"] and "▁" not in [piece for piece, _ in record["pieces"]]:
                assert total + ends == pytest.approx(output.log_prob, abs=1e-3)
    assert any(each.outputs[0].words for each in found)


@torch.no_grad()
def test_the_log_probability_of_each_piece_is_that_of_teacher_forcing(
    translator: Translator,
) -> None:
    [found] = translator.translate_nbest(["the cat sees the dog"], 1, max_extra=4, max_ratio=0.5)
    hypothesis = found.parts[0].hypotheses[0]
    batch = make_batch([found.parts[0].pieces], [hypothesis.tokens])
    model = translator.models[0]
    hidden = model(batch.source, batch.source_mask, batch.target_input).hidden
    log_probs = model.output(hidden).log_softmax(-1)[0]
    forced = [float(log_probs[t, token]) for t, token in enumerate([*hypothesis.tokens, EOS])]
    assert hypothesis.log_probs == pytest.approx(forced[: hypothesis.length], abs=1e-4)
