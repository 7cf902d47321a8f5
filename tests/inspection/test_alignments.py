"""Word alignments of pairs and of the parts of a line."""

from __future__ import annotations

import pytest

import mt
from helpers.alignment_models import sentence_pairs, three_layer_model, token_budget
from mt.config.schema import ModelConfig, RNNConfig
from mt.data.links import Links, parse_links
from mt.data.tokenizer import Tokenizer
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.inspection.alignments import PairLinks, argmax_links, join_links, link_pairs
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
    assert [
        each.links for each in link_pairs(members, tokenizer, pairs, token_budget())
    ] == expected
    assert expected != [argmax_links(each) for each in weights[0]] and expected != [
        argmax_links(each) for each in weights[1]
    ]


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
