"""Extended tokenizers: old pieces stay, new ones shorten the text that they were learned from."""

from __future__ import annotations

import functools
from itertools import pairwise

import pytest

from helpers.hub_models import SOURCE_WORDS, TARGET_WORDS, lines, pieces_of, train_spm
from helpers.training_runs import short_pairs
from mt.config.schema import TokenizerConfig
from mt.data.sentencepiece_proto import ordinary_scores
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_extension import extend_tokenizer, replaced_pieces
from mt.data.vocabulary import Vocabulary
from mt.errors import MTError

NEW = 14
SPECIALS = ["<pad>", "<unk>", "<s>", "</s>"]
# Long words and two characters that the old vocabularies do not have.
WORDS = {
    "src": "the dogcat redhouse undertree жук housedog ♥ greencat".split(),
    "tgt": "der Hundehaus Katzenbaum жук Baumhaus ♥ grünkatze".split(),
}
TEXT = {side: lines(80, words, seed=4) for side, words in WORDS.items()}


@functools.cache
def old(layout: str, kind: str, joint: bool) -> Tokenizer:
    if layout == "mt":
        pairs = short_pairs("train", 300)
        return Tokenizer.train(
            lambda: [pair.source for pair in pairs],
            lambda: [pair.target for pair in pairs],
            TokenizerConfig(type=kind, joint=joint, vocab_size=420, symbols=["<br>"]),
            tags=["<news>"],
        )
    models = [train_spm(words, 75, model_type=kind) for words in (SOURCE_WORDS, TARGET_WORDS)]
    groups = [set(pieces_of(model)) for model in models]
    groups = [groups[0] | groups[1]] if joint else groups
    vocabularies = [Vocabulary([*SPECIALS, *sorted(group - {*SPECIALS})]) for group in groups]
    return Tokenizer(*models, vocabularies=vocabularies)


@functools.cache
def extended(layout: str, kind: str, joint: bool) -> Tokenizer:
    config = TokenizerConfig(extend=NEW)
    text = {side: (lambda side=side: TEXT[side]) for side in TEXT}
    return extend_tokenizer(old(layout, kind, joint), text, config, ["<x>", "<news>", ""])


def known_characters(tokenizer: Tokenizer) -> set[str]:
    """Return the characters that are pieces on both sides."""
    return set.intersection(*(set(ordinary_scores(content)) for content in tokenizer.contents))


CASES = [
    (layout, kind, joint)
    for layout in ("mt", "pretrained")
    for kind in ("unigram", "bpe")
    for joint in (True, False)
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_old_pieces_stay_and_new_ones_shorten_the_text(case) -> None:
    before, after = old(*case), extended(*case)
    assert (after.joint, after.kind) == (before.joint, before.kind)
    for one, other in zip(before.contents, after.contents, strict=True):
        known, scores = ordinary_scores(one), ordinary_scores(other)
        assert {piece: scores[piece] for piece in known} == known
        new = [piece for piece in scores if piece not in known]
        if before.kind == "bpe":  # ranks after all others
            assert [scores[piece] for piece in new] == [
                min(known.values()) - i for i in range(1, NEW + 1)
            ]
    if case == ("mt", "unigram", True):  # a new piece is better than what it replaces
        size = before.vocab_size()
        rows = replaced_pieces(before, after, "src")
        for piece, ids in zip(after.pieces(range(size, size + NEW)), rows, strict=False):
            parts = before.pieces(ids)
            if "".join(parts) == piece:
                assert scores[piece] > sum(known[part] for part in parts)
    for side in ("src", "tgt"):
        size = before.vocab_size(side)
        new_tags = case[0] == "mt" and (side == "src" or before.joint)
        assert after.vocab_size(side) == size + NEW + new_tags
        pieces = after.pieces(range(size), side)
        assert pieces == before.pieces(range(size), side)
        new = after.pieces(range(size, size + NEW), side)
        assert {"ж", "♥"} <= set(new) and not set(new) & set(pieces)
        rows = [each.encode_many(TEXT[side], side) for each in (before, after)]
        assert sum(map(len, rows[1])) < 0.85 * sum(map(len, rows[0]))
        assert after.decode_many(rows[1], side) == TEXT[side]
        used = {i for row in rows[1] for i in row if i >= size}
        assert len(used) >= (3 if before.joint else 6)


@pytest.mark.parametrize("case", [case for case in CASES if case[1] == "bpe"], ids=str)
def test_new_merges_of_bpe_follow_the_old_segmentation(case) -> None:
    """Against repeated merges of the new piece of the lowest rank in the old segmentation."""
    before, after = old(*case), extended(*case)
    for side in ("src", "tgt"):
        size = before.vocab_size(side)
        ranks = {piece: i for i, piece in enumerate(after.pieces(range(size, size + NEW), side))}
        for word in filter(known_characters(before).issuperset, WORDS[side]):
            parts = before.pieces(before.encode(word, side), side)
            while any(a + b in ranks for a, b in pairwise(parts)):
                names = [a + b for a, b in pairwise(parts)]
                place = min(range(len(names)), key=lambda i: (ranks.get(names[i], NEW), i))
                parts[place : place + 2] = [names[place]]
            assert after.pieces(after.encode(word, side), side) == parts


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_piece_replaces_its_old_segmentation(case) -> None:
    before, after = old(*case), extended(*case)
    characters = known_characters(before)
    for side in ("src", "tgt"):
        size = before.vocab_size(side)
        rows = replaced_pieces(before, after, side)
        new = after.pieces(range(size, after.vocab_size(side)), side)
        assert len(rows) == len(new)
        for piece, ids in zip(new, rows, strict=True):
            if piece == "\x01<x>":
                assert ids == list(before.tags.values())
            elif piece not in characters and len(piece) == 1:
                assert len(ids) > 1 if case[0] == "mt" else not ids  # bytes, or unknown
            elif characters.issuperset(piece):
                assert "".join(before.pieces(ids, side)) == piece
                if piece.startswith("▁"):
                    assert ids == before.encode(piece[1:], side)


def test_a_new_tag_is_one_piece_and_old_ones_keep_theirs() -> None:
    before, after = old("mt", "unigram", True), extended("mt", "unigram", True)
    assert after.tags == {**before.tags, "<x>": before.vocab_size() + NEW}
    assert after.encode(add_tag("the", "<x>"))[0] == after.tags["<x>"]
    assert after.pieces(after.encode("<br>"))[-1] == "\x03<br>\x03"


def test_too_many_pieces_are_refused_with_the_number_that_there_are() -> None:
    tokenizer = old("mt", "bpe", True)
    text = {side: (lambda: ["жук жук the"]) for side in ("src", "tgt")}
    with pytest.raises(
        MTError, match="extend=900 is too large: .* set data.tokenizer.extend="
    ) as e:
        extend_tokenizer(tokenizer, text, TokenizerConfig(extend=900))
    most = int(str(e.value).split("extend=")[-1].split()[0])
    larger = extend_tokenizer(tokenizer, text, TokenizerConfig(extend=most))
    assert larger.pieces(larger.encode("жук")) == ["▁жук"]
