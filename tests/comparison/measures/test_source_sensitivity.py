"""Systems that write likely sentences whatever their source."""

from __future__ import annotations

import pytest
import sacrebleu

from helpers.comparing import REFERENCES, damaged, inputs
from mt.comparison.measures.source_sensitivity import SourceSensitivity, source_sensitivity
from mt.comparison.results.compute import check_bootstrap, compute_results
from mt.errors import UsageError
from mt.evaluation.sacrebleu_metrics import Bleu


def test_too_few_resamples_to_distinguish_any_system_are_refused() -> None:
    check_bootstrap(120, 4)
    with pytest.raises(UsageError, match="none of 3 variants from the baseline: use 120 or more"):
        check_bootstrap(119, 4)


def test_systems_that_do_not_read_their_source_are_named() -> None:
    likely = [REFERENCES[(i * 7 + 3) % 120] for i in range(120)]  # good German, of other sentences
    results = compute_results(
        inputs(blind=[likely], poor=[damaged(1)], mute=[[""] * 120]), "poor", bootstrap=100
    )
    assert {system.name: system.ignores_source for system in results.systems} == {
        "blind": True,
        "poor": False,
        "mute": True,
    }
    assert sum("ignores its source" in note for note in results.notes) == 2


def test_translations_are_moved_to_sentences_of_the_same_length() -> None:
    references = [
        "a b c d e f",
        "one two three four five",
        "g h i j k l",
        "six seven eight nine ten",
    ]
    lines = ["six seven eight nine one", "one two three six", "a b c d e g", "g h i j"]
    moved = [
        lines[2],
        lines[3],
        lines[1],
        lines[0],
    ]  # the order by length is 1, 3, 0, 2, and back to 1
    sensitivity = source_sensitivity(Bleu(), [lines, references], [references])
    of_references = sacrebleu.corpus_bleu(
        [references[2], references[3], references[1], references[0]], [references]
    ).score
    assert sensitivity.bleu == pytest.approx(
        (sacrebleu.corpus_bleu(lines, [references]).score + 100) / 2
    )
    assert (
        sensitivity.on_other_sentences
        == pytest.approx((sacrebleu.corpus_bleu(moved, [references]).score + of_references) / 2)
        and sensitivity.on_other_sentences > 5
    )


def test_source_sensitivity_of_one_sentence_and_of_scripts_without_spaces() -> None:
    one = source_sensitivity(Bleu(), [["one two three four"]], [["one two three four five"]])
    assert not one.ignores_source
    references = ["猫", "我今天早上吃了两个苹果和一个梨", "狗", "他昨天晚上看了三部电影和一本书"]
    lines = [
        references[2],
        references[3],
        references[0],
        references[1],
    ]  # each is the one of like length
    sensitivity = source_sensitivity(Bleu(tokenize="zh"), [lines], [references])
    assert sensitivity.on_other_sentences > 20 and sensitivity.ignores_source


def test_a_system_with_a_high_score_may_ignore_its_source() -> None:
    references = [
        f"I know that it is the case that {word} sleep"
        for word in ("cats", "dogs", "birds", "mice")
    ]
    same = source_sensitivity(Bleu(), [[references[0]] * 4], [references])
    assert same.bleu > 50 and same.on_other_sentences == same.bleu and same.ignores_source
    assert [
        SourceSensitivity(bleu, other).ignores_source
        for bleu, other in ((30, 14), (30, 16), (0.9, 0))
    ] == [False, True, True]
