"""Arrow files that are read in chunks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mt.data import arrow_files
from mt.data.arrow_files import TEXT, read_chunks, text_table, write_arrow
from mt.errors import MTError

PAIRS = [(f"source {number}", f"target {number}") for number in range(23)]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file whose record batches are smaller and larger than the chunks."""
    monkeypatch.setattr(arrow_files, "CHUNK_SIZE", 5)
    path = tmp_path / "text.arrow"
    parts = [PAIRS[:3], PAIRS[3:4], [], PAIRS[4:21], PAIRS[21:]]
    assert write_arrow(path, TEXT, map(text_table, parts)) == 23
    return path


def test_chunks_have_one_size_whatever_was_written(path: Path) -> None:
    tables = list(read_chunks(path))
    assert [len(table) for table in tables] == [5, 5, 5, 5, 3]
    rows = [(row["src"], row["tgt"]) for table in tables for row in table.to_pylist()]
    assert rows == PAIRS
    write_arrow(path, TEXT, [])
    assert list(read_chunks(path)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the list of mapped files is Linux's")
def test_a_file_that_is_read_in_chunks_is_not_mapped(path: Path) -> None:
    chunks = read_chunks(path)
    next(chunks)
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_damage_is_named(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])
    for damaged in (path, path.with_name("missing.arrow")):
        with pytest.raises(MTError, match=rf"cannot read {damaged} .*: delete the folder to"):
            list(read_chunks(damaged))
