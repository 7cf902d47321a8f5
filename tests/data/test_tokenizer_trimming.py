"""Trimmed tokenizers segment the text that they were trimmed for as before, piece by piece."""

from __future__ import annotations

import functools
import random

import pytest

from helpers.hub_models import ODD_LINES, SOURCE_WORDS, TARGET_WORDS, lines, pieces_of, train_spm
from helpers.training_runs import short_pairs
from mt.config.schema import TokenizerConfig
from mt.data.sentencepiece_proto import NORMAL, ORDINARY, Model
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_trimming import needed_pieces, trim_tokenizer
from mt.data.vocabulary import Vocabulary

SETTINGS = {"symbols": ["<br>", "C++"], "placeholders": ["url"]}
SPECIALS = ["<pad>", "<unk>", "<s>", "</s>"]
USER_DEFINED = 4  # type of a piece


def corpus() -> tuple[list[str], list[str]]:
    pairs = short_pairs("train", 400)
    return [pair.source for pair in pairs], [pair.target for pair in pairs]


@functools.cache
def trained(kind: str, joint: bool) -> Tokenizer:
    source, target = corpus()
    marked = [line.replace(" ", " <br> ", 1) for line in source[:40]]
    config = TokenizerConfig(type=kind, joint=joint, vocab_size=700, **SETTINGS)
    return Tokenizer.train(
        lambda: source + marked, lambda: target, config, tags=["<news>", "<2de>"]
    )


@functools.cache
def pretrained(kind: str, joint: bool) -> Tokenizer:
    """Return a tokenizer with the layout of MarianMT."""
    models = [
        train_spm([*words, *"abcdefghij"], 75, model_type=kind)
        for words in (SOURCE_WORDS, TARGET_WORDS)
    ]
    groups = [set(pieces_of(model)) for model in models]
    groups = [groups[0] | groups[1]] if joint else groups
    vocabularies = [
        Vocabulary([*SPECIALS, *sorted(group - {*SPECIALS}), ">>fra<<"]) for group in groups
    ]
    return Tokenizer(*models, vocabularies=vocabularies)


def trim(tokenizer: Tokenizer, texts: dict[str, list[str]]) -> tuple[Tokenizer, dict]:
    mark = tokenizer.symbols.mark
    needed = {
        side: needed_pieces(tokenizer.models[side], [list(map(mark, chunk)), []])
        for side, chunk in texts.items()
    }
    return trim_tokenizer(tokenizer, needed)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("make", [trained, pretrained])
def test_the_text_has_the_pieces_that_it_had(make, kind: str, joint: bool) -> None:
    tokenizer = make(kind, joint)
    if make is trained:
        sources, targets = corpus()
    else:
        sources, targets = lines(60, SOURCE_WORDS[:6]), lines(60, TARGET_WORDS[:6])
    odd = [*ODD_LINES, "a <br> b https://a.org/x C++", ">>fra<< the cat"]
    for seed in range(4):
        choose = random.Random(seed)
        texts = {
            "src": [*choose.sample(sources, 12), *choose.sample(odd, 8)],
            "tgt": [*choose.sample(targets, 12), *choose.sample(odd, 3)],
        }
        small, rows = trim(tokenizer, texts)
        for side, chunk in texts.items():
            before, after = tokenizer.encode_many(chunk, side), small.encode_many(chunk, side)
            assert [[rows[side][i] for i in row] for row in after] == before
            assert small.decode_many(after, side) == tokenizer.decode_many(before, side)
            kept = [tokenizer.models[side].piece(i) for i in rows[side]]
            assert small.pieces(range(small.vocab_size(side)), side) == kept
            assert rows[side][:4] == [0, 1, 2, 3] and len(kept) < tokenizer.vocab_size(side)
            assert small.models[side].tags.keys() == tokenizer.models[side].tags.keys()
        assert (small.joint, small.kind) == (tokenizer.joint, tokenizer.kind)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_other_text_is_spelled_and_tags_and_symbols_stay(kind: str) -> None:
    tokenizer = trained(kind, True)
    sources, targets = corpus()
    small, _ = trim(tokenizer, {"src": sources[:5], "tgt": targets[:5]})
    for text in [*sources[50:80], "☃ <br>C++ https://b.org", *ODD_LINES]:
        ids = small.encode(text)
        contents = small.symbols.contents(text)
        assert small.decode(ids, "src", contents) == text.replace("\u2581", " ")
    assert small.pieces(small.encode(add_tag("a", "<2de>")))[0] == "\x01<2de>"
    assert len(small.encode("<br>C++")) <= 3


def test_characters_of_the_text_are_not_spelled_in_bytes() -> None:
    """Words of the same characters are no longer pieces, and their characters still are."""
    tokenizer = trained("unigram", True)
    word = max(tokenizer.pieces(range(264, 400)), key=len)
    small, _ = trim(tokenizer, {"src": [word.strip("▁")], "tgt": ["a"]})
    backwards = small.pieces(small.encode(word.strip("▁")[::-1]))
    assert len(word) > 4 and not any(piece.startswith("<0x") for piece in backwards)


def test_the_cost_of_unknown_characters_stays() -> None:
    """It follows from the lowest score, here that of a piece which the text does not have."""
    model = Model.FromString(trained("unigram", True).contents[0])
    fixed = [each for each in model.pieces if each.type not in (*ORDINARY, USER_DEFINED)]
    del model.pieces[:]
    model.pieces.extend(fixed)
    for piece, score in {
        "▁": -1.5,
        "xy": -5,
        "z": -5,
        "w": -5,
        "v": -5,
        "yzwv": -1,
        "q": -12,
    }.items():
        model.pieces.add(piece=piece, score=score, type=NORMAL)
    tokenizer = Tokenizer(model.SerializeToString())
    small, _ = trim(tokenizer, {"src": ["xyzwv", "yzwv"], "tgt": ["z"]})
    for each in (tokenizer, small):
        assert each.pieces(each.encode("xyzwv")) == ["▁", "xy", "z", "w", "v"]
