"""Attention as alignment: the weights of models, links of translations, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import mt
from helpers.calls import call
from helpers.slow_merge import slow_merge
from helpers.tiny_models import sentences
from mt.config.schema import ModelConfig, RNNConfig, TransformerConfig
from mt.data.alignment_words import count_words
from mt.data.links import Links, format_links, parse_links
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS
from mt.decoding.engines import engine as engine_module
from mt.decoding.search import Hypothesis
from mt.decoding.splitting import split_text
from mt.decoding.token_budget import TokenBudget
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.inspection.alignments import PairLinks, argmax_links, join_links, link_pairs
from mt.inspection.pair_attention import PairAttention
from mt.inspection.teacher_forcing import attention_weights
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq

FAMILIES = [
    (encoder, decoder) for encoder in ("transformer", "rnn") for decoder in ("transformer", "rnn")
]


def links(text: str) -> Links:
    return parse_links(text)


def tiny(
    vocab: int, encoder: str = "transformer", decoder: str = "transformer", seed: int = 0
) -> Seq2Seq:
    torch.manual_seed(seed)
    config = ModelConfig(
        encoder=encoder,
        decoder=decoder,
        dim=16,
        tie_embeddings="none",
        transformer=TransformerConfig(encoder_layers=1, decoder_layers=3, heads=2, ff_dim=32),
        rnn=RNNConfig(hidden=16, attention_dim=16),
    )
    return build_model(config, vocab, vocab).eval()


def budget(tokens: int = 4096) -> TokenBudget:
    return TokenBudget(tokens, print)


def some_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    return list(zip(sentences(count, seed), sentences(count, seed + 1), strict=True))


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
@torch.no_grad()
def test_the_flag_of_a_decoder_is_what_its_query_reads(encoder: str, decoder: str) -> None:
    model = tiny(40, encoder, decoder)
    source = torch.randint(4, 40, (1, 6))
    one = torch.tensor([[BOS, 5, 6, 7, 8, 9]])
    other = one.clone()
    other[0, 3] = 20
    before, after = (
        model(source, source > 0, target, need_weights=True).attention["cross"]
        for target in (one, other)
    )
    changed = (before - after).abs().amax((0, 1, 2, 4)) > 1e-7  # [T]
    first = changed.tolist().index(True)
    assert first == (3 if model.decoder.query_reads_input else 4)
    assert model.decoder.query_reads_input == (decoder == "transformer")


@pytest.mark.parametrize(("encoder", "decoder"), FAMILIES)
def test_weights_of_pairs_alone_in_a_batch_and_in_small_batches(
    encoder: str, decoder: str, tokenizer: Tokenizer
) -> None:
    model = tiny(tokenizer.vocab_size(), encoder, decoder)
    pairs = [*some_pairs(12), ("the cat", ""), ("", "a dog"), ("", "")]
    together = attention_weights(model, tokenizer, pairs, budget())
    for pair, found in zip(pairs, together, strict=True):
        alone = attention_weights(model, tokenizer, [pair], budget())[0]
        source, target = (tokenizer.encode(text) for text in pair)
        layers, heads = (3, 2) if decoder == "transformer" else (1, 1)
        assert (
            found.cross.shape
            == alone.cross.shape
            == (layers, heads, len(target) + 1, len(source) + 1)
        )
        np.testing.assert_allclose(found.cross, alone.cross, atol=1e-6)
        np.testing.assert_allclose(found.cross.sum(-1), 1, atol=1e-5)
        assert (found.source_pieces, found.target_pieces) == (
            tokenizer.pieces(source),
            tokenizer.pieces(target),
        )
        assert found.word_weights().shape == (count_words(pair[1]), count_words(pair[0]))
    tokens = [(tokenizer.encode(source), tokenizer.encode(target)) for source, target in pairs]
    for small, found in zip(
        attention_weights(model, tokenizer, tokens, budget(40)), together, strict=True
    ):
        np.testing.assert_allclose(small.cross, found.cross, atol=1e-6)


def by_hand(
    weights: np.ndarray, source_words: list[int], target_words: list[int], reads: bool = True
) -> PairAttention:
    names = [["x"] * len(words) for words in (source_words, target_words)]
    return PairAttention(*names, source_words, target_words, weights, reads)


def test_the_readings_differ_by_one_row() -> None:
    weights = np.random.default_rng(0).random((3, 2, 5, 4), dtype=np.float32)
    pair = by_hand(weights, [0, 1, 2], [0, 1, 2, 3])
    output, shifted = (pair.word_weights(2, 1, reading) for reading in ("output", "input"))
    np.testing.assert_allclose(output, weights[2, 1, :4, :3])
    np.testing.assert_allclose(shifted, weights[2, 1, 1:, :3])
    np.testing.assert_allclose(shifted[:-1], output[1:])


def test_links_read_the_mean_of_heads_of_one_layer() -> None:
    random_numbers = np.random.default_rng(0)
    source_words, target_words = [0, 0, -1, 1], [0, 1, 1]
    for layers, chosen in ((6, 4), (2, 0), (1, 0)):
        weights = random_numbers.random((layers, 2, 4, 5), dtype=np.float32)
        for reads in (True, False):
            expected = slow_merge(weights[chosen].mean(0)[:3, :4], source_words, target_words)
            assert by_hand(
                weights, source_words, target_words, reads
            ).word_weights() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, None, "output"), "no layer 3.* has 3"),
        ((-1, None, "output"), "no layer -1"),
        ((0, 2, "output"), "no head 2.* has 2"),
        ((0, 0, "middle"), "output, input, got 'middle'"),
        ((0, 0, "input"), "use reading 'output'"),
    ],
)
def test_layers_and_heads_that_do_not_exist_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        by_hand(np.ones((3, 2, 3, 3), np.float32), [0, 1], [0, 1], reads=False).word_weights(
            *arguments
        )


def test_a_decoder_without_attention_aligns_nothing(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(
        encoder="rnn",
        decoder="rnn",
        dim=16,
        tie_embeddings="none",
        rnn=RNNConfig(hidden=16, attention="none"),
    )
    translator = Translator([build_model(config, *[tokenizer.vocab_size()] * 2).eval()], tokenizer)
    with pytest.raises(UsageError, match="no attention"):
        mt.inspect(translator).align([("the cat", "a dog")])
    monkeypatch.setattr(translator.engine, "search", None)  # it is told before the search
    with pytest.raises(UsageError, match="no attention"):
        list(mt.inspect(translator).translate_stream(["the cat"], alignments=True))


def test_several_models_link_by_their_mean(tokenizer: Tokenizer) -> None:
    pairs = some_pairs(15)
    members = [
        tiny(tokenizer.vocab_size(), "transformer", decoder, seed=1)
        for decoder in ("transformer", "rnn")
    ]
    weights = [
        [each.word_weights() for each in attention_weights(model, tokenizer, pairs, budget())]
        for model in members
    ]
    expected = [argmax_links((one + two) / 2) for one, two in zip(*weights, strict=True)]
    assert [each.links for each in link_pairs(members, tokenizer, pairs, budget())] == expected
    assert expected != [argmax_links(each) for each in weights[0]] and expected != [
        argmax_links(each) for each in weights[1]
    ]


def test_links_of_parts_count_through_the_line() -> None:
    parts = [
        PairLinks(links("0-1 1-0"), 3, 2),
        PairLinks(Links(), 1, 0),
        PairLinks(links("1-0"), 2, 1),
    ]
    assert join_links(parts, "a b c d  e f", "u v w") == links("0-1 1-0 5-2")
    assert join_links([], "", "") == Links()
    assert join_links(parts, "a b c d e", "u v w") is None
    assert join_links(parts, "a b c d e f", "u vw") is None


# Links of translations


@pytest.fixture
def translator(run: Path) -> Translator:
    return mt.load(run, device="cpu", precision="fp32")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search whose best hypothesis is the source itself, and whose second is the source twice."""

    def search(model, source, mask, options, generator):
        rows = [[token for token in row if token > EOS] for row in source.tolist()]
        return [
            [Hypothesis(row * times, -times, -times, True) for times in (1, 2)[: options.nbest]]
            for row in rows
        ]

    monkeypatch.setattr(engine_module, "search", search)


def test_texts_are_cleaned_and_aligned_whatever_their_batch(translator: Translator) -> None:
    pairs = [*some_pairs(10), ("", ""), ("the cat", ""), (" the\tcat\0 ", "a  dog sees")]
    found = mt.inspect(translator).align(pairs)
    cleaned = [*pairs[:-1], ("the cat", "a  dog sees")]
    expected = link_pairs(translator.models, translator.tokenizer, cleaned, budget())
    assert found == [each.links for each in expected]
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
        line.strip(), lambda text: len(translator.tokenizer.encode(text)), translator.max_pieces
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


# The command


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


def test_no_links_unless_asked_for(run: Path, monkeypatch, capsys) -> None:
    _, out, _ = call(monkeypatch, capsys, run, "--device", "cpu", "the cat")
    assert "|||" not in out
    _, out, _ = call(monkeypatch, capsys, run, "--device", "cpu", "--format", "jsonl", "the cat")
    assert not {"alignment", "links"} & json.loads(out).keys()
    code, out, err = call(
        monkeypatch, capsys, run, "--score", "x", "--alignments", stdin=b"the cat"
    )
    assert (code, out) == (2, "") and "--alignments" in err
