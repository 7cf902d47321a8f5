"""Translator: text to text, in memory, with a small untrained model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import mt
from helpers.tiny_models import save_run, sentences
from mt.config.schema import TokenizerConfig
from mt.data.links import Links
from mt.data.tokenizer import Tokenizer
from mt.decoding import line_chunks
from mt.decoding.engines import engine as engine_module
from mt.decoding.outputs import decode_hypotheses
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError

# Untrained models end rarely before the longest output that is allowed.
SHORT = {"max_ratio": 1.0, "max_extra": 5}


def test_byte_pieces_that_form_line_separators_do_not_break_lines(tokenizer: Tokenizer) -> None:
    for separator in (
        "\n",
        "\r",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1e",
        "\x85",
        "\u2028",
        "\u2029",
        "\x00",
    ):
        pieces = tokenizer.encode(f"cat{separator}dog", "tgt")
        [[(text, _)]] = decode_hypotheses(
            ["x"], [[Hypothesis(pieces, -1.0, -1.0, True)]], tokenizer
        )
        assert text in ("cat dog", "catdog")
        assert len(text.splitlines()) == 1


@pytest.mark.medium
def test_a_translation_does_not_depend_on_the_other_lines(translator: Translator) -> None:
    lines = [*sentences(16, seed=3), "", *sentences(5, seed=3)]
    together = translator.translate(lines, **SHORT)
    assert together == [translator.translate(line, **SHORT) for line in lines]
    assert together == [
        each.text for each in translator.translate_stream(iter(lines), chunk_size=7, **SHORT)
    ]
    assert together[:5] == together[-5:]
    assert len(set(together)) > 10


def test_a_stream_reads_one_chunk_ahead(
    translator: Translator,
) -> None:
    read = []

    def endless():
        while True:
            read.append(None)
            yield "the cat sees"

    stream = translator.translate_stream(endless(), chunk_size=1)
    for count in (1, 2, 3):
        next(stream)
        assert len(read) == count
    stream = translator.translate_stream((f"{'x' * 100}" for _ in endless()), chunk_size=50, beam=1)
    before = len(read)
    next(stream)
    assert len(read) - before == 50


def test_chunks_are_limited_in_characters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_chunks, "MAX_CHUNK_CHARS", 10)
    assert list(line_chunks.split_into_chunks(["aaaa"] * 5 + ["b"], 4)) == [
        ["aaaa"] * 3,
        ["aaaa", "aaaa", "b"],
    ]


@pytest.mark.medium
def test_out_of_memory_halves_the_batch(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, warnings, sizes = sentences(40), [], []
    expected = translator.translate(lines, **SHORT)
    small = Translator(
        translator.models,
        translator.tokenizer,
        max_pieces=40,
        precision="fp32",
        batch_tokens=10_000,
        warn=warnings.append,
    )
    real = engine_module.search

    def limited(model, source, *rest):
        sizes.append(len(source))
        if len(source) > capacity:
            raise RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return real(model, source, *rest)

    monkeypatch.setattr(engine_module, "search", limited)
    capacity = 7
    assert small.translate(lines, **SHORT) == expected
    assert sizes[0] == 40 and sum(size for size in sizes if size <= 7) == 40
    assert warnings and all("--batch-tokens" in warning for warning in warnings)
    seen = len(warnings)
    assert small.translate(lines[:20], **SHORT) == expected[:20]
    assert len(warnings) == seen  # the lower budget is kept
    capacity = 0
    with pytest.raises(MTError, match="single sentence"):
        small.translate(lines[:1])

    def broken(*_):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(engine_module, "search", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        small.translate(lines)


@pytest.mark.medium
def test_an_ensemble_averages_probabilities_and_needs_one_vocabulary(
    run: Path, translator: Translator, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    other = save_run(tmp_path / "other", tokenizer, seed=1, encoder="rnn")
    lines = sentences(10)
    alone = [each.outputs[0] for each in translator.translate_nbest(lines, 1)]
    twice = [
        each.outputs[0]
        for each in mt.load([run, run], device="cpu", precision="fp32").translate_nbest(lines, 1)
    ]
    assert [o.text for o in twice] == [o.text for o in alone]
    assert [o.log_prob for o in twice] == pytest.approx([o.log_prob for o in alone], abs=1e-3)
    both = mt.load([run, other], device="cpu", precision="fp32")
    assert both.translate(lines) != [o.text for o in alone]
    one, two, mean = (
        torch.tensor([score.log_prob for score in each.score([("cat", "a"), ("dog", "")])])
        for each in (translator, mt.load(other, device="cpu", precision="fp32"), both)
    )
    assert mean[1] == pytest.approx(
        float(torch.stack([one[1], two[1]]).exp().mean().log()), abs=1e-4
    )  # "" is a single step: EOS
    lines = sentences(300, seed=9)
    foreign = Tokenizer.train(
        lambda: lines, lambda: lines, TokenizerConfig(type="bpe", vocab_size=320)
    )
    with pytest.raises(MTError, match="different vocabularies"):
        mt.load([run, save_run(tmp_path / "foreign", foreign)], device="cpu")
    with pytest.raises(UsageError):
        mt.load([])


def test_a_seed_makes_samples_reproducible(translator: Translator) -> None:
    lines = sentences(5)
    one, same, other = (translator.translate(lines, sample=True, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


def test_the_translation_of_a_long_line_is_that_of_its_parts(translator: Translator) -> None:
    line = "The cat sees the dog . The house is red . " * 6
    parts = ["The cat sees the dog .", "The house is red ."] * 6
    before = translator.counts["split"]
    assert translator.translate(line) == " ".join(translator.translate(parts))
    assert translator.counts["split"] == before + 1


INVISIBLE = ["\u200b", "\u200b \u2060", "\u200e\u200f", "\u3164", "\u2800", "\ufe0f", "\u034f"]


def test_lines_without_a_visible_character_stay_as_they_are(translator: Translator) -> None:
    lines = ["the cat", *INVISIBLE, "  \t", "\ufeff", "\u200b" * 500]
    normalised = [*INVISIBLE, "", "", "\u200b" * 500]
    counts = dict(translator.counts)
    translations = translator.translate_nbest(lines, 3)
    assert [each.text for each in translations[1:]] == normalised
    assert all(each.parts == [] for each in translations[1:])
    assert all(each.outputs[0].complete for each in translations[1:])
    assert {name: n for name, n in translator.counts.items() if n != counts.get(name, 0)} == {}
    # A visible character among them is translated.
    assert translator.translate("\u200bthe cat\u200b") not in ("", "\u200bthe cat\u200b")


def test_texts_without_a_visible_character_are_scored_and_aligned_as_blank(
    translator: Translator,
) -> None:
    inspector = mt.inspect(translator)
    for text in INVISIBLE:
        pairs, blank = [(text, "a dog"), ("a dog", text)], [("", "a dog"), ("a dog", "")]
        scores = [score.log_prob for score in translator.score(pairs)]
        assert scores == pytest.approx([score.log_prob for score in translator.score(blank)])
        assert inspector.align(pairs) == [Links(), Links()]
    translations = inspector.translate_stream(["the cat", *INVISIBLE], nbest=2, alignments=True)
    assert [each.outputs[0].links for each in translations][1:] == [Links()] * len(INVISIBLE)
    assert inspector.unaligned == 0
