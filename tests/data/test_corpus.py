"""Reading of all kinds of corpora, held-out sets, and errors."""

from __future__ import annotations

import errno
import gzip
import json
import lzma
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
import yaml

from mt.config.schema import DataConfig, SplitConfig
from mt.data import hub
from mt.data.corpus import RawCorpus, load_corpus
from mt.data.held_out import source_key
from mt.data.text_files import read_lines
from mt.data.tmx import TmxReader
from mt.errors import MTError, UsageError

PAIRS = [
    ("A house.", "Ein Haus."),
    ("b\u2028c\x85d\x0be", "ein Zeilentrenner"),
    ("", "leer"),
    ("ünïcode 😀", "日本語"),
]


@pytest.fixture(autouse=True)
def quiet_hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))


def corpus(train: SplitConfig, **settings: object) -> RawCorpus:
    """Load a corpus; by default, validation and test are the training text."""
    settings = {"src_lang": "en", "tgt_lang": "de", "val": train, "test": train} | settings
    return load_corpus(DataConfig(train=train, **settings))  # type: ignore[arg-type]


def read(train: SplitConfig, **settings: object) -> list[tuple[str, str]]:
    return list(corpus(train, **settings).train[0].pairs())


def write_sides(folder: Path, pairs: list[tuple[str, str]], name: str = "t") -> SplitConfig:
    for side, texts in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        (folder / f"{name}.{side}").write_bytes("".join(f"{text}\n" for text in texts).encode())
    return SplitConfig(src=str(folder / f"{name}.en"), tgt=str(folder / f"{name}.de"))


def write_zst(path: Path, data: bytes) -> None:
    with pa.output_stream(str(path), compression="zstd") as stream:
        stream.write(data)


COMPRESS: dict[str, Callable[[Path, bytes], object]] = {
    ".gz": lambda path, data: path.write_bytes(gzip.compress(data)),
    ".xz": lambda path, data: path.write_bytes(lzma.compress(data)),
    ".zst": write_zst,
}


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_text_reads_like_plain_text(tmp_path: Path, ending: str) -> None:
    plain = write_sides(tmp_path, PAIRS)
    packed = SplitConfig(src=plain.src + ending, tgt=plain.tgt + ending)
    for side in ("src", "tgt"):
        COMPRESS[ending](Path(getattr(packed, side)), Path(getattr(plain, side)).read_bytes())
    assert read(plain) == read(packed) == PAIRS


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_damaged_archives_are_errors(tmp_path: Path, ending: str, damage: str) -> None:
    path = tmp_path / f"t.en{ending}"
    COMPRESS[ending](path, b"".join(b"line %d\n" % (i * i) for i in range(50_000)))
    path.write_bytes(path.read_bytes()[:-1000] if damage == "cut" else b"this is no archive\n")
    with pytest.raises(MTError, match=rf"t\.en\{ending}.*damaged"):
        list(read_lines(path))


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffone\r\ntwo\rtwo\n\nthree\u2029\x1c\r\r\nlast".encode())
    assert list(read_lines(path)) == ["one", "two\rtwo", "", "three\u2029\x1c\r", "last"]


def test_several_files_with_awkward_names_in_the_home_folder_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_sides(tmp_path, PAIRS[:1], "a=b, c [d]")
    write_sides(tmp_path, PAIRS[1:], "e")
    split = SplitConfig(
        src=["~/a=b, c [d].en", str(tmp_path / "e.en")],
        tgt=["~/a=b, c [d].de", str(tmp_path / "e.de")],
    )
    assert read(split) == PAIRS
    monkeypatch.chdir(tmp_path)
    assert read(SplitConfig(src="e.en", tgt="e.de")) == PAIRS[1:]


def test_sides_of_different_length_are_refused(tmp_path: Path) -> None:
    split = write_sides(tmp_path, PAIRS)
    for longer, counts in ((split.src, ("9", "4")), (split.tgt, ("9", "11"))):
        with open(longer, "ab") as stream:
            stream.write(b"more\n" * (5 if longer == split.src else 7))
        with pytest.raises(MTError, match=rf"t\.en has {counts[0]} lines, .*t\.de has {counts[1]}"):
            read(split)
    with pytest.raises(UsageError, match="equally many files, got 2 and 1"):
        read(SplitConfig(src=[split.src, split.src], tgt=split.tgt))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    split = write_sides(tmp_path, PAIRS)
    for path, message in (
        (tmp_path / "none.en", "no such file"),
        (tmp_path, "is a folder"),
        (Path("/dev/null"), "device"),
    ):
        with pytest.raises(MTError, match=message):
            corpus(SplitConfig(src=str(path), tgt=split.tgt))
    Path(split.src).write_bytes(b"fine\n\xffwrong\n" + b"fine\n" * 2)
    with pytest.raises(MTError, match=r"t\.en, line 2: not UTF-8 at byte 1"):
        read(split)


