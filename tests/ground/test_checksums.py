"""Checksums beside the files of a directory."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from mt.checksums import CHECKSUMS, Checksums
from mt.errors import MTError


def test_a_changed_or_lost_file_is_named_with_the_ways_out(tmp_path: Path) -> None:
    checksums, paths = Checksums(tmp_path), [tmp_path / "a b.txt", tmp_path / "sub" / "c"]
    with checksums.update(*paths):
        paths[1].parent.mkdir()
        for path in paths:
            path.write_text(path.name)
    value = zlib.crc32(b"a b.txt")
    assert f"crc32:{value:08x} a b.txt\n" in checksums.path.read_text()
    checksums.check_all("do this")
    paths[0].write_text("a c.txt")
    with pytest.raises(MTError, match=r"a b.txt has changed since mt wrote it: do this; if the"):
        checksums.check(paths[0], "do this")
    paths[1].unlink()
    with pytest.raises(MTError, match=r"sub/c is missing: do this; .* delete its line in"):
        checksums.check(paths[1], "do this")
    lines = checksums.path.read_text().splitlines(keepends=True)
    checksums.path.write_text(lines[1])  # without the line of a b.txt
    checksums.check(paths[0], "do this")


def test_a_write_that_is_interrupted_leaves_no_checksum(tmp_path: Path) -> None:
    checksums, path, other = Checksums(tmp_path), tmp_path / "a", tmp_path / "b"
    with checksums.update(path, other):
        path.write_text("old")
        other.write_text("old")
    with pytest.raises(KeyboardInterrupt), checksums.update(path):
        path.write_text("new")
        raise KeyboardInterrupt
    assert checksums.matches(path)
    other.write_text("damaged")
    assert not checksums.matches(other)


def test_missing_checksums_are_added_and_the_others_stay(tmp_path: Path) -> None:
    checksums, names = Checksums(tmp_path), ("recorded", "unrecorded", "absent")
    recorded, unrecorded, absent = paths = [tmp_path / name for name in names]
    with checksums.update(recorded):
        recorded.write_text("old")
    recorded.write_text("damaged")
    unrecorded.write_text("new")
    checksums.add_missing(paths)
    assert not checksums.matches(recorded) and checksums.matches(unrecorded)
    unrecorded.write_text("damaged")
    assert not checksums.matches(unrecorded)
    absent.write_text("mine")
    assert checksums.matches(absent)


def test_missing_checksums_of_a_directory_that_cannot_be_written_are_no_error(tmp_path) -> None:
    (tmp_path / CHECKSUMS).mkdir()
    (tmp_path / "a").write_text("content")
    Checksums(tmp_path).add_missing([tmp_path / "a"])
    assert (tmp_path / CHECKSUMS).is_dir()


def test_what_another_process_records_meanwhile_is_kept(tmp_path: Path) -> None:
    checksums, path, other = Checksums(tmp_path), tmp_path / "a", tmp_path / "b"
    for text in ("old", "new"):
        with checksums.update(path):
            path.write_text(text)
            with Checksums(tmp_path).update(other):
                other.write_text(text)
        assert checksums.matches(path) and checksums.matches(other)
    assert len(checksums.path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"crc32:xyz a\n", b"crc32:00000000", b"crc32:00000000 a\0\n", b"\n\n ",
     b"crc32:00000000 " + b"x" * 10_000, b"crc32:00000000 /\n", b"crc32:00000000 ../a\n"],
)  # fmt: skip
def test_damaged_checksums_are_no_traceback(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    checksums = Checksums(tmp_path)
    checksums.path.write_bytes(content)
    assert checksums.matches(tmp_path / "a")
    try:
        checksums.check_all("do this")
    except MTError as error:
        assert "\n" not in str(error)
    with checksums.update(tmp_path / "a"):
        pass
    (tmp_path / "a").write_text("b")
    assert not checksums.matches(tmp_path / "a")
