"""Files are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt.errors import MTError
from mt.files import atomic_write, write_lines


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


def test_a_line_break_within_a_string_does_not_shift_the_lines(tmp_path: Path) -> None:
    write_lines(tmp_path / "lines", ["a\nb", "", "c\u2028d\r\n"])
    assert (tmp_path / "lines").read_bytes() == b"a b\n\nc d\n"