def test_tsv_reads_the_first_two_columns_or_those_named(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('1\tder "Hund\t\tthe "dog\n2\t\tx\tthe cat\n', encoding="utf-8")
    assert read(SplitConfig(file=str(path))) == [("1", 'der "Hund'), ("2", "")]
    assert read(SplitConfig(file=str(path), columns=["3", "1"])) == [
        ('the "dog', 'der "Hund'),
        ("the cat", ""),
    ]
    with pytest.raises(MTError, match=r"t\.tsv, line 1: 4 column\(s\), but column 4"):
        read(SplitConfig(file=str(path), columns=["0", "4"]))
    with pytest.raises(UsageError, match="numbers from 0"):
        read(SplitConfig(file=str(path), columns=["en", "de"]))
    with pytest.raises(
        UsageError, match=r"columns must name two columns, source and target, got 1"
    ):
        read(SplitConfig(file=str(path), columns=["1"]))


def test_json_lines_read_the_keys_of_the_languages_or_those_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"

    def lines(*records: object) -> SplitConfig:
        text = "\n".join(
            record if isinstance(record, str) else json.dumps(record) for record in records
        )
        path.write_bytes(gzip.compress(text.encode()))
        return SplitConfig(file=str(path))

    flat = [{"en": source, "de": target} for source, target in PAIRS]
    assert (
        read(lines(*flat, ""))
        == read(lines(*({"translation": record} for record in flat)))
        == PAIRS
    )
    assert read(SplitConfig(file=lines({"x": 1, "b": "B", "a": "A"}).file, columns=["a", "b"])) == [
        ("A", "B")
    ]
    assert read(lines({"en": None, "de": "x"})) == [("", "x")]
    for bad, message in (
        ("{", "line 2: not a JSON object"),
        ("[1]", "line 2: a list of 1, not an object with keys en and de"),
        ("null", "line 2: null, not an object"),
        ({"en": ["a", "b"], "de": "x"}, "line 2: en must be text, found a list of 2"),
        ({"en": "a", "de": {"text": "x"}}, "line 2: de must be text, found an object"),
        ({"en": "a", "de": True}, "line 2: de must be text, found a truth value"),
        ({"en": "x"}, "found: en"),
        ({"en": 1, "de": "x"}, "en must be text, found a number"),
    ):
        with pytest.raises(MTError, match=message):
            read(lines(flat[0], bad))
    for text in (json.dumps(flat), json.dumps(flat, indent=2), "[\n" + json.dumps(flat[0]) + "\n]"):
        with pytest.raises(MTError, match=r"one JSON list, .*with jq -c '\.\[\]'"):
            read(lines(text))
    with pytest.raises(MTError, match="line 1: a list of 2, not an object"):
        read(lines(["a house", "ein Haus"]))


def test_tmx_finds_region_codes_and_leaves_out_inline_codes(tmp_path: Path) -> None:
    path = tmp_path / "t.tmx"
    path.write_text(
        """<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en-US"/><body>
<tu><tuv xml:lang="DE-DE">
    <seg>Ein <bpt i="1">&lt;b&gt;</bpt>rotes<ept i="1">&lt;/b&gt;</ept> <hi>Haus</hi>.</seg></tuv>
    <tuv xml:lang="en-US"><prop>p</prop><seg>A red
        house &amp; more.</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>plain</seg></tuv><tuv xml:lang="en-GB"><seg>British</seg></tuv>
    <tuv xml:lang="de"><seg>x</seg></tuv></tu>
<tu><tuv xml:lang="eng"><seg>other code</seg></tuv><tuv xml:lang="de"><seg>y</seg></tuv></tu>
</body></tmx>""",
        encoding="utf-8",
    )
    split = SplitConfig(file=str(path))
    loaded = corpus(split)
    assert list(loaded.train[0].pairs()) == [
        ("A red house & more.", "Ein rotes Haus."),
        ("plain", "x"),
    ]
    assert (
        list(loaded.train[0].pairs())
        and len(loaded.notes) == 2
        and "1 of 3 units skipped" in loaded.notes[0]
        and "2 inline codes left out of the text (bpt 1, ept 1)" in loaded.notes[1]
    )
    assert read(split, src_lang="en-GB") == [("British", "x")]
    with pytest.raises(MTError, match="languages found: de, de-de, en, en-gb, en-us, eng"):
        read(split, src_lang="fr")
    path.write_text(path.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    with pytest.raises(MTError, match=r"t\.tmx: not well-formed XML \(.*line"):
        read(split)


def test_a_large_tmx_is_not_kept_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "t.tmx.gz"
    unit = (
        '<tu><tuv xml:lang="en"><seg>{0} house</seg></tuv>'
        '<tuv xml:lang="de"><seg>{0} Haus</seg></tuv></tu>\n'
    )
    path.write_bytes(
        gzip.compress(
            (
                "<tmx><body>" + "".join(unit.format(i) for i in range(20_000)) + "</body></tmx>"
            ).encode(),
            1,
        )
    )
    tracemalloc.start()
    count = sum(1 for _ in TmxReader(path, ("en", "de"), print).pairs())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000 and peak < 2_000_000  # the whole tree takes over 20 MB


def hub_folder(folder: Path) -> Path:
    """Write a repository like those of the hub: Parquet files and a card that declares subsets."""
    nested = [
        {"id": i, "translation": {"de": target, "en": source}}
        for i, (source, target) in enumerate(PAIRS)
    ]
    features = datasets.Features(
        {"id": datasets.Value("int64"), "translation": datasets.Translation(["de", "en"])}
    )
    datasets.Dataset.from_list(nested, features).to_parquet(
        folder / "de-en" / "train-00000-of-00001.parquet"
    )
    datasets.Dataset.from_list(nested[:2], features).to_parquet(
        folder / "de-en" / "validation-00000-of-00001.parquet"
    )
    datasets.Dataset.from_list([{"fr": "maison", "en": "house"}]).to_parquet(
        folder / "fr-en" / "train-00000-of-00001.parquet"
    )
    card = {
        "configs": [
            {
                "config_name": "de-en",
                "data_files": [
                    {"split": s, "path": f"de-en/{s}-*"} for s in ("train", "validation")
                ],
            },
            {"config_name": "fr-en", "data_files": [{"split": "train", "path": "fr-en/train-*"}]},
        ]
    }
    (folder / "README.md").write_text(
        f"---\n{yaml.safe_dump(card)}---\n# A card\n", encoding="utf-8"
    )
    return folder


def test_a_hub_repository_with_translations_is_read_by_split(tmp_path: Path) -> None:
    folder = str(hub_folder(tmp_path))
    split = SplitConfig(hub=folder, subset="de-en")
    loaded = corpus(split, test=SplitConfig(hub=folder, subset="de-en", split="train[1:3]"))
    assert list(loaded.train[0].pairs()) == list(loaded.train[0].pairs()) == PAIRS
    assert list(loaded.val.pairs()) == PAIRS[:2] and list(loaded.test.pairs()) == PAIRS[1:3]
    assert read(
        split, test=SplitConfig(hub=folder, subset="de-en", split="train"), reverse=True
    ) == [p[::-1] for p in PAIRS]
    for settings, message in (
        ({"subset": "xx"}, r"fr-en"),
        ({"subset": "de-en", "split": "dev"}, r"dev.*train.*validation"),
        (
            {"subset": "de-en", "columns": ["en", "fr"]},
            r"no columns en and fr; it has: id, translation \(translation has de, en\)",
        ),
    ):
        with pytest.raises(MTError, match=message):
            read(SplitConfig(hub=folder, **settings), val=split, test=split)  # type: ignore[arg-type]


def test_a_hub_copy_in_the_converted_layout_is_read(tmp_path: Path) -> None:
    """Without a card that matches the files, folders are the subsets."""
    for subset, texts in (
        ("de-en", {"de": "Haus", "en": "house"}),
        ("fr-en", {"fr": "maison", "en": "house"}),
    ):
        datasets.Dataset.from_list([{"translation": texts}]).to_parquet(
            tmp_path / subset / "train" / "0000.parquet"
        )
    split = SplitConfig(hub=str(tmp_path), subset="fr-en", split="train")
    assert read(split, tgt_lang="fr", offline=True) == [("house", "maison")]
    # Remove the subset that the card declares first.
    shutil.rmtree(hub_folder(tmp_path / "part") / "de-en")
    part = SplitConfig(hub=str(tmp_path / "part"), subset="fr-en", split="train")
    assert read(part, tgt_lang="fr", val=split, test=split) == [("house", "maison")]
    with pytest.raises(MTError, match="xx-en"):
        read(SplitConfig(hub=str(tmp_path), subset="xx-en", split="train"), val=split, test=split)


def test_hub_columns_are_read_from_json_lines_and_csv(tmp_path: Path) -> None:
    rows = [{"en": "None", "de": "NA", "n": 1}, {"en": 'say "no", please', "de": "null", "n": 2}]
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "train.csv").write_text(
        'n,de,en\n1,NA,None\n2,null,"say ""no"", please"\n', encoding="utf-8"
    )
    expected = [(row["en"], row["de"]) for row in rows]
    assert read(SplitConfig(hub=str(tmp_path / "j"), split="train")) == expected
    assert read(SplitConfig(hub=str(tmp_path / "c"), split="train")) == expected
    named = SplitConfig(hub=str(tmp_path / "j"), split="train", columns=["de", "en"])
    assert read(named, src_lang="x", tgt_lang="y") == [pair[::-1] for pair in expected]
    with pytest.raises(MTError, match="column n holds int64, not text"):
        read(SplitConfig(hub=str(tmp_path / "j"), split="train", columns=["en", "n"]))


def test_hub_sets_that_cannot_be_loaded_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        MTError,
        match=r"hf download --repo-type dataset owner/none --local-dir none.*data\.train\.hub=none",
    ):
        read(SplitConfig(hub="owner/none", split="train"), offline=True)
    with pytest.raises(MTError, match="no such folder"):
        read(SplitConfig(hub=str(tmp_path / "none"), split="train"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").touch()
    with pytest.raises(MTError, match=r"data\.train\.revision=refs/convert/parquet"):
        read(SplitConfig(hub=str(tmp_path / "set"), split="train"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "train.parquet").write_bytes(b"no parquet")
    with pytest.raises(MTError, match="corrupted"):
        read(SplitConfig(hub=str(tmp_path / "bad"), split="train"))


def test_a_split_must_have_exactly_one_kind_of_source(tmp_path: Path) -> None:
    split = write_sides(tmp_path, PAIRS)
    with pytest.raises(
        UsageError, match=r"data\.train\.src and data\.train\.tgt.*data\.train\.hub"
    ):
        load_corpus(DataConfig())
    with pytest.raises(UsageError, match="data.val sets src and tgt and hub"):
        corpus(split, val=SplitConfig(src=split.src, tgt=split.tgt, hub="x/y"))
    with pytest.raises(UsageError, match=r"\.tsv, \.jsonl or \.tmx"):
        corpus(SplitConfig(file=split.src))
    with pytest.raises(UsageError, match="weight of training corpus extra must be > 0, got 0"):
        corpus(split, mix={"extra": SplitConfig(src=split.src, tgt=split.tgt, weight=0.0)})


def test_limit_reverse_and_mix_apply_together(tmp_path: Path) -> None:
    split = write_sides(tmp_path, PAIRS)
    limited = SplitConfig(src=split.src, tgt=split.tgt, limit=2, weight=0.5)
    extra = SplitConfig(src=split.tgt, tgt=split.src, weight=3.0)
    loaded = corpus(limited, mix={"extra": extra}, reverse=True)
    assert [(source.name, source.weight) for source in loaded.train] == [
        ("train", 0.5),
        ("extra", 3.0),
    ]
    assert list(loaded.train[0].pairs()) == [(target, source) for source, target in PAIRS[:2]]
    assert list(loaded.train[1].pairs()) == PAIRS


def test_fingerprint_follows_content_and_selection(tmp_path: Path) -> None:
    def fingerprint(split: SplitConfig, **settings: object) -> str:
        return corpus(split, **settings).train[0].fingerprint()

    (tmp_path / "copy").mkdir()
    split, copy = write_sides(tmp_path, PAIRS), write_sides(tmp_path / "copy", PAIRS)
    first = fingerprint(split)
    assert first == fingerprint(split) == fingerprint(copy)  # content, not place or time
    others = [
        fingerprint(SplitConfig(src=split.src, tgt=split.tgt, limit=2)),
        fingerprint(split, reverse=True),
        fingerprint(write_sides(tmp_path / "copy", PAIRS[::-1])),
    ]
    assert len({first, *others}) == 4
    hub = str(hub_folder(tmp_path / "copy"))
    prints = {
        fingerprint(SplitConfig(hub=hub, subset="de-en", split=part))
        for part in ("train", "train", "validation")
    }
    assert len(prints) == 2


def held_out(tmp_path: Path, pairs: list[tuple[str, str]], **settings: object) -> RawCorpus:
    return load_corpus(DataConfig(train=write_sides(tmp_path, pairs, "held"), **settings))  # type: ignore[arg-type]


def test_held_out_parts_share_no_source_and_do_not_depend_on_order(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(3000)]
    # The same sources in another spelling.
    pairs += [(f"sentence  {i}", f"Satz {i}, nochmals") for i in range(0, 3000, 3)]
    pairs += [("Thank you.", f"Danke {i}.") for i in range(500)] + [("", "x"), ("Sentence 7", "")]
    loaded = held_out(tmp_path, pairs, holdout=150)
    parts = [list(source.pairs()) for source in (loaded.train[0], loaded.val, loaded.test)]
    # Every pair is in exactly one part.
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    assert [len(part) for part in parts[1:]] == [150, 150]
    place = defaultdict(set)
    for number, part in enumerate(parts):
        for source, target in part:
            if target:
                place[" ".join(source.lower().split())].add(number)
    assert all(len(numbers) == 1 for numbers in place.values()) and place["thank you."] == {0}
    assert loaded.notes == [
        "held out of train by a hash of the source: "
        "150 pairs for val, 150 pairs for test (of 4,502)"
    ]
    again = held_out(tmp_path, pairs[::-1], holdout=150)  # the order of the file does not matter
    assert {source_key(s) for s, _ in again.val.pairs()} == {source_key(s) for s, _ in parts[1]}
    assert sorted(again.train[0].pairs()) == sorted(parts[0])
    sources = (
        loaded.train[0],
        loaded.val,
        loaded.test,
        held_out(tmp_path, pairs, holdout=100).train[0],
    )
    assert len({source.fingerprint() for source in sources}) == 4


def test_the_held_out_share_is_5_percent_and_one_part_may_be_given(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(200)]
    loaded = held_out(tmp_path, pairs, val=write_sides(tmp_path, PAIRS), reverse=True)
    assert list(loaded.val.pairs()) == [pair[::-1] for pair in PAIRS]
    test = list(loaded.test.pairs())
    assert len(test) == 10 and set(test) <= {pair[::-1] for pair in pairs}  # 5 %
    assert len(list(loaded.train[0].pairs())) == 190
    with pytest.raises(MTError, match="19 pairs, too few.*data.val and data.test"):
        list(held_out(tmp_path, pairs[:19]).val.pairs())
    with pytest.raises(UsageError, match="data.holdout must be > 0, got 0"):
        held_out(tmp_path, pairs, holdout=0)


def test_the_embedded_corpus_has_the_sizes_asked_for() -> None:
    pytest.importorskip("mt.data.embedded_corpus")
    config = DataConfig(
        train=SplitConfig(demo=300), val=SplitConfig(demo=20), test=SplitConfig(demo=30)
    )
    loaded = load_corpus(config)
    counts = [len(list(source.pairs())) for source in (loaded.train[0], loaded.val, loaded.test)]
    assert counts == [300, 20, 30]
    assert len({source.fingerprint() for source in (loaded.train[0], loaded.val, loaded.test)}) == 3


@pytest.mark.realdata
def test_multi30k_has_its_published_size(realdata: Path) -> None:
    folder = realdata / "multi30k-ende"

    def split(name: str) -> SplitConfig:
        return SplitConfig(src=str(folder / f"{name}.en.gz"), tgt=str(folder / f"{name}.de.gz"))

    loaded = corpus(split("train"), val=split("val"), test=split("test2016"))
    sizes = [
        sum(1 for _ in source.pairs()) for source in (loaded.train[0], loaded.val, loaded.test)
    ]
    assert sizes == [29_000, 1_014, 1_000]


def test_a_broken_connection_and_a_full_disk_are_told_apart() -> None:
    class ConnectError(Exception):
        """An error like those of the hub client, which are not OSErrors."""

        __module__ = "httpx2._exceptions"

    for error, message in (
        (ConnectError("reset"), "without network"),
        (ConnectionResetError("reset"), "without network"),
        (OSError(errno.ENOSPC, "full"), "no disk space left"),
    ):
        with pytest.raises(MTError, match=message), hub._hub_errors("owner/name", "", local=False):
            raise error
    with pytest.raises(ZeroDivisionError), hub._hub_errors("owner/name", "", local=False):
        raise ZeroDivisionError
