"""Files are written completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mt.errors import MTError
from mt.files import atomic_write, expand_user, new_folder, write_lines


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    for error, expected in (
        (OSError(28, "No space left on device"), MTError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        with pytest.raises(expected), atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_what_a_killed_process_leaves_is_removed_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    pid = os.fork()
    if not pid:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            (temporary.parent / ".tmp295x3W").write_text("of a library")
            os._exit(1)  # as SIGKILL does: nothing is cleaned up
    os.waitpid(pid, 0)
    assert [file.name for file in tmp_path.iterdir()] == [".file.unfinished"]
    write_lines(path, ["new"])
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / ".file.unfinished").write_text("a file, as earlier versions left it")
    write_lines(path, ["newer"])
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_complete_or_not_there_and_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (tmp_path / ".folder.unfinished").mkdir()
    (tmp_path / ".folder.unfinished" / "left").touch()  # by a process that was killed
    with pytest.raises(MTError, match="No space"), new_folder(path) as part:
        (part / "file").write_text("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
    path.mkdir()
    with new_folder(path) as part:
        (part / "file").write_text("whole")
    with pytest.raises(MTError, match="could not write"), new_folder(path) as part:
        (part / "file").write_text("another")
    assert [*tmp_path.rglob("*")] == [path, path / "file"]
    assert (path / "file").read_text() == "whole"


def test_a_line_break_within_a_string_does_not_shift_the_lines(tmp_path: Path) -> None:
    write_lines(tmp_path / "lines", ["a\nb", "", "c\u2028d\r\n"])
    assert (tmp_path / "lines").read_bytes() == b"a b\n\nc d\n"


def test_a_path_of_an_unknown_user_stays_as_it_is() -> None:
    assert expand_user("~nosuchuser/x") == Path("~nosuchuser/x")
    assert expand_user("~/x") == Path.home() / "x"
