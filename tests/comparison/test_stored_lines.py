"""Lines that mt-compare stores in run directories."""

from __future__ import annotations

from pathlib import Path

from mt.comparison.stored_lines import read_stored, store
from mt.run_folder import RunFolder


def test_damaged_lines_count_as_none_even_if_a_kill_prevented_their_checksum(
    tmp_path: Path,
) -> None:
    folder, path = RunFolder(tmp_path), tmp_path / "tests" / "lines.txt"
    path.parent.mkdir()
    assert read_stored(folder, path) is None
    store(folder, path, ["a", "b"])
    folder.checksums.path.unlink()
    assert read_stored(folder, path) == ["a", "b"]
    path.write_text("a\nc\n")
    assert read_stored(folder, path) is None
