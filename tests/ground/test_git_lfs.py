"""Pointers of Git LFS in place of files, wherever mt reads large ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mt.data.hub import load_hub
from mt.data.text_files import read_lines
from mt.decoding.load import load_run
from mt.errors import MTError
from mt.git_lfs import is_pointer, refuse_pointer
from mt.importing.hub_folder import HubFolder

# As git-lfs writes it, in the example of its specification.
POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""


def test_a_pointer_is_known_by_its_whole_content() -> None:
    extended = POINTER.replace(b"oid", b"ext-0-foo sha256:ab\noid")
    assert is_pointer(POINTER) and is_pointer(extended)
    for text in (b"", POINTER[:60], POINTER + b"text\n", b"a\n" + POINTER, POINTER.split(b"o")[0]):
        assert not is_pointer(text)


def test_all_pointers_of_a_folder_are_named_at_once(tmp_path: Path) -> None:
    for name in ("b.model", "a.safetensors"):
        (tmp_path / name).write_bytes(POINTER)
    (tmp_path / "text").write_text("text")
    refuse_pointer(tmp_path / "text")
    refuse_pointer(tmp_path / "none")
    with pytest.raises(MTError) as caught:
        refuse_pointer(tmp_path / "b.model")
    message = f"a.safetensors, b.model in {tmp_path} are Git LFS pointers"
    assert str(caught.value).startswith(message) and "run `git lfs pull`" in str(caught.value)


READERS: dict[str, Callable[[Path], object]] = {
    "weights of the hub": lambda folder: HubFolder(folder, "x").read_tensors(),
    "JSON of the hub": lambda folder: HubFolder(folder, "x").read_json("tokenizer.json"),
    "SentencePiece of the hub": lambda folder: HubFolder(folder, "x").read_sentencepiece(
        "source.spm"
    ),
    "text": lambda folder: list(read_lines(folder / "train.en")),
    "compressed text": lambda folder: list(read_lines(folder / "train.en.gz")),
    "data set of the hub": lambda folder: load_hub(
        str(folder), "", "train", "", [], ("en", "de"), offline=True, streaming=False, warn=print
    ),
}
FILES = ("model.safetensors", "tokenizer.json", "source.spm", "train.en", "train.en.gz")


@pytest.mark.parametrize("kind", READERS)
def test_no_reader_takes_a_pointer_for_content(kind: str, tmp_path: Path) -> None:
    names = ["train.parquet"] if kind == "data set of the hub" else FILES
    for name in names:
        (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(MTError, match="Git LFS pointer"):
        READERS[kind](tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "config.yaml"])
@pytest.mark.parametrize("has_checksums", [True, False])
def test_a_run_from_a_clone_is_refused(
    name: str, has_checksums: bool, run: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    (copy / name).write_bytes(POINTER)
    if not has_checksums:
        (copy / "checksums.txt").unlink()
    with pytest.raises(MTError, match=f"{name} in {copy} is a Git LFS pointer"):
        load_run(copy, torch.device("cpu"))
