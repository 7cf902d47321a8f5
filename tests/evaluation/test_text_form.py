"""Text in other Unicode forms, tokenised text, and references that are blank or missing."""

from __future__ import annotations

import json
import logging
import unicodedata
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from helpers.noisy_corpus import noisy_corpus
from mt.errors import MTError
from mt.evaluate import main
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.metrics import METRICS
from mt.evaluation.tables import text_table
from mt.evaluation.text_form import existing_references, reference_notes

ACCENTED = ["Trời đã sáng và gió thổi nhẹ", "Über die Brücke führt der Weg zurück", "çà et là"] * 4


@pytest.mark.parametrize("outputs, references", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_text_in_another_unicode_form_scores_as_the_same_text(
    outputs: str, references: str
) -> None:
    hypotheses = [unicodedata.normalize(outputs, line) for line in ACCENTED]
    lines = [unicodedata.normalize(references, line) for line in ACCENTED]
    evaluation = evaluate_translations(None, hypotheses, [lines], length_by="reference")
    values = [score.value for score in evaluation.scores.values()]
    assert values == pytest.approx([100, 100, 0])
    for metric in METRICS.values():
        built = metric()
        assert built.corpus_score(hypotheses, [lines]) == pytest.approx(
            100 if metric.higher_is_better else 0
        )
    for name, form in (("outputs", outputs), ("references", references)):
        note = f"{name}: 12 of 12 lines are not in Unicode NFC; scored in NFC"
        assert (note in evaluation.notes) == (form == "NFD")


def test_references_with_escapes_get_a_note() -> None:
    (note,) = reference_notes([["&quot;so&quot;", "a @-@ b", "AT&T", "<b> &amp;"]])
    assert note.startswith("references: 2 of 4 lines have HTML entities or Moses escapes")


def test_a_model_that_writes_nfkc_gets_a_note_on_other_references() -> None:
    assert reference_notes([["ﬁn", "fin"]]) == reference_notes([["fin"]], "NFKC") == []
    (note,) = reference_notes([["ﬁn", "fin"]], "NFKC")
    assert note.startswith("references: 1 of 2 lines are not in Unicode NFKC")


@pytest.mark.medium
def test_a_blank_line_of_several_references_is_no_reference() -> None:
    sources, hypotheses, references = noisy_corpus(60)
    second = ["" if i % 2 else line + " noch" for i, line in enumerate(references)]
    second[4] = "  \t"
    evaluation = evaluate_translations(sources, hypotheses, [references, second])
    existing = [line if line.strip() else None for line in second]
    for name, metric in {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}.items():
        truth = metric.corpus_score(hypotheses, [references, existing]).score
        assert evaluation.scores[name].value == pytest.approx(truth, abs=1e-9)
        swapped = evaluate_translations(sources, hypotheses, [second, references])
        assert swapped.scores[name].value == pytest.approx(truth, abs=1e-9)
    assert evaluation.notes == [
        "references 2: 31 of 60 lines are blank; these sentences are scored with their other "
        "references"
    ]
    assert evaluation.empty_references == 0
    by_first = [
        evaluate_translations(None, hypotheses, sets, length_by="reference").short.count
        for sets in ([references], [[""] * 60, references])
    ]
    assert by_first[0] == by_first[1]  # a missing reference has no length


def test_a_sentence_whose_references_are_all_blank_has_an_empty_reference() -> None:
    assert existing_references([["", "a"], [" ", ""]]) == [["", "a"], [None, None]]
    assert existing_references([[""], ["b"]]) == [[None], ["b"]]
    evaluation = evaluate_translations(
        None, ["ein Hund", ""], [["", "ja"], ["", " "]], length_by="reference", bootstrap=0
    )
    assert (evaluation.empty, evaluation.empty_references) == (1, 1)
    header = text_table(evaluation).splitlines()[0]
    assert header == "2 sentences, 1 with empty output, 1 with empty reference"
    assert "1 of 2 references are empty: they are scored as they are" in evaluation.notes
    with pytest.raises(MTError, match="all 2 references are empty"):
        evaluate_translations(None, ["ein Hund", ""], [["", "\u200b"]], length_by="reference")


def test_text_without_a_visible_character_is_empty() -> None:
    invisible = "\u200b\u2060"
    evaluation = evaluate_translations(
        None, ["ein Hund", invisible], [["ja", invisible], ["nein", "ja"]], length_by="reference"
    )
    assert (evaluation.empty, evaluation.empty_references) == (1, 0)
    blank = evaluate_translations(
        None, ["ein Hund", invisible], [["ja", ""], ["nein", "ja"]], length_by="reference"
    )
    assert evaluation.scores["chrf"] == blank.scores["chrf"]


def test_tokenised_text_is_noted_once_in_words_of_mt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "text").write_text("ein Hund läuft , und zwar schnell .\n" * 100)
    path = str(tmp_path / "text")
    flags = ["--hyp", path, "--ref", path, "--bootstrap", "0"]
    with caplog.at_level(logging.WARNING):
        main([*flags, "--json", f"{path}.json"])
    notes = json.loads(Path(f"{path}.json").read_text())["notes"]
    assert len(notes) == 1 and "100 lines end" in notes[0] and "--tokenize none" in notes[0]
    out, err = capsys.readouterr()
    assert out.count("tokenised") == 1
    assert "force" not in out + err and not caplog.records
    main([*flags, "--tokenize", "none"])
    assert "tokenised" not in capsys.readouterr().out
