"""Input files that share a folder of outputs: names, shards, claims and recorded settings."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from mt.decoding import input_files
from mt.decoding.export_folder import ExportInfo
from mt.decoding.input_files import InputFile, InputFiles, find_files, take_shard
from mt.errors import MTError, UsageError


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")


def pairs(pattern: str, folder: Path) -> list[tuple[str, str]]:
    return [(str(file.source), str(file.target)) for file in find_files(pattern, folder)]


def test_outputs_have_the_paths_below_the_folder_in_front_of_the_wildcards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "in/b.txt", "in/a.txt", "in/deep/er/c.txt", "in/x.zst", "in/.hidden")
    write(tmp_path, "in/a.txt.part", "in/out/old.txt", "odd[1]/q.txt", "d.txt")
    assert pairs("in/*.txt", Path("out")) == [("in/a.txt", "out/a.txt"), ("in/b.txt", "out/b.txt")]
    assert pairs("in", Path("out")) == [
        (f"in/{name}", f"out/{name}") for name in ("a.txt", "b.txt", "x.zst")
    ]
    assert pairs("in/**/*.txt", Path("in/out")) == [
        (f"in/{name}", f"in/out/{name}") for name in ("a.txt", "b.txt", "deep/er/c.txt")
    ]
    assert pairs("*.txt", Path("out")) == [("d.txt", "out/d.txt")]
    assert pairs("in/deep/er/c.txt", Path("out")) == [("in/deep/er/c.txt", "out/c.txt")]
    # A file or folder whose own name looks like a pattern.
    assert pairs("odd[1]", Path("out")) == [("odd[1]/q.txt", "out/q.txt")]
    assert pairs("odd[1]/q.txt", Path("out")) == [("odd[1]/q.txt", "out/q.txt")]
    for pattern, message in (("in/*.gz", "no file matches"), ("in/no.txt", "no such file")):
        with pytest.raises(MTError, match=message):
            find_files(pattern, Path("out"))
    for pattern in ("in", "in/*.txt", "in/a.txt"):
        with pytest.raises(UsageError, match="is the folder of the input"):
            find_files(pattern, Path("deep/../in"))


@pytest.mark.parametrize("total", [1, 3, 7])
def test_each_file_is_in_one_shard_and_shards_are_equally_large(total: int) -> None:
    files = [InputFile(Path(f"in/{i}"), Path(f"out/{i}")) for i in range(7)]
    shards = [take_shard(files, f"{index}/{total}") for index in range(1, total + 1)]
    assert sorted((f for shard in shards for f in shard), key=files.index) == files
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert shards[0][:2] == [files[0], files[total]] if total < 7 else [files[0]]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1/8", "x", "1/", "-1/2", "1/2/3", "٣/٣", ""])
def test_a_shard_that_does_not_exist_is_refused(shard: str) -> None:
    files = [InputFile(Path(f"in/{i}"), Path(f"out/{i}")) for i in range(7)]
    with pytest.raises(UsageError, match="--shard"):
        take_shard(files, shard)


def test_a_file_has_one_writer_until_it_is_finished(tmp_path: Path) -> None:
    write(tmp_path, "in/a.txt", "in/b.txt")
    first, second = (
        InputFiles(find_files(str(tmp_path / "in"), tmp_path / "out"), tmp_path / "out")
        for _ in range(2)
    )
    a, b = first
    with first.claim(a) as is_mine:
        assert is_mine
        with second.claim(a) as is_theirs, second.claim(b) as is_other:
            assert not is_theirs and is_other
    with pytest.raises(KeyboardInterrupt), second.claim(a) as is_theirs:
        assert is_theirs  # the first one ended without an output
        raise KeyboardInterrupt
    with first.claim(a) as is_mine:
        assert is_mine
        a.target.write_text("done")
    with second.claim(a) as is_theirs:
        assert not is_theirs


def test_a_file_with_the_name_of_the_record_keeps_no_other_process_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_files, "weights_checksum", lambda run: "w")
    write(tmp_path, "in/settings.json")
    folder = tmp_path / "out"
    files = InputFiles(find_files(str(tmp_path / "in"), folder), folder)
    with files.claim(next(iter(files))):
        lock = FileLock(folder / ".mt-translate" / "settings.json.lock")
        lock.acquire(timeout=0)
        lock.release()
        files.record_settings(Namespace(run="r", ensemble=[], backend="auto", quantization=""))


def test_outputs_of_one_folder_are_made_by_the_same_settings_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = SimpleNamespace(now="w1")
    monkeypatch.setattr(input_files, "weights_checksum", lambda run: weights.now)
    write(tmp_path, "in/a.txt")
    files = InputFiles(find_files(str(tmp_path / "in"), tmp_path / "out"), tmp_path / "out")
    model = {"run": "r", "ensemble": [], "backend": "auto", "quantization": ""}
    given = Namespace(**model, beam=5, tag=None, threads=1)
    files.record_settings(given)
    files.record_settings(Namespace(**{**vars(given), "run": "moved", "threads": 8}))
    with pytest.raises(MTError, match=re.escape("(beam 4 instead of 5)")):
        files.record_settings(Namespace(**{**vars(given), "beam": 4}))
    with pytest.raises(MTError, match=re.escape("(tag '<x>' instead of None)")):
        files.record_settings(Namespace(**{**vars(given), "tag": "<x>"}))
    files.record_settings(Namespace(**{**vars(given), "quantization": "float32"}))
    for backend, kind in (("ctranslate2", "float32"), ("onnx", "int8")):
        export = tmp_path / "r" / "export" / f"{backend}-{kind}"
        export.mkdir(parents=True)
        info = ExportInfo(backend, kind, longest=0, library="")
        (export / "export.json").write_text(json.dumps(asdict(info)))
    run = str(tmp_path / "r")
    files.record_settings(Namespace(**{**vars(given), "run": run, "backend": "ctranslate2"}))
    int8 = ({"run": run, "backend": "onnx"}, {"run": str(export)}, {"quantization": "int8"})
    for change in int8:
        with pytest.raises(MTError, match=re.escape("(quantization 'int8' instead of '')")):
            files.record_settings(Namespace(**{**vars(given), **change}))
    weights.now = "w2"
    with pytest.raises(MTError, match="weights"):
        files.record_settings(given)
    (tmp_path / "out" / ".mt-translate" / "settings.json").write_text("[")
    with pytest.raises(MTError, match="delete it to go on"):
        files.record_settings(given)
