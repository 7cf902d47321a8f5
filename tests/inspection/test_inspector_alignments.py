"""Word alignments of translations, in Python and from mt-translate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mt
from helpers.alignment_models import sentence_pairs, token_budget
from helpers.calls import call
from helpers.tiny_models import sentences
from mt.data.alignment_words import count_words
from mt.data.links import Links, format_links
from mt.data.sentences import SentenceSplitter
from mt.data.vocabulary import EOS
from mt.decoding.engines import engine as engine_module
from mt.decoding.search import Hypothesis
from mt.decoding.splitting import split_text
from mt.decoding.translator import Translator
from mt.inspection.alignments import link_pairs


@pytest.fixture
def translator(run: Path) -> Translator:
    """A translator of its own for each test, because translators count."""
    return mt.load(run, device="cpu", precision="fp32")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that returns the source, and the source twice as the second hypothesis."""

    def search(model, source, mask, options, generator, prefixes, before_step):
        rows = [[token for token in row if token > EOS] for row in source.tolist()]
        return [
            [Hypothesis(row * times, -times, -times, True) for times in (1, 2)[: options.nbest]]
            for row in rows
        ]

    monkeypatch.setattr(engine_module, "search", search)


def test_texts_are_cleaned_and_aligned_whatever_their_batch(translator: Translator) -> None:
    pairs = [*sentence_pairs(10), ("", ""), ("the cat", ""), (" the\tcat\0 ", "a  dog sees")]
    found = mt.inspect(translator).align(pairs)
    cleaned = [*pairs[:-1], ("the cat", "a  dog sees")]
    expected = link_pairs(translator.models, translator.tokenizer, cleaned, token_budget())
    assert found == [each.links for [each] in expected]
    assert found == [mt.inspect(translator).align([pair])[0] for pair in pairs]
    for (source, target), each in zip(cleaned, found, strict=True):
        assert sorted(j for _, j in each.sure) == [j for j in range(count_words(target)) if source]
        assert all(i < count_words(source) for i, _ in each.sure)
    assert translator.report() == ["lines with NUL characters (removed): 2"]
    inspector = mt.inspect(translator)
    assert (
        inspector.align([("a\u2581b", "the cat"), ("a b", "the cat")])[0] == Links()
    )  # U+2581 is a space to the tokenizer
    assert "without links" in inspector.report()[-1] and inspector.report()[-1].endswith(": 1")


def test_translations_carry_the_links_of_their_pairs(translator: Translator, echo: None) -> None:
    lines = [*sentences(12), "", "The  Dog"]
    assert all(
        output.links is None
        for each in translator.translate_nbest(lines, 2)
        for output in each.outputs
    )
    inspector = mt.inspect(translator)
    found = list(inspector.translate_stream(lines, nbest=2, alignments=True))
    assert found[0].outputs[1].text == f"{lines[0]} {lines[0]}"
    for each in found:
        assert [output.links for output in each.outputs] == mt.inspect(translator).align(
            [(each.source, output.text) for output in each.outputs]
        )
    assert found[12].outputs[0].links == Links()
    assert [
        each.outputs[0].links
        for each in mt.inspect(translator).translate_stream(lines, chunk_size=3, alignments=True)
    ] == [each.outputs[0].links for each in found]
    assert inspector.unaligned == 0


def test_real_searches_carry_links_too(translator: Translator) -> None:
    lines = sentences(10)
    inspector = mt.inspect(translator)
    plain, found = (
        list(inspector.translate_stream(lines, nbest=3, alignments=alignments))
        for alignments in (False, True)
    )
    assert [[o.text for o in each.outputs] for each in plain] == [
        [o.text for o in each.outputs] for each in found
    ]
    outputs = [(each.source, output) for each in found for output in each.outputs]
    for source, output in outputs:
        assert output.links is not None
        # Each word is linked once, unless the words of the output cannot be told.
        assert sorted(j for _, j in output.links.sure) in (
            [],
            list(range(count_words(output.text))),
        )
        assert all(i < count_words(source) for i, _ in output.links.sure)
    # An untrained model often writes bytes that spell control characters, which become spaces.
    assert sum(bool(output.links.sure) for _, output in outputs) > 5
    assert inspector.unaligned == sum(
        any(not output.links.sure for output in each.outputs) for each in found
    )


