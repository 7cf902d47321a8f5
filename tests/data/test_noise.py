"""Noise: what it changes, what it keeps, and that it depends on seed, epoch and row alone."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny_models import sentences
from mt.config.compose import load_config
from mt.config.placeholders import placeholder_patterns
from mt.config.schema import DataConfig, NoiseConfig, SplitConfig, TokenizerConfig
from mt.data.batch_order import BatchOrder
from mt.data.cache_key import cache_key
from mt.data.collate import collate
from mt.data.corpus import load_corpus
from mt.data.noise import MODIFICATIONS, Noise, modify_text, typing_errors
from mt.data.normalisation import normalise
from mt.data.prepare import prepare
from mt.data.segmenter import Segmenter
from mt.data.symbols import Symbols
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.errors import UsageError

SYMBOLS = Symbols(["C++"], placeholder_patterns(["all"]))
SOURCE, TARGET = 'Don\'t see "3.5 dogs", in C++ <b>!', "Sieh nicht."


def modify(name: str, text: str, seed: int = 1) -> str:
    return modify_text(MODIFICATIONS[name].modify, text, SYMBOLS, random.Random(seed))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("upper", 'DON\'T SEE "3.5 DOGS", IN C++ <b>!'),
        ("title", 'Don\'t See "3.5 Dogs", In C++ <b>!'),
        ("lower", 'don\'t see "3.5 dogs", in C++ <b>!'),
        ("punctuation", "Don't see 3.5 dogs in C++ <b>"),
    ],
)
def test_modifications_keep_symbols_placeholders_and_tags(name: str, expected: str) -> None:
    assert modify(name, SOURCE) == expected
    assert modify(name, add_tag(SOURCE, "<news>")) == add_tag(expected, "<news>")
    assert modify(name, expected) == expected


def test_other_alphabets_and_texts_of_which_nothing_would_be_left() -> None:
    assert modify("upper", "straße ῖ") == normalise("STRASSE Ι͂")
    assert modify("punctuation", "¿Qué? 「はい」。 l’eau") == "Qué はい l’eau"
    assert modify("punctuation", "...") == "..." and modify("upper", "") == ""


def test_a_tenth_of_the_words_has_one_typing_error() -> None:
    words = ["abcdef", "ghijkl", "mnopqr", "stuvwx"] * 10
    for seed in range(100):
        found = typing_errors(" ".join(words), random.Random(seed)).split()
        assert len(found) == len(words)
        wrong = [(a, b) for a, b in zip(words, found, strict=True) if a != b]
        assert 2 <= len(wrong) <= 4  # a letter may be replaced by itself
        for word, error in wrong:
            assert error[0] == word[0] and abs(len(error) - len(word)) <= 1
            swapped = sorted(error) == sorted(word)
            letters = Counter(word), Counter(error)
            assert swapped or (letters[0] - letters[1]).total() <= 1
    kinds = {typing_errors("abcdef", random.Random(seed)) for seed in range(300)}
    assert {"abdcef", "abdef", "abccdef"} <= kinds
    assert typing_errors("a bc def", random.Random(1)) == "a bc def"


@settings(max_examples=200)
@given(
    parts=st.lists(
        st.sampled_from(["{0}", "<b>", "C++", "word", " ", "Straße", ". ", "don't", "http://a.b"])
        | st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
        max_size=10,
    ),
    name=st.sampled_from(list(MODIFICATIONS)),
)
def test_modified_text_is_normalised_and_has_the_same_placeholders(
    parts: list[str], name: str
) -> None:
    text = normalise(" ".join(parts))
    modified = modify(name, text)
    # Upper case may be compatible text of another form, and U+0345 moves.
    assert modified == unicodedata.normalize("NFC", modified).strip()
    before = [p for p in ("{0}", "<b>", "C++", "http://a.b") if f" {p} " in f" {text} "]
    assert all(p in modified for p in before)


def test_the_shares_are_those_of_the_settings_and_case_changes_both_sides() -> None:
    config = NoiseConfig(upper=0.1, title=0.1, lower=0.1, typos=0.1, punctuation=0.1, copy=0.1)
    noise = Noise(config, SYMBOLS)
    draw = random.Random(1)
    names = Counter(noise.choose(draw) for _ in range(10_000))
    for name in asdict(config):
        assert 800 < names[name] < 1200
    for name in asdict(config):
        only = Noise(NoiseConfig(**{name: 1.0}), SYMBOLS)
        source, target = only("The cat sees a dog.", "Die Katze sieht, ja.", random.Random(3))
        assert source != "The cat sees a dog."
        assert (target != "Die Katze sieht, ja.") == (name in ("upper", "title", "copy"))
    assert not Noise(NoiseConfig(), SYMBOLS)


def test_a_copied_word_is_at_the_same_end_of_both_sides_and_after_the_tag() -> None:
    noise = Noise(NoiseConfig(copy=1.0), SYMBOLS)
    ends = set()
    for seed in range(20):
        source, target = noise(add_tag("a b", "<x>"), "c", random.Random(seed))
        words, others = source.removeprefix(add_tag("", "<x>")).split(), target.split()
        first = words[0] == others[0]
        assert (
            (words[1:], others[1:]) == (["a", "b"], ["c"])
            if first
            else ((words[:-1], others[:-1]) == (["a", "b"], ["c"]) and words[-1] == others[-1])
        )
        ends.add(first)
    assert ends == {True, False}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    lines = [*sentences(300), *(line.upper() for line in sentences(100))]
    return Tokenizer.train(lambda: lines, lambda: lines, TokenizerConfig(max_vocab_size=400))


def test_noise_depends_on_seed_epoch_and_row_alone(tokenizer: Tokenizer) -> None:
    noise = Noise(NoiseConfig(upper=0.3, typos=0.3), tokenizer.symbols)

    def draw(row: int, epoch: int = 0, seed: int = 1, alpha: float = 0.0) -> tuple[str, str]:
        segment = Segmenter(tokenizer, alpha, seed, epoch, 200, noise)
        ids = segment("the house under a tree", "the cat sees", row, (200, 200))
        return tokenizer.decode(ids[0], "src"), tokenizer.decode(ids[1], "tgt")

    first = [draw(row) for row in range(200)]
    assert first == [draw(row) for row in reversed(range(200))][::-1]
    # Sampled pieces spell the same text.
    assert first == [draw(row, alpha=0.3) for row in range(200)]
    assert first != [draw(row, epoch=1) for row in range(200)]
    assert first != [draw(row, seed=2) for row in range(200)]
    kinds = Counter(
        "upper" if s.isupper() else "typos" if s != "the house under a tree" else "plain"
        for s, _ in first
    )
    assert all(40 < kinds[name] < 90 for name in ("upper", "typos", "plain"))
    assert all(t == ("THE CAT SEES" if s.isupper() else "the cat sees") for s, t in first)


def test_a_pair_that_noise_makes_too_long_stays_as_it_is(tokenizer: Tokenizer) -> None:
    noise = Noise(NoiseConfig(copy=1.0), tokenizer.symbols)
    usual = tokenizer.encode("the cat"), tokenizer.encode("sees", "tgt")
    segment = Segmenter(tokenizer, 0.0, 1, 0, 200, noise)
    for longest in ((len(usual[0]), 100), (100, len(usual[1]))):
        assert segment("the cat", "sees", 1, longest) == usual
    assert segment("the cat", "sees", 1, (100, 100)) != usual


def test_prepared_text_is_kept_and_batches_stay_near_their_budget(tmp_path: Path) -> None:
    lines = sentences(400)
    for side in ("src", "tgt"):
        (tmp_path / side).write_text("".join(line + "\n" for line in lines))
    split = SplitConfig(src=str(tmp_path / "src"), tgt=str(tmp_path / "tgt"))
    config = DataConfig(
        train=split,
        val=SplitConfig(**asdict(split)),
        test=SplitConfig(**asdict(split)),
        cache=str(tmp_path / "cache"),
    )
    config.clean.drop_overlap = False
    config.tokenizer.max_vocab_size = 400
    plain_key = cache_key(config, load_corpus(config), None)
    config.noise.upper = 0.5
    assert cache_key(config, load_corpus(config), None) != plain_key
    data = prepare(config, lambda _: None)
    [table] = data.train
    assert table.holds_text and not data.val.table.holds_text
    # The vocabulary has pieces of upper-case words.
    assert len(data.tokenizer.encode("THE HOUSE")) <= 6
    noise = Noise(config.noise, data.tokenizer.symbols)
    order = BatchOrder(data.train, 512, 1)
    batches = [
        collate(data.train, rows, Segmenter(data.tokenizer, 0.0, 1, 0, 256, noise))
        for rows in order.epoch(0)
    ]
    assert max(batch.source.numel() for batch in batches) <= 2 * 512
    texts = [data.tokenizer.decode(ids, "src") for b in batches for ids in b.source.tolist()]
    assert sorted(map(str.lower, texts)) == sorted(table.text(np.arange(len(table)))[0])
    assert 0.3 < np.mean([text.isupper() for text in texts if text.upper() != text.lower()]) < 0.6


def test_shares_of_more_than_all_pairs_are_an_error() -> None:
    with pytest.raises(UsageError, match="the sum of data.noise.\\* must be <= 1, got 1.2"):
        load_config(["data=demo", "data.noise.upper=0.6", "data.noise.lower=0.6"])
