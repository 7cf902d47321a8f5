"""Folders of exports that several processes write."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mt.errors import MTError
from mt.exporting import folders
from mt.exporting.folders import write_folder


def test_a_second_writer_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "export"
    begun, go = threading.Event(), threading.Event()

    def write_slowly(part: Path) -> None:
        (part / "one").touch()
        begun.set()
        assert go.wait(30)
        (part / "record").write_text("first")

    def write(part: Path) -> None:
        assert (folder / "record").read_text() == "first"
        (part / "record").write_text("second")

    threads = [threading.Thread(target=write_folder, args=(folder, write_slowly, "record"))]
    threads[0].start()
    assert begun.wait(30)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "LOCK_SECONDS", 0.1)
        with pytest.raises(MTError, match="another process writes it"):
            write_folder(folder, write, "record")
    threads.append(threading.Thread(target=write_folder, args=(folder, write, "record")))
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert {file.name for file in folder.iterdir()} == {"record"}
    assert (folder / "record").read_text() == "second"
