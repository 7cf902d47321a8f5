"""Output goes to what the path names: links, devices and pipes stay what they are."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helpers import ROOT
from mt.decoding.line_io import open_output
from mt.errors import MTError
from mt.files import open_text, write_text
from mt.tensor_files import write_tensors


def write_lines_as_they_come(path: Path, text: str) -> None:
    with open_output(str(path)) as file:
        file.write(text)


WRITERS = pytest.mark.parametrize("write", [write_text, write_lines_as_they_come])


@WRITERS
@pytest.mark.parametrize("existing", [True, False])
def test_a_link_stays_and_its_target_is_written(
    write: Callable[[Path, str], None], existing: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    target, link, outer = folder / "out.txt", tmp_path / "link", tmp_path / "outer"
    if existing:
        target.write_text("old")
    link.symlink_to(Path("results") / "out.txt")
    outer.symlink_to(link)
    write(outer, "neu\n")
    assert link.is_symlink() and outer.is_symlink()
    assert target.read_text() == "neu\n" and not target.is_symlink()
    assert list(folder.iterdir()) == [target] and len(list(tmp_path.iterdir())) == 3


@WRITERS
def test_a_pipe_is_written_to(write: Callable[[Path, str], None], tmp_path: Path) -> None:
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe, "eins\n")
    reader.join(timeout=10)
    assert received == ["eins\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]


@WRITERS
def test_a_device_is_written_to(write: Callable[[Path, str], None], tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.symlink_to(os.devnull)  # a device that a faulty test cannot replace
    write(device, "eins\n")
    assert device.is_symlink() and stat.S_ISCHR(os.stat(os.devnull).st_mode)
    write(Path("/dev/null"), "eins\n")
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)
    with pytest.raises((MTError, OSError), match="No space left on device.*|/dev/full"):
        write(Path("/dev/full"), "eins\n")


@WRITERS
@pytest.mark.parametrize("target", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_standard_output_by_name_keeps_what_was_printed(
    write: Callable[[Path, str], None], target: str, tmp_path: Path
) -> None:
    code = (
        "from pathlib import Path\n"
        "from mt.files import write_text\n"
        "from mt.decoding.line_io import open_output\n"
        "def write_lines_as_they_come(path, text):\n"
        "    with open_output(str(path)) as file:\n"
        "        file.write(text)\n"
        "print('before', flush=True)\n"
        f"{write.__name__}(Path({target!r}), 'eins\\n')\n"
        "print('after', flush=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "out", "w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, env=environment)
    assert (tmp_path / "out").read_text() == "before\neins\nafter\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_file_that_another_process_writes_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(str(path)) as file:
        file.write("eins\n")
        with pytest.raises(MTError, match=f"another process is writing {path}"):
            write_lines_as_they_come(path, "zwei\n")
    assert path.read_text() == "eins\n" and list(tmp_path.iterdir()) == [path]
    write_lines_as_they_come(path, "drei\n")
    assert path.read_text() == "drei\n" and list(tmp_path.iterdir()) == [path]


def test_circular_links_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(MTError, match="Too many levels of symbolic links"):
        write_text(tmp_path / "a", "x")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        write_lines_as_they_come(tmp_path / "a", "x")


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_files_have_the_mode_of_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "text", "x")
        write_tensors(tmp_path / "tensors", {"a": torch.zeros(2)}, {})
        write_lines_as_they_come(tmp_path / "lines", "x")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}


def test_a_full_disk_is_reported_with_the_name_of_the_file() -> None:
    file = open_text(Path("/dev/full"), "a")
    with pytest.raises(OSError, match="No space left on device") as caught:
        print("line", file=file, flush=True)
    assert caught.value.filename == "/dev/full"
    with pytest.raises(OSError, match="/dev/full"):
        file.close()
