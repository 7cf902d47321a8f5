"""Corpora from the Hugging Face hub and copies of them."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
from pathlib import Path

import datasets
import pytest

from helpers.corpora import PAIRS, corpus, hub_folder, read
from mt.config.schema import SplitConfig
from mt.data.hub_errors import hub_errors
from mt.errors import MTError, UsageError


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


def test_a_streamed_hub_set_has_the_same_pairs_without_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(hub_folder(tmp_path / "set"))
    split = SplitConfig(hub=folder, subset="de-en", split="train")
    prepared = corpus(split).train[0].fingerprint()
    monkeypatch.setattr(
        datasets.DatasetBuilder, "download_and_prepare", lambda self: pytest.fail("copies")
    )
    streamed = dataclasses.replace(split, streaming=True)
    loaded = corpus(streamed).train[0]
    assert list(loaded.pairs()) == list(loaded.pairs()) == PAIRS
    assert loaded.fingerprint() == prepared  # so that both share what is prepared
    assert read(dataclasses.replace(streamed, limit=1)) == PAIRS[:1]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "train.tsv").write_bytes(b'n\tde\ten\r\n1\tNA\tNone\r\n2\tb\t"a\r\n')
    table = SplitConfig(hub=str(tmp_path / "c"), split="train", streaming=True)
    assert read(table) == [("None", "NA"), ('"a', "b")]
    with open(tmp_path / "c" / "train.tsv", "ab") as file:
        file.write(b"3\tb\ta\tmore\r\n")
    for wrong, message in (
        (table, "cannot read hub data set .*more|Expected 3 fields"),
        (dataclasses.replace(streamed, split="train[:1]"), r"Bad split.*train"),
        (SplitConfig(file="x.tsv", streaming=True), "data.train.streaming is for data.train.hub"),
    ):
        with pytest.raises((MTError, UsageError), match=message):
            read(wrong)


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


def test_a_broken_connection_and_a_full_disk_are_told_apart() -> None:
    class ConnectError(Exception):
        """An error like those of the hub client, which are not OSErrors."""

        __module__ = "httpx2._exceptions"

    for error, message in (
        (ConnectError("reset"), "without network"),
        (ConnectionResetError("reset"), "without network"),
        (OSError(errno.ENOSPC, "full"), "no disk space left"),
    ):
        with pytest.raises(MTError, match=message), hub_errors("owner/name", "", local=False):
            raise error
    with pytest.raises(ZeroDivisionError), hub_errors("owner/name", "", local=False):
        raise ZeroDivisionError
