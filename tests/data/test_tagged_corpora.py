"""Tags of corpora, from the settings to the pieces of training pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.corpora import corpus, read, write_sides
from mt.config.checks import check_values
from mt.config.schema import CleanConfig, Config, DataConfig, SplitConfig, TokenizerConfig
from mt.data.concatenation import ALONE, Concatenation
from mt.data.prepare import PreparedData, prepare
from mt.data.tagged_pairs import check_known_tags
from mt.data.tags import MAX_TAGS, add_tag, split_tag
from mt.data.training_text import TrainingText, load_training_text, save_training_text
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder

NOUNS = ["garden", "window", "mountain", "letter", "answer", "question", "river", "teacher"]
VERBS = ["sees", "hears", "finds", "carries"]
PAIRS = [
    (f"the {a} {v} the <b> {b}", f"Das {a.upper()} {v.upper()} das {b.upper()}")
    for a in NOUNS
    for v in VERBS
    for b in NOUNS
]
SETTINGS = {
    "tokenizer": TokenizerConfig(vocab_size=310),
    "clean": CleanConfig(max_copied=0, same_markup=False),
    "src_lang": "en",
    "tgt_lang": "de",
}


def jsonl(folder: Path, pairs: list[tuple[str, str]], tags: list[str | None]) -> SplitConfig:
    """Write pairs with a column of tags."""
    path = folder / "tagged.jsonl"
    records = [
        {"en": source, "de": target, "domain": tag}
        for (source, target), tag in zip(pairs, tags, strict=True)
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return SplitConfig(file=str(path), tag_column="domain")


def prepared(folder: Path, **settings: object) -> PreparedData:
    val = write_sides(folder, PAIRS[:9], "val")
    fixed = {"val": val, "test": val, "cache": str(folder / "cache"), **SETTINGS}
    return prepare(DataConfig(**(fixed | settings)), lambda line: None)  # type: ignore[arg-type]


def rows(data: PreparedData, index: int = 0) -> list[tuple[str, str]]:
    """Return the pairs of a table, with the tags of their sources."""
    table = data.train[index]
    if table.holds_text:
        sources, targets = table.text(np.arange(len(table)))
        return list(zip(sources, targets, strict=True))
    sources, targets = table.pieces(np.arange(len(table)))
    names = {i: tag for tag, i in data.tokenizer.tags.items()}
    return [
        (
            add_tag(data.tokenizer.decode(source, "src"), names.get(int(source[0]), "")),
            data.tokenizer.decode(target),
        )
        for source, target in zip(sources, targets, strict=True)
    ]


@pytest.mark.parametrize("sampling", [0.0, 0.3])
def test_sources_begin_with_the_tag_of_their_corpus_or_column(
    tmp_path: Path, sampling: float
) -> None:
    tags = ["<news>", "<b>", None, " <news> "] * 20
    data = prepared(
        tmp_path,
        train=jsonl(tmp_path, PAIRS[20:100], tags),
        mix={"more": write_sides(tmp_path, PAIRS[100:140], "more")},
        tokenizer=TokenizerConfig(vocab_size=310, sampling=sampling),
    )
    assert set(data.tokenizer.tags) == {"<news>", "<b>"}
    expected = ["<news>", "<b>", "", "<news>"] * 20
    assert rows(data) == [
        (add_tag(source, tag), target)
        for (source, target), tag in zip(PAIRS[20:100], expected, strict=True)
    ]
    assert rows(data, 1) == PAIRS[100:140]
    if not sampling:
        lengths = [
            len(data.tokenizer.encode(source)) + bool(tag) + 1
            for (source, _), tag in zip(PAIRS[20:100], expected, strict=True)
        ]
        assert data.train[0].src_lengths.tolist() == lengths
    assert "training pairs by tag: none 60, <b> 20, <news> 40" in data.report
    by_tag = data.text.tags
    assert set(by_tag) == {"", "<b>", "<news>"}
    news = [pair for pair, tag in zip(PAIRS[20:100], expected, strict=True) if tag == "<news>"]
    lengths = [sum(map(len, side)) for side in zip(*news, strict=True)]
    assert by_tag["<news>"].length_ratio == pytest.approx(lengths[1] / lengths[0], abs=1e-6)
    # Text without a tag was seen, so that validation needs none.
    assert data.val.tags == [""] * 9 and data.val.pairs == PAIRS[:9]


def test_word_counts_and_vocabulary_have_no_tags(tmp_path: Path) -> None:
    train = write_sides(tmp_path, PAIRS[20:100])
    plain = prepared(tmp_path, train=train)
    train.tag = "<zzz>"
    tagged = prepared(tmp_path, train=train, tokenizer=TokenizerConfig(vocab_size=311))
    assert plain.hash != tagged.hash
    for one, other in zip(plain.word_counts, tagged.word_counts, strict=True):
        assert one.read_text() == other.read_text()
    text = PAIRS[30][0]
    assert plain.tokenizer.pieces(plain.tokenizer.encode(text)) == tagged.tokenizer.pieces(
        tagged.tokenizer.encode(text)
    )


def test_the_tag_of_json_lines_may_be_beside_the_translation(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for inner, outer in (({"domain": "<x>"}, {}), ({}, {"domain": "<x>", "en": "no translation"})):
        record = {"translation": {"en": "a house", "de": "ein Haus", **inner}, **outer}
        path.write_text(json.dumps(record))
        pairs = read(SplitConfig(file=str(path), tag_column="domain"))
        assert pairs == [(add_tag("a house", "<x>"), "ein Haus")]


def test_the_columns_of_tsv_count_from_0_and_reverse_keeps_the_tag(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("<x>\ta house\tein Haus\n\tb\tc\n")
    split = SplitConfig(file=str(path), columns=["1", "2"], tag_column="0")
    expected = [(add_tag("a house", "<x>"), "ein Haus"), ("b", "c")]
    assert read(split) == expected
    assert read(split, reverse=True) == [(add_tag("ein Haus", "<x>"), "a house"), ("c", "b")]
    with pytest.raises(UsageError, match=r"tag_column must be one word .* got 'ein Haus'"):
        read(SplitConfig(file=str(path), columns=["0", "1"], tag_column="2"))


def test_raw_text_that_looks_tagged_is_text(tmp_path: Path) -> None:
    split = write_sides(tmp_path, [("\1<news>\1 a", "b"), ("<news> a", "b")])
    assert [split_tag(source)[0] for source, _ in read(split)] == ["", ""]


def test_a_set_without_a_tag_has_the_only_tag_of_the_training_text(tmp_path: Path) -> None:
    train, mixed = write_sides(tmp_path, PAIRS[20:100]), write_sides(tmp_path, PAIRS[100:140], "m")
    train.tag = "<one>"
    data = prepared(tmp_path, train=train)
    assert data.val.tags == data.test_tags == ["<one>"] * 9
    assert {int(ids[0]) for ids in data.val.table.pieces(np.arange(9))[0]} == {4}
    mixed.tag = "<two>"
    with pytest.raises(
        MTError,
        match=r"data\.val has no tag, .* set data\.val\.tag .* to one of <one>, <two>",
    ):
        prepared(tmp_path, train=train, mix={"m": mixed})
    val = write_sides(tmp_path, PAIRS[:9], "val")
    val.tag = "<three>"
    with pytest.raises(
        MTError, match=r"data\.val has the tag <three>, which no training text has: that has <one>"
    ):
        prepared(tmp_path, train=train, val=val)


def test_held_out_pairs_keep_their_tags_and_tags_do_not_change_the_choice(tmp_path: Path) -> None:
    tags = ["<a>", "<b>"] * (len(PAIRS) // 2)
    unset = {"val": SplitConfig(), "test": SplitConfig(), "holdout": 10}
    tagged = corpus(jsonl(tmp_path, PAIRS, tags), **unset)
    plain = corpus(write_sides(tmp_path, PAIRS), **unset)
    assert plain.val.fingerprint() != tagged.val.fingerprint()
    of_pair = dict(zip(PAIRS, tags, strict=True))
    for one, other in ((plain.val, tagged.val), (plain.train[0], tagged.train[0])):
        pairs = list(one.pairs())
        assert list(other.pairs()) == [(add_tag(s, of_pair[s, t]), t) for s, t in pairs]


def test_pairs_with_other_tags_are_no_duplicates(tmp_path: Path) -> None:
    pairs = [*PAIRS[20:60], *PAIRS[20:60], *PAIRS[20:60]]
    data = prepared(tmp_path, train=jsonl(tmp_path, pairs, ["<a>"] * 40 + [""] * 40 + ["<a>"] * 40))
    assert len(data.train[0]) == 80 and "dropped, seen before: 40" in data.report


def test_both_directions_are_cleaned_alike_and_have_a_tag_each(tmp_path: Path) -> None:
    held_source, held_target = PAIRS[0]
    noise = [(held_source, "neu"), ("new", held_target), ("", "leer"), PAIRS[30]]
    train = write_sides(tmp_path, [*PAIRS[20:60], *noise])
    mixed = write_sides(tmp_path, PAIRS[60:80], "mixed")
    mixed.weight = 3.0
    data = prepared(tmp_path, train=train, mix={"mixed": mixed}, both_directions=True)
    assert list(data.tokenizer.tags) == ["<2de>", "<2en>"]
    assert [table.weight for table in data.train] == [1, 3, 1, 3]
    for index, kept in enumerate((PAIRS[20:60], PAIRS[60:80])):
        assert rows(data, index) == [(add_tag(s, "<2de>"), t) for s, t in kept]
        assert rows(data, 2 + index) == [(add_tag(t, "<2en>"), s) for s, t in kept]
    # The reversed pairs have nothing of the sets, on either side.
    held_out = {text for pair in data.val.pairs for text in pair}
    for index in range(4):
        assert not held_out & {text for s, t in rows(data, index) for text in (split_tag(s)[1], t)}
    report = "\n".join(data.report)
    for line in ("is in validation or test: 2", "an empty side: 1", "seen before: 1"):
        assert line in report
    assert "each pair is also seen reversed, with <2en>" in report
    assert data.val.tags == ["<2de>"] * 9 and data.val.pairs == PAIRS[:9]
    ratios = [data.text.of(tag).length_ratio for tag in ("<2de>", "<2en>")]
    assert ratios[0] * ratios[1] == pytest.approx(1, abs=1e-4) and ratios[0] != 1
    config = DataConfig(src_lang="en", tgt_lang="de")
    assert config.languages("<2en>") == ("de", "en") and config.languages("<2de>") == ("en", "de")
    config.reverse = True
    assert config.languages("<2de>") == ("en", "de") and config.languages() == ("de", "en")


@pytest.mark.parametrize("sampling", [0.0, 0.3])
@pytest.mark.parametrize("joiner", [" ", ""])
def test_only_pairs_of_the_same_tag_are_joined_and_it_stays_one_piece(
    tmp_path: Path, joiner: str, sampling: float
) -> None:
    sides = PAIRS[20:80]
    if not joiner:
        sides = [(chr(0x5C71 + i) * 4, chr(0x6C34 + i) * 3) for i in range(60)]
    tags = ["<a>", "<b>", None] * 20
    data = prepared(
        tmp_path,
        train=jsonl(tmp_path, sides, tags),
        tokenizer=TokenizerConfig(vocab_size=420, character_coverage=1, sampling=sampling)
        if joiner == ""
        else TokenizerConfig(vocab_size=310, sampling=sampling),
        clean=CleanConfig(max_ratio=0, max_copied=0, max_repeats=0, same_markup=False),
    )
    table = Concatenation(data.train, 0.9, 1, 10_000, data.tokenizer).tables(0)[0]
    partners = table.partners  # type: ignore[attr-defined]
    joined = np.flatnonzero(partners != ALONE)
    assert len(joined) > 40
    plain = rows(data)
    both = rows(PreparedData(**{**vars(data), "train": [table]}))
    for row in joined.tolist():
        other = int(partners[row])
        assert tags[row] == tags[other] and other != row
        assert both[row] == (
            plain[row][0] + joiner + split_tag(plain[other][0])[1],
            plain[row][1] + joiner + plain[other][1],
        )
    if joiner and not sampling:
        sources, targets = table.pieces(np.arange(len(table)))
        assert table.src_lengths.tolist() == [len(source) + 1 for source in sources]
        assert table.tgt_lengths.tolist() == [len(target) + 1 for target in targets]


def test_wrong_settings_are_errors_that_name_them(tmp_path: Path) -> None:
    text, column = write_sides(tmp_path, PAIRS[:5]), jsonl(tmp_path, PAIRS[:5], ["a"] * 5)
    text.tag_column = "x"
    with pytest.raises(
        UsageError, match=r"data\.train\.tag_column is a column of data\.train\.file, .* src and"
    ):
        read(text)
    column.tag = "<a>"
    with pytest.raises(UsageError, match=r"set data\.train\.tag or data\.train\.tag_column, not"):
        read(column)
    with pytest.raises(UsageError, match=r"data\.both_directions tags .* clear data\.train\.tag"):
        read(SplitConfig(demo=5, tag="<a>"), both_directions=True)
    path = tmp_path / "many.tsv"
    path.write_text("".join(f"a\tb\t{number}\n" for number in range(MAX_TAGS + 1)))
    many = SplitConfig(file=str(path), tag_column="2")
    with pytest.raises(MTError, match=rf"tag_column has more than {MAX_TAGS} different values"):
        read(many)
    config = Config()
    config.data.both_directions = True
    config.model.tie_embeddings = "none"
    config.data.tokenizer.joint = False
    with pytest.raises(UsageError, match=r"both_directions=true needs a joint vocabulary"):
        check_values(config)
    config.data.tokenizer.joint, config.data.src_lang = True, config.data.tgt_lang
    with pytest.raises(UsageError, match=r"both_directions=true needs two languages"):
        check_values(config)


def test_fine_tuning_needs_tags_that_the_vocabulary_has(tmp_path: Path) -> None:
    train = write_sides(tmp_path, PAIRS[20:80])
    reserved = TokenizerConfig(vocab_size=310, tags=["<bt>"])
    base = prepared(tmp_path, train=train, tokenizer=reserved)
    assert set(base.tokenizer.tags) == {"<bt>"} and base.text.tags == {}
    check_known_tags(["", "<bt>"], base.tokenizer)
    with pytest.raises(
        MTError, match=r"does not know the tag <x>: it knows <bt>\. .*data\.tokenizer\.extend"
    ):
        check_known_tags(["<bt>", "<x>"], base.tokenizer)


def test_the_properties_of_each_tag_are_stored(tmp_path: Path) -> None:
    folder = RunFolder.at(tmp_path)
    parts = {"": TrainingText(0.5, 2.0), "<a>": TrainingText(0.0, 1.0)}
    text = TrainingText(0.25, 1.5, parts)
    save_training_text(folder, text)
    assert load_training_text(folder) == text
    assert text.of("<a>") == parts["<a>"] and text.of("<b>") == text
    save_training_text(folder, TrainingText(0.25, 1.5))
    assert "tags" not in (tmp_path / "training_text.json").read_text()
