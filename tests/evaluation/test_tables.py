"""An evaluation as a table and as JSON."""

from __future__ import annotations

import json
import re

import pytest

from helpers.noisy_corpus import noisy_corpus
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import fast_metrics
from mt.evaluation.tables import TEXT_WIDTH, text_table, to_dict


@pytest.mark.medium
def test_the_table_fits_80_columns_and_shows_the_scores() -> None:
    sources, hypotheses, references = noisy_corpus(1000)
    empty = hypotheses.index(max(hypotheses, key=len))
    hypotheses[empty] = " "
    evaluation = evaluate_translations(
        sources,
        hypotheses,
        [references],
        edges=[2, 5000],
        tgt_lang="th",
        bootstrap=100,
        metrics=["bleu", "chrf", "ter"],
    )
    table = text_table(evaluation)
    assert TEXT_WIDTH == 80 and max(map(len, table.splitlines())) <= 80
    bleu = evaluation.scores["bleu"]
    assert f"{bleu.value:.2f}" in table and f"{bleu.ci[0]:.2f} - {bleu.ci[1]:.2f}" in table  # type: ignore[index]
    for score in evaluation.scores.values():
        assert score.short_signature in table
    assert f"1000 sentences, {sum(not h.strip() for h in hypotheses)} with empty output" in table
    rows = {line.split()[0]: line for line in table.splitlines() if line[:1].isdigit()}
    assert rows["5001+"].split() == ["5001+", "0", "-"]
    assert (
        rows["3-5000"].split()[1] == str(evaluation.buckets[1].count) and "*" not in rows["3-5000"]
    )
    assert "note: TER" in table and "fewer than" in table


@pytest.mark.medium
def test_small_buckets_are_marked() -> None:
    sources, hypotheses, references = noisy_corpus(2 * MIN_SENTENCES)
    fine = text_table(
        evaluate_translations(
            sources, hypotheses, [references], edges=[1000], threshold=33, bootstrap=0
        )
    )
    assert "*" not in fine.splitlines()[-8] and "interval" not in fine
    sources = ["word"] * (MIN_SENTENCES - 1) + ["word " * 50] * (MIN_SENTENCES + 1)
    marked = text_table(
        evaluate_translations(sources, hypotheses, [references], bootstrap=0)
    ).splitlines()
    assert "*" in next(line for line in marked if line.startswith("short"))
    assert "*" not in next(line for line in marked if line.startswith("long"))


def test_ter_can_be_left_out() -> None:
    sources, hypotheses, references = noisy_corpus(30)
    evaluation = evaluate_translations(
        sources, hypotheses, [references], bootstrap=0, metrics=fast_metrics()
    )
    assert set(evaluation.scores) == set(evaluation.short.scores) == set(fast_metrics())
    assert "#:1|c:lc" not in text_table(evaluation) and "ter" not in to_dict(evaluation)["scores"]


def test_the_widest_interval_is_apart_from_what_follows() -> None:
    sources, _, references = noisy_corpus(30)
    hypotheses = [f"{references[0]} x", *references[1:]]
    table = text_table(evaluate_translations(sources, hypotheses, [references], bootstrap=100))
    assert re.search(r"^BLEU +[\d.]+  9[\d.]+ - 100\.00  precisions", table, re.MULTILINE), table


def test_the_json_form_holds_every_score() -> None:
    sources, hypotheses, references = noisy_corpus(30)
    evaluation = evaluate_translations(sources, hypotheses, [references], bootstrap=100)
    data = json.loads(json.dumps(to_dict(evaluation)))
    assert data["format"] == 1 and data["sentences"] == 30
    assert data["scores"]["bleu"]["value"] == evaluation.scores["bleu"].value
    assert data["scores"]["bleu"]["ci"] == list(evaluation.scores["bleu"].ci or ())
    assert data["scores"]["bleu"]["signature"] == evaluation.scores["bleu"].signature
    assert [b["label"] for b in data["buckets"]] == [
        "1-10",
        "11-20",
        "21-30",
        "31-40",
        "41-50",
        "51-60",
        "61+",
    ]
    assert (
        data["short"]["label"] == "1-20"
        and data["long"]["length_ratio"] == evaluation.long.length_ratio
    )
    assert data["short"]["small"] is True


def test_one_sentence_has_no_interval() -> None:
    sources, hypotheses, references = noisy_corpus(1)
    table = text_table(evaluate_translations(sources, hypotheses, [references], bootstrap=100))
    assert " - " not in table.split("note:")[0]