def test_links_of_split_lines_fit_the_whole_line(translator: Translator, echo: None) -> None:
    sentence = "The cat sees the dog , or the house is red . "
    line = (sentence + "A tree is not green . ") * 4
    parts = split_text(
        line.strip(),
        SentenceSplitter(),
        lambda text: len(translator.tokenizer.encode(text)),
        translator.max_pieces,
    )
    assert len(parts) == 8
    expected, at = set(), 0
    for part, each in zip(
        parts, mt.inspect(translator).align(zip(parts, parts, strict=True)), strict=True
    ):
        expected |= {(at + i, at + j) for i, j in each.sure}
        at += count_words(part)
    cut = "x" * 200  # one word, many parts
    inspector = mt.inspect(translator)
    found = [
        each.outputs[0]
        for each in inspector.translate_stream([cut, line, "the cat"], alignments=True)
    ]
    assert found[1].text == line.strip() and found[1].links == Links(frozenset(expected))
    assert sorted(j for _, j in expected) == list(range(count_words(line)))
    assert (
        found[0].links == Links()
        and found[2].links == mt.inspect(translator).align([("the cat", "the cat")])[0]
    )
    assert inspector.report()[-1].endswith("(such as a word that was split): 1")


@pytest.mark.medium
def test_mt_translate_prints_links_in_every_format(
    run: Path, translator: Translator, monkeypatch, capsys
) -> None:
    lines = [*sentences(3), "", "the  cat"]
    found = list(mt.inspect(translator).translate_stream(lines, nbest=2, alignments=True))
    best = [each.outputs[0] for each in found]
    data = "\n".join(lines).encode()
    flags = (run, "--device", "cpu", "--precision", "fp32", "--alignments")
    code, out, _ = call(monkeypatch, capsys, *flags, stdin=data)
    assert code == 0
    assert out == "".join(f"{output.text} ||| {format_links(output.links)}\n" for output in best)
    assert out.split("\n")[3] == " ||| "
    _, out, _ = call(monkeypatch, capsys, *flags, "--scores", "--stream", stdin=data)
    assert [line.partition("\t")[2] for line in out.split("\n")[:-1]] == [
        f"{o.text} ||| {format_links(o.links)}" for o in best
    ]
    _, out, _ = call(monkeypatch, capsys, *flags, "--nbest", "2", stdin=data)
    fields = [line.split(" ||| ") for line in out.split("\n")[:-1]]
    outputs = [(i, output) for i, each in enumerate(found) for output in each.outputs]
    expected = [(i, output.text, format_links(output.links)) for i, output in outputs]
    assert [(int(i), text, alignment) for i, text, _, alignment in fields] == expected
    _, out, _ = call(monkeypatch, capsys, *flags, "--nbest", "2", "--format", "jsonl", stdin=data)
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["alignment"] for record in records] == [
        format_links(output.links) for output in best
    ]
    assert [each["alignment"] for record in records for each in record["nbest"]] == [
        format_links(output.links) for _, output in outputs
    ]
    assert not any("links" in each for record in records for each in (record, *record["nbest"]))


def test_links_are_printed_only_on_request(run: Path, monkeypatch, capsys) -> None:
    _, out, _ = call(monkeypatch, capsys, run, "--device", "cpu", "the cat")
    assert "|||" not in out
    _, out, _ = call(monkeypatch, capsys, run, "--device", "cpu", "--format", "jsonl", "the cat")
    assert not {"alignment", "links"} & json.loads(out).keys()
    code, out, err = call(
        monkeypatch, capsys, run, "--score", "x", "--alignments", stdin=b"the cat"
    )
    assert (code, out) == (2, "") and "--alignments" in err
