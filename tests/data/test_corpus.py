"""Reading of all kinds of corpora, held-out sets, and errors."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from helpers.corpora import PAIRS, corpus, hub_folder, read, write_sides
from mt.config.schema import DataConfig, SplitConfig
from mt.data import readers
from mt.data.corpus import load_corpus
from mt.data.text_files import read_lines
from mt.data.tmx import TmxReader
from mt.errors import MTError, UsageError


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


@pytest.mark.medium
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


@pytest.mark.parametrize("kind", sorted({*readers.TABLES} - {*readers.READERS}))
def test_tables_of_spreadsheets_are_refused_with_what_to_do(kind: str) -> None:
    for name in (f"t{kind}", f"T{kind.upper()}.gz"):
        with pytest.raises(UsageError, match=r"text in UTF-8, named \.tsv.* src and tgt"):
            corpus(SplitConfig(file=name))


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
