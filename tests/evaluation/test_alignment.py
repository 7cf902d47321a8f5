"""Alignment error rates, links from weights, and merging of pieces to words."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import numpy as np
import pytest

from helpers.slow_merge import slow_merge
from helpers.tiny_models import sentences
from mt.config.schema import TokenizerConfig
from mt.data.alignment_words import count_words, piece_words
from mt.data.links import Links, format_links, parse_links, read_links
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.errors import MTError
from mt.evaluation.alignment import score_alignments
from mt.inspection.alignments import argmax_links, threshold_links
from mt.inspection.piece_merging import merge_pieces

FAMILIES = [
    (encoder, decoder) for encoder in ("transformer", "rnn") for decoder in ("transformer", "rnn")
]


def links(text: str) -> Links:
    return parse_links(text)


# Links and their scores


def test_the_pharaoh_format_comes_back() -> None:
    found = parse_links(" 10-2 0-0\t1p2 1-2 \n")
    assert found.sure == {(10, 2), (0, 0), (1, 2)} and found.possible == found.sure
    assert parse_links("0-0 1p2").possible == {(0, 0), (1, 2)} and parse_links("0-0 1p2").sure == {
        (0, 0)
    }
    assert format_links(parse_links("10-2 0-1 0p0 2-10")) == "0p0 0-1 2-10 10-2"
    assert parse_links("") == Links() and format_links(Links()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "0-0 1:1",
        "1-",
        "-1-0",
        "0--1",
        "1-1-1",
        "0p",
        "a-b",
        "0-0,1-1",
        f"{'9' * 5000}-0",
        "\u0661-\u0661",
    ],
)
def test_bad_links_name_text_file_and_line(text: str, tmp_path: Path) -> None:
    bad = text.split()[-1][:40]
    with pytest.raises(MTError) as error:
        parse_links(text)
    assert repr(bad) in str(error.value) and text[:80] in str(error.value)
    path = tmp_path / "gold.gz"
    path.write_bytes(gzip.compress(f"0-0\n\n{text}\n".encode()))
    with pytest.raises(MTError, match=r"gold\.gz, line 3: "):
        read_links(path)
    path.write_bytes(gzip.compress(b"0-0\n\n1p1 2-2\n"))
    assert read_links(path) == [links("0-0"), Links(), links("1p1 2-2")]


def test_precision_recall_and_error_rate_equal_those_by_hand() -> None:
    # Och and Ney: A = 4 links, S = 3, two of them found; three of A are possible.
    score = score_alignments([links("0-0 1-1 2-1 3-3")], [links("0-0 1-1 2-2 2p1")])
    assert (score.precision, score.recall) == pytest.approx((75, 200 / 3))
    assert score.aer == pytest.approx(100 * (1 - (2 + 3) / (4 + 3)))
    assert (score.links, score.sentences) == (4, 1)
    # Counted over the corpus, which is not the mean of the sentences (0 and 100).
    score = score_alignments(
        [links("0-0 1-1 2-2"), links("0-1")], [links("0-0 1-1 2-2"), links("0-0")]
    )
    assert score.aer == pytest.approx(25)
    assert score_alignments([Links()], [links("0-0")]).aer == 100


def test_unequal_numbers_of_lines_and_no_sure_link_are_refused() -> None:
    with pytest.raises(MTError, match="2 lines of alignments but 3 of gold"):
        score_alignments([Links()] * 2, [links("0-0")] * 3)
    for golds in ([], [links("0p0")]):
        with pytest.raises(MTError, match="no sure link"):
            score_alignments(golds, golds)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("system", "published"),
    [
        ("fastalign.enfr", 16.39),
        ("fastalign.enfr.reverse", 15.89),
        ("fastalign.enfr.grow-diagonal-final", 12.09),
        ("giza.enfr", 7.99),
        ("giza.enfr.grow-diagonal-final", 6.16),
        ("enfr.awesome-align.out", 4.07),
    ],
)
def test_error_rates_of_hansards_equal_the_published_ones(
    realdata: Path, system: str, published: float
) -> None:
    golds = read_links(realdata / "goldalign" / "enfr.gold.gz")
    found = read_links(realdata / "goldalign" / "systems" / f"{system}.gz")
    if system.endswith("reverse"):
        found = [
            Links(frozenset((source, target) for target, source in each.sure)) for each in found
        ]
    score = score_alignments(found, golds)
    assert (len(golds), score.sentences) == (447, 447)
    assert score.aer == pytest.approx(published, abs=0.006)


def test_links_go_to_the_largest_weight_or_those_above_a_threshold() -> None:
    weights = np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [0.0, 0.1, 0.2]])
    assert argmax_links(weights) == links("1-0 0-1 2-3")  # target word 2 has no weight: no link
    assert threshold_links(weights, 0.3) == links("1-0 0-1 2-1")
    assert threshold_links(weights, 0) == links("0-0 1-0 2-0 0-1 2-1 1-3 2-3")
    for shape in ((0, 3), (3, 0)):
        assert argmax_links(np.zeros(shape)) == threshold_links(np.zeros(shape), 0.5) == Links()


# Pieces and words


def test_merging_equals_a_slow_loop() -> None:
    weights = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    assert merge_pieces(weights, [0, 0, -1], [0, 1, 1]) == pytest.approx(np.array([[0.3], [0.8]]))
    random_numbers = np.random.default_rng(0)
    for _ in range(50):
        size = random_numbers.integers(0, 9, 2)
        weights = random_numbers.random((2, 3, *size), dtype=np.float32)
        target_words, source_words = (
            sorted(random_numbers.integers(-1, 5, length).tolist()) for length in size
        )
        merged = merge_pieces(weights, source_words, target_words)
        assert merged.dtype == np.float32 and merged.shape[:2] == (2, 3)
        for layer, head in np.ndindex(2, 3):
            expected = slow_merge(weights[layer, head], source_words, target_words)
            assert merged[layer, head].shape == expected.shape
            assert merged[layer, head] == pytest.approx(expected, abs=1e-5)


def test_merging_needs_a_word_for_each_piece() -> None:
    with pytest.raises(MTError, match="4 source pieces, but there are 3 indices"):
        merge_pieces(np.zeros((2, 4)), [0, 1, 2], [0, 1])
    with pytest.raises(MTError, match="2 target pieces, but there are 3 indices"):
        merge_pieces(np.zeros((2, 4)), [0, 1, 2, 3], [0, 1, 1])


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ("▁the ▁cat s", [0, 1, 1]),
        ("the ▁cat", [0, 1]),  # a model may begin without a space
        ("▁ <0x54> he ▁dog", [0, 0, 0, 1]),
        ("▁a ▁ ▁ ▁cat ▁ x", [0, -1, -1, 1, 2, 2]),
        ("▁a ▁▁ b ▁", [0, 1, 1, -1]),
        ("▁a <0xC3> <0x84> ▁", [0, 0, 0, -1]),
        ("\x01de the ▁cat", [-1, 0, 1]),
        ("▁", [-1]),
        ("", []),
    ],
)
def test_a_piece_belongs_to_the_word_that_it_is_part_of(pieces: str, words: list[int]) -> None:
    assert piece_words(pieces.split()) == words


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def any_tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    lines, size = sentences(300), {"bpe": 330, "unigram": 290}[request.param]
    return Tokenizer.train(
        lambda: lines, lambda: lines, TokenizerConfig(type=request.param, vocab_size=size)
    )


def test_pieces_of_a_word_spell_it(any_tokenizer: Tokenizer) -> None:
    choose = random.Random(0)
    for _ in range(200):
        text = "".join(choose.choices("aecth  é猫.T\u00a0", k=choose.randint(1, 30))).strip()
        ids = any_tokenizer.encode(text)
        words = piece_words(any_tokenizer.pieces(ids))
        groups = [
            [i for i, of in zip(ids, words, strict=True) if of == word]
            for word in range(max(words, default=-1) + 1)
        ]
        spelled = any_tokenizer.decode_many(groups)
        assert spelled == [word for word in text.split(" ") if word]
        assert len(spelled) == count_words(text)


def test_words_of_any_output_are_those_of_its_pieces(any_tokenizer: Tokenizer) -> None:
    # All but bytes that can spell a control character or another blank, which the text rule would
    # take out.
    blanks = {f"<0x{byte:02X}>" for byte in (*range(0x21), 0x7F, 0xC2, 0xE1, 0xE2, 0xE3, 0xEF)}
    choices = [
        i
        for i in range(EOS + 1, any_tokenizer.vocab_size())
        if any_tokenizer.pieces([i])[0] not in blanks
    ]
    choose = random.Random(0)
    for _ in range(300):
        ids = choose.choices(choices, k=choose.randint(0, 20))
        assert (
            count_words(any_tokenizer.decode(ids))
            == max(piece_words(any_tokenizer.pieces(ids)), default=-1) + 1
        )
