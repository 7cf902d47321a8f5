"""CSV and TSV of the hub: text stays as it was written, and no row is lost in silence."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from mt.config.schema import DataConfig, SplitConfig
from mt.data.corpus import RawCorpus, load_corpus
from mt.errors import MTError


@pytest.fixture(autouse=True)
def quiet_hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))


def load(split: SplitConfig) -> RawCorpus:
    return load_corpus(DataConfig(train=split, val=split, test=split, src_lang="en", tgt_lang="de"))


def pairs_of(split: SplitConfig) -> list[tuple[str, str]]:
    return list(load(split).train[0].pairs())


def hub_file(folder: Path, name: str, text: str) -> SplitConfig:
    """A local folder that holds one file."""
    folder.mkdir()
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return SplitConfig(hub=str(folder), split="train")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_quotation_marks_in_tsv_of_the_hub_are_text(tmp_path: Path, line_end: str) -> None:
    pairs = [(f"sentence {i}", f"Satz {i}") for i in range(60)]
    pairs[7], pairs[37] = ('"an open quotation', "offen"), ('"another', 'auch "so"')
    pairs[50] = ("in\rside", '"ganz"')
    lines = ["en\tde", *map("\t".join, pairs)]
    split = hub_file(tmp_path / "t", "train.tsv", "".join(line + line_end for line in lines))
    loaded = load(split)
    assert list(loaded.train[0].pairs()) == pairs
    assert loaded.notes == []


def test_rows_that_a_quotation_mark_glues_in_csv_are_named(tmp_path: Path) -> None:
    rows = ["en,de", "a,b", '"open,offen', "line,Zeile", 'end",Ende', "x,y"]
    loaded = load(hub_file(tmp_path / "c", "train.csv", "\n".join(rows)))
    assert [target for _, target in loaded.train[0].pairs()] == ["b", "Ende", "y"]
    assert len(loaded.notes) == 1 and "line breaks inside the text of 1 rows (2)" in loaded.notes[0]


def test_values_in_csv_of_the_hub_stay_as_they_were_written(tmp_path: Path) -> None:
    pairs = [("007", "1.0"), ("", "True"), ("NaN", "2020-01-01"), ("text", "1e5")]
    lines = ["en\tde", *map("\t".join, pairs)]
    assert pairs_of(hub_file(tmp_path / "t", "train.tsv", "\n".join(lines))) == pairs
    many = [(str(i), f"0{i}") for i in range(25_000)] + [("text", "Text")]  # of several chunks
    lines = ["en,de", *map(",".join, many)]
    assert pairs_of(hub_file(tmp_path / "c", "train.csv", "\n".join(lines))) == many


def test_rows_with_more_fields_than_the_header_are_errors(tmp_path: Path) -> None:
    split = hub_file(tmp_path / "t", "train.tsv", "en\tde\n1\thouse\tHaus\n2\tdog\tHund\n")
    with pytest.raises(MTError, match="Length of header"):
        pairs_of(split)


def test_translations_of_the_hub_are_text_or_missing(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    numbers = '{"translation": {"en": "a", "de": 1}}\n'
    (tmp_path / "n" / "train.jsonl").write_text(numbers, encoding="utf-8")
    with pytest.raises(MTError, match="column de holds int64, not text"):
        pairs_of(SplitConfig(hub=str(tmp_path / "n"), split="train"))
    (tmp_path / "t").mkdir()
    rows = [{"translation": {"en": "a", "de": None}}, {"translation": None}]
    rows += [{"translation": {"en": "b", "de": "c"}}]
    path = tmp_path / "t" / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert pairs_of(SplitConfig(hub=str(tmp_path / "t"), split="train")) == [
        ("a", ""),
        ("", ""),
        ("b", "c"),
    ]
