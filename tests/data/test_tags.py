"""Tags in the vocabulary, and tagged texts."""

from __future__ import annotations

import pytest

from mt.config.schema import TokenizerConfig
from mt.data.tags import add_tag, check_tag, map_by_tag, split_tag
from mt.data.tokenizer import Tokenizer
from mt.errors import UsageError

# The tag is a frequent word of the text, so that SentencePiece learns a piece for it.
LINES = [f"the <news> of day {day} is <news> too" for day in range(300)]
TAGS = ["<news>", "<2de>", "a,b", "the"]


def trained(
    joint: bool = True, kind: str = "unigram", tags: list[str] = TAGS, size: int = 300
) -> Tokenizer:
    config = TokenizerConfig(type=kind, vocab_size=size, joint=joint, character_coverage=1.0)
    return Tokenizer.train(lambda: LINES, lambda: LINES, config, tags=tags)


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return trained(kind=request.param)


def test_a_tag_is_one_piece_and_the_text_is_that_without_it(tokenizer: Tokenizer) -> None:
    assert set(tokenizer.tags) == set(TAGS) and min(tokenizer.tags.values()) == 4
    for tag in TAGS:
        for text in ("the news of day 3", "", " <news>", "<2de>"):
            tagged, plain = add_tag(text, tag), tokenizer.encode(text)
            assert tokenizer.encode(tagged) == [tokenizer.tags[tag], *plain]
            assert tokenizer.decode(tokenizer.encode(tagged)) == text
            sampled = tokenizer.sample(tagged, "src", 0.2, 7)
            assert sampled == [tokenizer.tags[tag], *tokenizer.sample(text, "src", 0.2, 7)]
            assert split_tag(tagged) == (tag, text)


def test_text_that_looks_like_a_tag_is_text(tokenizer: Tokenizer) -> None:
    ids = set(tokenizer.tags.values())
    for text in ("<news> of", "the <2de>", "x\1<news>", "\1<news>\1", "\1\1<2de>\1 x"):
        raw = add_tag(text, "")
        assert not ids & set(tokenizer.encode(raw)) and split_tag(raw) == ("", raw)


def test_the_vocabulary_has_the_words_that_are_tags_too(tokenizer: Tokenizer) -> None:
    without = trained(kind=tokenizer.kind, tags=[], size=300 - len(TAGS))
    text = "the <news> of day 3"
    pieces = [each.pieces(each.encode(text)) for each in (tokenizer, without)]
    assert pieces[0] == pieces[1]


def test_many_texts_with_and_without_tags_are_encoded_as_single_ones(tokenizer: Tokenizer) -> None:
    texts = [add_tag(line, tag) for line, tag in zip(LINES, ["", *TAGS] * 3, strict=False)]
    assert tokenizer.encode_many(texts) == [tokenizer.encode(text) for text in texts]


def test_only_the_vocabulary_of_the_source_has_tags(tokenizer: Tokenizer) -> None:
    separate = trained(joint=False)
    assert set(separate.tags) == set(TAGS)
    assert separate.models["tgt"].processor.piece_to_id("\1<news>") == 1  # unknown
    assert not trained(tags=[]).tags


@pytest.mark.parametrize("tag", ["two words", "a\0b", "x" * 51, "a\tb", "a\u2028b"])
def test_a_tag_is_one_word(tag: str) -> None:
    with pytest.raises(UsageError, match=r"data\.train\.tag must be one word .* such as <news>"):
        check_tag(tag, "data.train.tag")


def test_a_tag_has_one_form() -> None:
    assert check_tag(" <2e\u0301> ", "x") == "<2\u00e9>" and check_tag(" ", "x") == ""


def test_rows_are_mapped_by_tag_in_their_order() -> None:
    calls = []

    def function(tag: str, rows: list[int]) -> list[str]:
        calls.append(tag)
        return [f"{tag}{row}" for row in rows]

    assert map_by_tag(["b", "", "b", "a"], function) == ["b0", "1", "b2", "a3"]
    assert calls == ["b", "", "a"] and map_by_tag([], function) == []
