"""Translation with tags: in every part of a line, in scores, links, attention and exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import mt
from helpers.calls import call
from helpers.exports import write_export
from helpers.tiny_models import save_run, sentences
from mt.config.schema import TokenizerConfig
from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.data.training_text import TrainingText, save_training_text
from mt.data.vocabulary import PAD
from mt.decoding.load import load_run
from mt.decoding.tagged_lines import translate_tagged
from mt.decoding.text_settings import choose_tag
from mt.decoding.translator import Translator
from mt.device import pick_device
from mt.errors import UsageError
from mt.run_folder import RunFolder

PARTS = ["The cat sees the red dog under a tree.", "A dog is not green.", "Is the house red?"]
LINES = [*sentences(3), "", "<a> the cat", " ".join(PARTS)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = [*sentences(300), *PARTS]
    config = TokenizerConfig(vocab_size=300, character_coverage=1)
    tokenizer = Tokenizer.train(lambda: lines, lambda: lines, config, tags=["<a>", "<b>", "<c>"])
    folder = save_run(tmp_path_factory.mktemp("tagged") / "run", tokenizer)
    # One sentence a line with <a>, several with <b>; <c> is reserved.
    texts = {"<a>": TrainingText(0.0, 1.0), "<b>": TrainingText(0.5, 2.0)}
    save_training_text(RunFolder.at(folder), TrainingText(0.2, 1.5, texts))
    return folder


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return mt.load(run, device="cpu", precision="fp32", tag="<a>", split_sentences=False)


def test_each_part_of_a_line_begins_with_the_tag(run: Path, translator: Translator) -> None:
    tag = translator.tokenizer.tags["<a>"]
    splitting = mt.load(run, device="cpu", precision="fp32", tag="<a>")
    long = "the cat sees , " * 40
    for each, line in ((splitting, " ".join(PARTS)), (splitting, long), (translator, "a dog")):
        [translation] = each.translate_nbest([line], 1)
        assert len(translation.parts) == {PARTS[0][0]: 3, "a": 1}.get(
            line[0], len(translation.parts)
        )
        for part in translation.parts:
            assert part.pieces[0] == tag and tag not in part.pieces[1:]
            assert part.pieces[1:] == translator.tokenizer.encode(part.source)
            assert len(part.pieces) <= translator.max_pieces
    assert len(translation.parts) == 1
    assert splitting.translate(" ".join(PARTS)) == " ".join(
        filter(None, translator.translate(PARTS))
    )


@pytest.mark.medium
def test_tags_change_translations_and_literal_text_does_not(translator: Translator) -> None:
    by_tag = {tag: translator.with_tag(tag).translate(LINES) for tag in ("", "<a>", "<b>")}
    assert by_tag["<a>"] == translator.translate(LINES)
    assert by_tag["<a>"] != by_tag["<b>"] != by_tag[""] != by_tag["<a>"]
    ids = set(translator.tokenizer.tags.values())
    untagged = translator.with_tag("")
    for text in ("<a> the cat", "\1<a>\1 the cat", "\1<a>"):
        [translation] = untagged.translate_nbest([text], 1)
        assert not ids & set(translation.parts[0].pieces)
    assert translator.tag == "<a>" and translator.with_tag("<a>") is translator
    tags = ["<a>", "", "<b>"] * 2
    assert translate_tagged(translator, LINES, tags) == [
        by_tag[tag][row] for row, tag in enumerate(tags)
    ]


def test_each_tag_has_the_properties_of_its_training_text(run: Path) -> None:
    first = mt.load(run, device="cpu", tag="<a>")
    second = first.with_tag("<b>")
    assert (first.encoder.split_sentences, first.text_settings.length_ratio) == (True, 1.0)
    assert (second.encoder.split_sentences, second.text_settings.length_ratio) == (False, 2.0)
    assert second.engine is first.engine and second.counts is first.counts


def test_scores_are_those_of_the_pieces_with_the_tag(translator: Translator) -> None:
    tokenizer, model = translator.tokenizer, translator.models[0]
    source, target = "the cat sees", "a red dog"
    ids = [tokenizer.tags["<b>"], *tokenizer.encode(source)]
    batch = make_batch([ids], [tokenizer.encode(target)])
    with torch.no_grad():
        hidden = model(batch.source, batch.source_mask, batch.target_input).hidden
        log_probs = model.output(hidden).log_softmax(-1).gather(2, batch.target[..., None])
    [score] = translator.with_tag("<b>").score([(source, target)])
    expected = log_probs[batch.target != PAD].sum().item()
    assert score.log_prob == pytest.approx(expected, abs=1e-3)


def test_a_tag_is_no_word_of_links_and_attention(translator: Translator) -> None:
    inspector = mt.inspect(translator)
    source, target = "the cat sees", "a red dog"
    [pair] = inspector.attention([(source, target)], ("cross", "encoder"))
    assert pair.source_pieces[0] == "\1<a>" and pair.source_words[0] == -1
    assert pair.word_weights().shape == (3, 3)
    assert pair.word_weights(kind="encoder").shape == (3, 3)
    [links] = inspector.align([(source, target)])
    assert sorted(j for _, j in links.sure) == [0, 1, 2] and all(i < 3 for i, _ in links.sure)
    found = inspector.translate([source, " ".join(PARTS)], alignments=True)
    for each in found:
        words = len(each.source.split())
        assert all(i < words for i, _ in each.outputs[0].links.sure)
    assert mt.inspect(translator.with_tag("")).align([(source, target)])  # without the tag


def test_the_tag_is_asked_for_if_there_is_a_choice() -> None:
    known = {"<a>", "<b>"}
    for trained, expected in (((), ""), (("", "<a>"), ""), (("<b>",), "<b>")):
        assert choose_tag(None, known, trained) == expected
    with pytest.raises(UsageError, match=r"all text .* has a tag, .* one of <a>, <b>$"):
        choose_tag(None, known, ("<a>", "<b>"))
    assert choose_tag("", known, known) == ""
    with pytest.raises(UsageError, match="does not know the tag '<x>': it knows <a>, <b>$"):
        choose_tag("<x>", known, known)
    with pytest.raises(UsageError, match="trained without tags, so it does not know '<x>'$"):
        choose_tag("<x>", {}, ())
    with pytest.raises(UsageError, match="tag must be text or None, got 3"):
        choose_tag(3, known, known)  # type: ignore[arg-type]


def test_the_command_takes_a_tag(
    run: Path,
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    text = "".join(f"{line}\n" for line in LINES).encode()
    flags = ["--device", "cpu", "--precision", "fp32", "--split-sentences", "no"]

    def translate(*more: str) -> tuple[int, str, str]:
        return call(monkeypatch, capsys, run, *flags, *more, stdin=text)

    code, output, _ = translate("--tag", "<b>")
    assert code == 0 and output.splitlines() == translator.with_tag("<b>").translate(LINES)
    _, output, _ = translate("--tag", "<b>", "--format", "jsonl")
    assert [json.loads(line)["source"] for line in output.splitlines()] == LINES
    for arguments, message in (
        ([], "one of <a>, <b>"),
        (["--tag", "<x>"], "does not know the tag '<x>': it knows <a>, <b>, <c>"),
    ):
        code, output, errors = translate(*arguments)
        assert code == 2 and message in errors and not output


@pytest.mark.medium
@pytest.mark.parametrize("backend", ["ctranslate2", "onnx"])
def test_exports_take_tags(backend: str, run: Path, translator: Translator, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime" if backend == "onnx" else backend)
    folder = write_export(load_run(run, pick_device("cpu")), backend, "float32", tmp_path / "e")
    exported = mt.load(folder, device="cpu", tag="<a>", split_sentences=False)
    for tag in ("<a>", "<b>", ""):
        expected = translator.with_tag(tag).translate(LINES, beam=1)
        assert exported.with_tag(tag).translate(LINES, beam=1) == expected
    pairs = [("the cat", "a dog")]
    assert exported.score(pairs)[0].log_prob == pytest.approx(
        translator.score(pairs)[0].log_prob, abs=1e-3
    )
    with pytest.raises(UsageError, match="one of <a>, <b>"):
        mt.load(folder, device="cpu")


def test_an_ensemble_has_the_tags_of_its_runs(run: Path, translator: Translator) -> None:
    both = mt.load([run, run], device="cpu", precision="fp32", tag="<a>", split_sentences=False)
    assert both.translate(LINES[:3]) == translator.translate(LINES[:3])
