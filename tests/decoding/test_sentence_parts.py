"""Lines of several sentences: split, translated one by one, joined."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import mt
from helpers.calls import call
from helpers.exports import write_export
from mt.data.links import Links
from mt.data.training_text import TrainingText, save_training_text
from mt.data.vocabulary import EOS
from mt.decoding.engines import engine as engine_module
from mt.decoding.formats import format_lines
from mt.decoding.line_chunks import count_parts
from mt.decoding.load import load_run
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator
from mt.device import pick_device
from mt.errors import UsageError
from mt.run_folder import RunFolder

PARTS = ["The cat sees the red dog under a tree.", "A dog is not green.", "Is the house red?"]
LINE = " ".join(PARTS)
SINGLE, SEVERAL = TrainingText(0.01, 1.0), TrainingText(0.5, 1.0)


@pytest.fixture(scope="module")
def splitting(run: Path) -> Translator:
    return mt.load(run, device="cpu", precision="fp32", split_sentences=True)


@pytest.fixture
def copied_run(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


def test_the_translation_of_a_line_is_that_of_its_sentences(
    splitting: Translator, translator: Translator
) -> None:
    before = splitting.counts["sentences"]
    lines = [LINE, "The cat", "", *PARTS]
    joined = " ".join(filter(None, translator.translate(PARTS)))
    assert splitting.translate(lines) == [joined, *translator.translate(lines[1:])]
    assert joined != translator.translate(LINE)
    assert splitting.counts["sentences"] == before + 1
    assert "lines of several sentences (translated one by one, joined): " in "\n".join(
        splitting.report()
    )


def test_sentences_that_are_too_long_are_split_further(
    splitting: Translator, translator: Translator
) -> None:
    long = "The cat , " * 30 + "sees."
    before = splitting.counts["split"]
    both = splitting.translate(f"{PARTS[0]} {long}")
    assert both == " ".join(filter(None, translator.translate([PARTS[0], long])))
    assert splitting.counts["split"] == before + 1


def test_each_part_has_its_own_score(splitting: Translator) -> None:
    [one, whole] = splitting.translate_nbest([PARTS[0], LINE], 3)
    assert one.outputs[0].parts == []
    assert [part.source for part in whole.parts] == PARTS
    alone = [each.outputs for each in splitting.translate_nbest(PARTS, 3)]
    for rank, output in enumerate(whole.outputs):
        assert [part.text for part in output.parts] == [outputs[rank].text for outputs in alone]
        assert [part.score for part in output.parts] == pytest.approx(
            [outputs[rank].score for outputs in alone], abs=1e-4
        )
        assert output.log_prob == pytest.approx(sum(part.log_prob for part in output.parts))
        assert output.tokens == sum(part.tokens for part in output.parts)
    records = [json.loads(line) for line in format_lines([one, whole], "jsonl", 3, False)]
    assert "parts" not in records[0] and records[0]["warnings"] == []
    for record, output in zip(records[1]["nbest"], whole.outputs, strict=True):
        assert [part["source"] for part in record["parts"]] == PARTS
        assert [part["score"] for part in record["parts"]] == [p.score for p in output.parts]
    assert records[1]["parts"][0].keys() == one.outputs[0].__dict__.keys() - {"links", "parts"} | {
        "source",
        "words",
    }


def test_bad_outputs_are_counted_and_marked(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = mt.load(run, device="cpu", precision="fp32", split_sentences=True)
    translator.text_settings = replace(translator.text_settings, length_ratio=1.0)
    good, bad = "The cat sees the red dog.", "A tree is under the green house and sees."
    pieces = translator.tokenizer.encode(bad, "src")

    def search(model, source, mask, options, generator, prefixes, before_step):
        rows = [[token for token in row if token > EOS] for row in source.tolist()]
        found = [pieces[:1] * 8 if row == pieces else row for row in rows]
        return [[Hypothesis(row, -1.0, -1.0, True)] for row in found]

    monkeypatch.setattr(engine_module, "search", search)
    whole, alone = translator.translate_nbest([f"{good} {bad}", good], 1)
    assert whole.text.startswith(good) and alone.text == good
    assert alone.outputs[0].warnings == ["copy"]
    [record] = [json.loads(line) for line in format_lines([whole], "jsonl", 1, False)]
    assert [part["warnings"] for part in record["parts"]] == [["copy"], ["repetition", "short"]]
    assert record["warnings"] == ["copy", "repetition", "short"]
    report = "\n".join(translator.report())
    assert "repeats itself (several times in a row): 1" in report
    assert "much shorter than expected: 1" in report
    assert "a copy of the source: 2" in report


def test_the_training_text_decides_by_default(copied_run: Path) -> None:
    folder = RunFolder.at(copied_run)
    for text, expected in ((None, False), (SINGLE, True), (SEVERAL, False)):
        if text:
            save_training_text(folder, text)
        for asked in (None, True, False):
            loaded = mt.load(copied_run, device="cpu", split_sentences=asked)
            assert loaded.encoder.split_sentences is (expected if asked is None else asked)
            assert loaded.text_settings.length_ratio == (1.0 if text else 0.0)
    with pytest.raises(UsageError, match="split_sentences must be True, False or None, got 'yes'"):
        mt.load(copied_run, device="cpu", split_sentences="yes")


@pytest.mark.parametrize("backend", ["ctranslate2", "onnx"])
def test_an_export_keeps_the_default(backend: str, copied_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime" if backend == "onnx" else backend)
    for text in (None, SINGLE):
        if text:
            save_training_text(RunFolder.at(copied_run), text)
        exported = load_run(copied_run, pick_device("cpu"))
        folder = write_export(exported, backend, "float32", tmp_path / f"export-{bool(text)}")
        loaded = mt.load(folder, device="cpu")
        assert loaded.encoder.split_sentences is bool(text)
        assert loaded.text_settings.length_ratio == (1.0 if text else 0.0)
    assert loaded.translate(LINE) == " ".join(filter(None, loaded.translate(PARTS)))


def test_links_fit_the_words_of_the_whole_line(
    splitting: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(model, source, mask, options, generator, prefixes, before_step):
        rows = [[token for token in row if token > EOS] for row in source.tolist()]
        return [[Hypothesis(row, -1.0, -1.0, True)] for row in rows]

    monkeypatch.setattr(engine_module, "search", echo)
    inspector = mt.inspect(splitting)
    expected, start = set(), 0
    for part, links in zip(PARTS, inspector.align([(p, p) for p in PARTS]), strict=True):
        expected |= {(start + i, start + j) for i, j in links.sure}
        start += len(part.split())
    found = inspector.translate(LINE, alignments=True)
    assert found.outputs[0].links == Links(frozenset(expected))
    assert len(found.attention) == len(PARTS)


def test_the_command_has_a_flag(copied_run: Path, translator, monkeypatch, capsys) -> None:
    save_training_text(RunFolder.at(copied_run), SINGLE)
    joined = " ".join(filter(None, translator.translate(PARTS)))
    flags = (copied_run, "--device", "cpu", "--precision", "fp32")
    for value, expected in (("auto", joined), ("yes", joined), ("no", translator.translate(LINE))):
        code, out, err = call(monkeypatch, capsys, *flags, "--split-sentences", value, LINE)
        assert (code, out) == (0, expected + "\n")
        assert ("lines of several sentences" in err) is (value != "no")


def test_progress_is_counted_in_lines() -> None:
    counts: list[int] = []
    add = count_parts(counts.append, lines=3, parts=7)
    for parts in (1, 2, 2, 2):
        add(parts)
    assert counts == [0, 1, 1, 1]
