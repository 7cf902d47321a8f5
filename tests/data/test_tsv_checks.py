"""Test what is said about the columns of tab-separated files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from helpers.corpora import corpus
from mt.config.schema import SplitConfig

SENTENCES = [
    (f"Sentence {i}, with a comma.", f'Satz {i} sagt "ja".' if i % 2 else f"Satz {i}.")
    for i in range(40)
]


def notes(path: Path, rows: list[tuple[str, ...]], **settings: object) -> list[str]:
    """Write rows as they are, read their pairs, and return what is said about the file."""
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return read_notes(SplitConfig(file=str(path), **settings))  # type: ignore[arg-type]


def read_notes(split: SplitConfig) -> list[str]:
    loaded = corpus(split)
    for source in (*loaded.train, loaded.val):
        list(source.pairs())
    return [note for note in loaded.notes if "data.val" not in note]


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_quotation_marks_of_a_spreadsheet_are_warned_of(tmp_path: Path, quoting: int) -> None:
    path = tmp_path / "t.tsv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", quoting=quoting)  # type: ignore[arg-type]
        writer.writerows(SENTENCES)
    columns = "column 0 and column 1" if quoting == csv.QUOTE_ALL else "column 1"
    (warning,) = read_notes(SplitConfig(file=str(path), limit=3))
    assert warning.startswith(f"warning: the cells of {columns} of {path} are in quotation")


def test_commas_that_a_spreadsheet_quotes_are_warned_of(tmp_path: Path) -> None:
    rows = [(f'"Yes, {i}."', "Ja.") if i % 3 == 0 else (f"Yes {i}.", "Ja.") for i in range(60)]
    (warning,) = notes(tmp_path / "t.tsv", rows)
    assert "column 0" in warning


@pytest.mark.parametrize("quotation", ['"Yes."', '"Yes", she said.', '5" by 7"', '"'])
def test_quotations_in_some_lines_are_text(tmp_path: Path, quotation: str) -> None:
    sources = [quotation if i % 3 == 0 else '"Yes, sir."' for i in range(40)]
    rows = [(source, "Ja.") for source in sources] + [(f"Line {i}", "x") for i in range(60)]
    assert notes(tmp_path / "t.tsv", rows) == []


def test_marks_in_columns_that_are_not_used_do_not_matter(tmp_path: Path) -> None:
    rows = [("a", "b", '"c"')] * 20
    assert notes(tmp_path / "t.tsv", rows, columns=["1", "0"]) == []


def test_columns_that_are_not_used_are_named_unless_they_are_chosen(tmp_path: Path) -> None:
    rows = [(str(i), *pair) for i, pair in enumerate(SENTENCES)]
    note, warning = notes(tmp_path / "t.tsv", rows)
    assert note.startswith(f"note: {tmp_path / 't.tsv'} has 3 columns, from 0 to 2")
    assert "of 0 and 1; data.train.columns=[1,2]" in note
    assert warning.startswith("warning: column 0 of ") and "data.train.columns" in warning
    assert notes(tmp_path / "t.tsv", rows, columns=["1", "2"]) == []
    tagged = [("Hello.", "Hallo.", "<a>")] * 5
    assert notes(tmp_path / "t.tsv", tagged, tag_column="2") == []
    stray = [*SENTENCES, ("one", "eins", "")]
    assert notes(tmp_path / "t.tsv", stray) == []


def test_the_setting_of_a_corpus_that_is_added_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a\tb\tc\n" * 3, encoding="utf-8")
    split = SplitConfig(file=str(path))
    loaded = corpus(split, mix={"more": split})
    assert list(loaded.train[1].pairs()) == [("a", "b")] * 3
    assert "data.mix.more.columns=[1,2]" in loaded.notes[0]


def test_an_empty_file_is_no_problem(tmp_path: Path) -> None:
    assert notes(tmp_path / "t.tsv", []) == []
