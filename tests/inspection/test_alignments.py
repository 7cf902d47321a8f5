"""Word alignments of pairs and of the parts of a line."""

from __future__ import annotations

import pytest

import mt
from helpers.alignment_models import sentence_pairs, three_layer_model, token_budget
from mt.config.schema import ModelConfig, RNNConfig
from mt.data.links import Links, format_links, parse_links
from mt.data.tokenizer import Tokenizer
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.inspection.alignments import (
    LayerReading,
    PairLinks,
    argmax_links,
    join_links,
    link_pairs,
)
from mt.inspection.teacher_forcing import attention_weights
from mt.models.build import build_model


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
    pairs = sentence_pairs(15)
    members = [
        three_layer_model(tokenizer.vocab_size(), "transformer", decoder, seed=1)
        for decoder in ("transformer", "rnn")
    ]
    weights = [
        [each.word_weights() for each in attention_weights(model, tokenizer, pairs, token_budget())]
        for model in members
    ]
    expected = [argmax_links((one + two) / 2) for one, two in zip(*weights, strict=True)]
    linked = link_pairs(members, tokenizer, pairs, token_budget())
    assert [each.links for [each] in linked] == expected
    assert expected != [argmax_links(each) for each in weights[0]] and expected != [
        argmax_links(each) for each in weights[1]
    ]


@pytest.mark.parametrize("decoder", ["transformer", "rnn"])
def test_links_of_all_layers_and_readings_come_from_one_pass(
    tokenizer: Tokenizer, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = three_layer_model(tokenizer.vocab_size(), "transformer", decoder, seed=1)
    inspector = mt.inspect(Translator([model], tokenizer))
    pairs = [*sentence_pairs(12), ("", "a dog"), ("the cat", ""), ("a\u2581b", "the cat")]
    layers = range(3) if decoder == "transformer" else range(1)
    readings = ["output", "input"] if decoder == "transformer" else ["output"]  # Bahdanau's
    names = [LayerReading(layer, reading) for layer in layers for reading in readings]
    assert inspector.layer_readings() == names
    steps: list[int] = []
    model.register_forward_hook(lambda *_: steps.append(1))
    inspector.align(pairs)
    passes = len(steps)
    found = inspector.align_layers(pairs, names)
    assert len(steps) == 2 * passes
    assert inspector.unaligned == 2  # the last pair, once a call
    assert list(found) == names
    default = LayerReading(1 if decoder == "transformer" else 0, "output")
    assert found[default] == inspector.align(pairs)
    attention = inspector.attention(pairs[:-1])
    for layer, reading in names:
        links = [argmax_links(pair.word_weights(layer, reading=reading)) for pair in attention]
        assert found[LayerReading(layer, reading)] == [*links, Links()]
    assert len({tuple(map(format_links, links)) for links in found.values()}) == len(names)


def test_links_of_parts_count_through_the_line() -> None:
    parts = [
        PairLinks(parse_links("0-1 1-0"), 3, 2),
        PairLinks(Links(), 1, 0),
        PairLinks(parse_links("1-0"), 2, 1),
    ]
    assert join_links(parts, "a b c d  e f", "u v w") == parse_links("0-1 1-0 5-2")
    assert join_links([], "", "") == Links()
    assert join_links(parts, "a b c d e", "u v w") is None
    assert join_links(parts, "a b c d e f", "u vw") is None
