"""Additional validation sets: their settings, their place in the prepared corpus, their tags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.corpora import write_sides
from mt.config.compose import load_config
from mt.config.schema import CleanConfig, DataConfig, SplitConfig, TokenizerConfig
from mt.config.yaml import config_from_yaml, config_to_yaml
from mt.data.prepare import PreparedData, prepare
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError, UsageError

NOUNS = ["garden", "window", "mountain", "letter", "answer", "question", "river", "teacher"]
PAIRS = [
    (f"the {a} sees the {b} {c}", f"Das {a.upper()} sieht {b.upper()} {c.upper()}")
    for a in NOUNS
    for b in NOUNS
    for c in NOUNS[:3]
]


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    return DataConfig(
        train=write_sides(tmp_path, PAIRS[20:], "train"),
        val=write_sides(tmp_path, PAIRS[:10], "val"),
        test=write_sides(tmp_path, PAIRS[10:20], "test"),
        clean=CleanConfig(max_copied=0),
        tokenizer=TokenizerConfig(vocab_size=300),
        src_lang="en",
        tgt_lang="de",
        cache=str(tmp_path / "cache"),
    )


def run(config: DataConfig, tokenizer: Tokenizer | None = None, **val_sets: SplitConfig):
    return prepare(replace(config, val_sets=val_sets), lambda line: None, tokenizer)


def kept(data: PreparedData) -> int:
    return sum(len(table) for table in data.train)


def test_sets_are_read_in_order_and_their_pairs_are_not_trained_on(
    config: DataConfig, tmp_path: Path
) -> None:
    plain = run(config)
    assert [each.name for each in plain.val_sets] == ["val"]
    odd = [("A\u00ad house.", "Ein &amp; Haus."), *PAIRS[100:104]]
    old, more = write_sides(tmp_path, odd, "old"), write_sides(tmp_path, PAIRS[:3], "more")
    data = run(config, old=old, more=more)
    assert [each.name for each in data.val_sets] == ["val", "old", "more"]
    assert data.val is data.val_sets[0] and data.val.pairs == plain.val.pairs == PAIRS[:10]
    assert data.val_sets[1].pairs == [("A\u00ad house.", "Ein & Haus."), *PAIRS[100:104]]
    assert data.val_sets[2].pairs == PAIRS[:3] and data.test_pairs == PAIRS[10:20]
    (sources, targets) = data.val_sets[1].table.pieces(range(5))
    texts = [
        (data.tokenizer.decode(s, "src"), data.tokenizer.decode(t, "tgt"))
        for s, t in zip(sources, targets, strict=True)
    ]
    assert texts == [("A house.", "Ein & Haus."), *PAIRS[100:104]]
    assert kept(plain) - kept(data) == 4
    report = "\n".join(data.report)
    assert "validation pairs: 10; test pairs: 10; validation (old) pairs: 5; val" in report
    assert "validation (old) pairs with HTML entities" in report


def test_names_are_no_part_of_the_prepared_corpus_but_text_and_order_are(
    config: DataConfig, tmp_path: Path
) -> None:
    a, b = write_sides(tmp_path, PAIRS[50:52], "a"), write_sides(tmp_path, PAIRS[60:62], "b")
    one, renamed, swapped = run(config, x=a, y=b), run(config, y=a, z=b), run(config, x=b, y=a)
    assert one.hash == renamed.hash != swapped.hash
    assert [each.name for each in renamed.val_sets] == ["val", "y", "z"]
    assert len({run(config).hash, one.hash, run(config, x=a).hash}) == 3


def test_a_set_may_have_a_tag_that_only_the_first_model_was_trained_with(
    config: DataConfig, tmp_path: Path
) -> None:
    """As in the fine-tuning of one direction of a model of several."""
    config.train.tag = "<one>"
    config.tokenizer.tags = ["<two>"]
    first = run(config)
    old = write_sides(tmp_path, PAIRS[:3], "old")
    old.tag = "<two>"
    data = run(config, first.tokenizer, old=old)
    assert data.val_sets[1].tags == ["<two>"] * 3 and data.val.tags == ["<one>"] * 10
    old.tag = "<three>"
    for tokenizer in (first.tokenizer, None):
        with pytest.raises(MTError, match=r"data\.val_sets\.old has the tag <three>, which no"):
            run(config, tokenizer, old=old)


def test_faults_of_a_set_name_it(config: DataConfig, tmp_path: Path) -> None:
    empty = write_sides(tmp_path, [("a", "b")], "empty")
    for side in (empty.src, empty.tgt):
        Path(side).write_text("")
    blank = write_sides(tmp_path, [("", "b")], "blank")
    for split, message in (
        (empty, "the validation (old) corpus is empty: check data.val_sets.old"),
        (blank, "all 1 sources of the validation (old) set are empty or null: check data.val_sets"),
        (SplitConfig(), "data.val_sets.old sets nothing"),
        (SplitConfig(src="no-such-file", tgt="x"), "no-such-file"),
        (replace(blank, links="x"), "data.val_sets.old.links is not used"),
    ):
        with pytest.raises(MTError) as error:
            run(config, old=split)
        assert message in str(error.value)


def test_settings_of_sets_and_the_one_that_decides() -> None:
    given = ["data.val_sets.old.src=a.en", "data.val_sets.old.tgt=1e3"]
    config = load_config([*given, "trainer.val_set=old"])
    assert config.data.val_sets == {"old": SplitConfig(src="a.en", tgt="1e3")}
    assert load_config(given).trainer.val_set == "val"
    for overrides, message in (
        (["trainer.val_set=new"], "trainer.val_set must be one of val, which are data.val and"),
        ([*given, "trainer.val_set=new"], "trainer.val_set must be one of val, old"),
        (["data.val_sets.test.src=a"], "must not be val or test, got 'test'"),
        (["data.val_sets.old.sources=a"], "unknown key"),
        (["data.val_sets.old.limit=-1"], "data.val_sets.old.limit must be >= 0, got -1"),
        (["data.val_sets=5"], "data.val_sets"),
    ):
        with pytest.raises(UsageError) as error:
            load_config(overrides)
        assert message in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UsageError, match="letters, digits, _ and -, .* got 'a b'"):
        config_from_yaml("data: {val_sets: {a b: {src: x}}}")
    assert config_from_yaml("data: {val_sets: {007: {src: x}}}").data.val_sets["007"].src == "x"
    assert config_from_yaml(config_to_yaml(config)) == config
