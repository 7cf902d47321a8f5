"""Scores of all pairs of texts, compared with sacreBLEU's score of each pair."""

from __future__ import annotations

import pytest
from sacrebleu.metrics import BLEU, CHRF

from mt.evaluation.pairwise import build_pairwise

TEXTS = [
    "Der Hund sieht die Katze.",
    "Der Hund sieht den Hund , der den Hund sieht .",
    "Der Hund sieht die Katze nicht; die Katze, die der Hund sah, schläft.",
    "der der der der der der",
    "Ein Satz ohne Treffer?",
    "Katze.",
    "a",
    "",
    "Hund sieht die",
    "語 die 言語 Katze",
]


@pytest.mark.parametrize("name", ["chrf", "bleu"])
def test_scores_are_those_of_sacrebleu(name: str) -> None:
    metric = CHRF() if name == "chrf" else BLEU(effective_order=True)
    scores = build_pairwise(name, "de")(TEXTS)
    for row, hypothesis in zip(scores, TEXTS, strict=True):
        expected = [metric.sentence_score(hypothesis, [text]).score for text in TEXTS]
        assert list(row) == pytest.approx(expected, abs=1e-9)


def test_bleu_has_the_tokenizer_of_the_language() -> None:
    texts = ["我喜欢猫。", "我喜欢小猫。", "他不喜欢狗。"]
    metric = BLEU(effective_order=True, tokenize="zh")
    expected = [metric.sentence_score(texts[1], [text]).score for text in texts]
    assert list(build_pairwise("bleu", "zh")(texts)[1]) == pytest.approx(expected, abs=1e-9)
