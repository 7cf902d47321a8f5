"""Prefixes: always kept, at any place in a word, and translated like without when they agree."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

import mt
from helpers.calls import call
from helpers.exports import write_export
from helpers.tiny_models import WORDS, sentences
from mt.config.schema import TokenizerConfig
from mt.data.normalisation import Normaliser
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.decoding.load import load_run
from mt.decoding.prefixes import NEW_WORD, PrefixEncoder
from mt.decoding.translator import Translator
from mt.device import pick_device
from mt.errors import UsageError


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def vocabulary(request: pytest.FixtureRequest) -> Tokenizer:
    lines = [*sentences(300), "under the house 語 über 12 dogs and cats seeing reddish greens"]
    config = TokenizerConfig(type=request.param, vocab_size=300)
    return Tokenizer.train(lambda: lines, lambda: lines, config)


def test_the_cover_of_a_prefix_is_that_of_all_texts_that_begin_with_it(
    vocabulary: Tokenizer,
) -> None:
    """Texts that go on in any way are segmented in a way that the prefix allows, and only these."""
    encoder = PrefixEncoder(vocabulary, "en", Normaliser())
    endings = ["", *WORDS, "s", "ing", " the", "語", "ü", *"abcdehinorst", *map("".join, PAIRS)]
    for prefix in ("the c", "cat", "a dog and th", "the", "s", "a  re", "語", "the ü", "x€", "un"):
        found = {tuple(each) for each in encoder.cover(prefix)}
        for sequence in found:
            text = vocabulary.decode(sequence, "tgt")
            assert text.startswith(prefix) or prefix == "x€"
            assert not vocabulary.decode(sequence[:-1], "tgt").startswith(prefix)
            assert vocabulary.encode(text, "tgt") == list(sequence)
        for ending in endings:
            ids = tuple(vocabulary.encode(prefix + ending, "tgt"))
            assert any(ids[:length] in found for length in range(1, len(ids) + 1)), prefix + ending


def test_the_memory_of_prefixes_is_bounded(
    vocabulary: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = PrefixEncoder(vocabulary, "en", Normaliser())
    words = ["ca", "do", "th", "ca", "re"]
    unbounded = [encoder.cover(word) for word in words]
    monkeypatch.setattr("mt.decoding.prefixes.MAX_WORDS", 2)
    encoder.covers.clear()
    for word, expected in zip(words, unbounded, strict=True):
        assert encoder.cover(word) == expected and len(encoder.covers) <= 2


PAIRS = list(itertools.product("aeidtgn", repeat=2))


def test_a_piece_may_go_on_after_the_prefix(vocabulary: Tokenizer) -> None:
    encoder = PrefixEncoder(vocabulary, "en", Normaliser())
    [cat] = vocabulary.encode("cat", "tgt")
    assert [cat] in encoder.cover("ca") and [cat] in encoder.cover("cat")
    before = vocabulary.encode("the dog", "tgt")
    assert [*before, cat] in encoder.cover("the dog c")
    assert all(each[: len(before)] == before for each in encoder.cover("the dog c"))


@pytest.mark.medium
def test_every_translation_begins_with_its_prefix(translator: Translator) -> None:
    choose = random.Random(2)
    lines, targets = sentences(7, seed=4), sentences(7, seed=5)
    short = {"max_ratio": 0.3, "max_extra": 4}
    prefixes = [text[: choose.randint(0, 12)] for text in targets]
    prefixes[:3] = ["", "über 語 x", "the the the the the the the the the the the the the the the"]
    for choices in (
        {"beam": 1},
        {"beam": 4, "nbest": 4},
        {"sample": True, "nbest": 3},
        {"beam": 2, "no_repeat_ngram": 2, "repetition_penalty": 1.5, "max_extra": 2},
        {"mbr": 4},
    ):
        choices = {**short, **choices}
        nbest = choices.pop("nbest", 1)
        found = translator.translate_nbest(lines, nbest, prefixes=prefixes, seed=1, **choices)
        for each, prefix in zip(found, prefixes, strict=True):
            for output in each.outputs:
                assert output.text.startswith(prefix.strip())
                assert prefix[-1:] != " " or output.text.strip()[len(prefix) - 1 :][:1] in ("", " ")
        alone = [
            translator.translate_nbest([line], nbest, prefixes=[prefix], **choices)[0].text
            for line, prefix in zip(lines, prefixes, strict=True)
        ]
        if "sample" not in choices:
            assert alone == [each.text for each in found]


def test_a_space_at_the_end_ends_the_word(translator: Translator) -> None:
    encoder = PrefixEncoder(translator.tokenizer, "en", Normaliser())
    assert encoder.encode("the ca ", ["x"]) == [
        [[*translator.tokenizer.encode("the ca", "tgt"), NEW_WORD]]
    ]
    lines = sentences(6, seed=7)
    for each in translator.translate_nbest(
        lines, 5, prefixes=["the ca "] * 6, max_ratio=0.3, max_extra=4
    ):
        for output in each.outputs:
            assert output.text == "the ca" or output.text.startswith("the ca ")


def test_the_sentences_of_a_prefix_belong_to_those_of_the_line(run: Path) -> None:
    splitting = mt.load(run, device="cpu", precision="fp32", split_sentences=True)
    encode = splitting.tokenizer.encode
    encoder = PrefixEncoder(splitting.tokenizer, "en", Normaliser())
    assert encoder.encode("A cat. The d", ["x"] * 3) == [
        [[*encode("A cat.", "tgt"), EOS]],
        encoder.cover("The d"),
        [],
    ]
    assert encoder.encode("A cat. The d", ["x"]) == [encoder.cover("A cat. The d")]
    line = "The cat sees. The dog is green. A house."
    for prefix in (
        "The",
        "The cat is red. A d",
        "The dog sees. The cat sees. A t",
        "X. Y. Z. A b.",
    ):
        text = splitting.translate(line, prefixes=prefix)
        assert text.startswith(prefix)
    whole = splitting.translate(line, prefixes="The cat is red. A d")
    last = splitting.translate("A house.")
    assert whole.endswith(last)


def test_an_onnx_export_keeps_prefixes_and_ctranslate2_refuses_them(
    run: Path, translator: Translator, tmp_path: Path
) -> None:
    for name in ("onnxruntime", "ctranslate2"):
        pytest.importorskip(name)
    lines, prefixes = sentences(5, seed=8), ["the c", "", "a dog ", "x", "un"]
    exported = load_run(run, pick_device("cpu"))
    onnx = mt.load(write_export(exported, "onnx", "float32", tmp_path / "onnx"), device="cpu")
    assert onnx.translate(lines, prefixes=prefixes) == translator.translate(
        lines, prefixes=prefixes
    )
    other = mt.load(write_export(exported, "ctranslate2", "float32", tmp_path / "ct2"))
    with pytest.raises(UsageError, match="ctranslate2 does not support prefixes"):
        other.translate(lines, prefixes=prefixes)
    assert other.translate(lines, prefixes=[""] * 5) == other.translate(lines)


def test_wrong_prefixes_are_refused(translator: Translator) -> None:
    for prefixes, message in (
        (["a"], "fewer prefixes than lines"),
        (["a", "b", "c"], "more prefixes than lines"),
        ("ab", "prefixes must be several strings"),
        ([1, 2], "prefix 1 must be a string"),
        (3, "prefixes must be strings"),
    ):
        with pytest.raises(UsageError, match=message):
            translator.translate(["a cat", "a dog"], prefixes=prefixes)
    before = translator.counts["prefix"]
    assert translator.translate(["", "a cat"], prefixes=["the", ""])[0] == ""
    assert translator.counts["prefix"] == before + 1


def test_workers_and_an_inspector_keep_prefixes(run: Path, translator: Translator) -> None:
    lines, short = sentences(60, seed=9), {"max_ratio": 0.3, "max_extra": 4}
    prefixes = [text[:5] for text in sentences(60, seed=10)]
    expected = translator.translate(lines, prefixes=prefixes, **short)
    several = mt.load(run, device="cpu", precision="fp32", workers=2, batch_tokens=400)
    assert several.translate(lines, prefixes=prefixes, **short) == expected
    inspector = mt.inspect(translator)
    assert inspector.translate(lines[0], prefixes=prefixes[0], **short).text == expected[0]


def test_the_command_reads_prefixes_from_a_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    (tmp_path / "prefixes").write_text("the c\n\na dog \n", encoding="utf-8")
    flags = (run, "--device", "cpu", "--max-ratio", "0.3", "--prefix", tmp_path / "prefixes")
    data = b"a cat\nthe house\nred and green\n"
    for stream in ((), ("--stream",), ("--format", "tsv"), ("--mbr", "4")):
        code, out, _ = call(monkeypatch, capsys, *flags, *stream, stdin=data)
        first, _, last = (line.split("\t")[-1] for line in out.splitlines())
        assert code == 0 and first.startswith("the c") and f"{last} ".startswith("a dog ")
    code, _, err = call(monkeypatch, capsys, *flags, stdin=data + b"one more\n")
    assert code == 2 and "fewer prefixes than lines" in err
    code, out, err = call(monkeypatch, capsys, *flags[:-1], tmp_path / "none", stdin=data)
    assert (code, out) == (1, "") and "no such file" in err
