"""Damaged files of export folders: one line that names the file and says what to do."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import mt
from helpers.exports import save_lively_run, texts, write_export
from helpers.variants import VARIANTS, tiny
from mt.checksums import CHECKSUMS
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError

BACKENDS = {"ctranslate2": tiny("transformer", "transformer"), "onnx": VARIANTS["luong"]}


@pytest.fixture(scope="module")
def exports(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two exports for each backend, of models with other weights."""
    folder = tmp_path_factory.mktemp("exports")
    for backend, model in BACKENDS.items():
        for seed in range(2):
            run = save_lively_run(folder / f"run-{backend}-{seed}", tokenizer, model, seed)
            write_export(run, backend, "float32", folder / f"{backend}-{seed}")
    return folder


def flip(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[random.Random(3).randrange(len(content))] ^= 4
    path.write_bytes(content)


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def replace_by_folder(path: Path, other: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "flip": flip,
    "truncate": truncate,
    "empty": lambda path, other: path.write_bytes(b""),
    "missing": lambda path, other: path.unlink(),
    "folder": replace_by_folder,
    "list": lambda path, other: path.write_bytes(b"[]"),
    "file of another export": lambda path, other: shutil.copyfile(other, path),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_damaged_file_of_an_export_is_named(
    exports: Path, backend: str, damage: str, tmp_path: Path
) -> None:
    original = exports / f"{backend}-0"
    names = sorted(path.name for path in original.iterdir() if path.name != CHECKSUMS)
    assert {"config.yaml", "export.json", "tokenizer.model"} < set(names) and len(names) > 4
    for name in names:
        folder = Path(shutil.copytree(original, tmp_path / name))
        other = exports / f"{backend}-1" / name
        DAMAGES[damage](folder / name, other)
        if (folder / name).is_file() and (folder / name).read_bytes() == (
            original / name
        ).read_bytes():
            continue  # both exports have the same file
        with pytest.raises(MTError) as caught:
            mt.load(folder, backend=backend)
        message = str(caught.value)
        assert "\n" not in message and str(folder) in message
        is_known = not (name == "export.json" and damage in ("missing", "folder"))
        assert (name if is_known else "mt-export") in message


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_export_of_an_earlier_version_has_no_checksums(
    exports: Path, backend: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exports / f"{backend}-0", tmp_path / "old"))
    (folder / CHECKSUMS).unlink()
    lines = texts(5, 1)
    assert mt.load(folder).translate(lines) == mt.load(exports / f"{backend}-0").translate(lines)


STATES = ["[]", "null", "{}", "[" * 5000, '{"memory": "2", "cache": []}', '{"memory": 1}',
          '{"memory": 2, "cache": [[1], 3]}', '{"memory": 2, "cache": [["x"]]}',
          '{"memory": 99, "cache": []}', '{"memory": 2, "cache": {"a": 1}}',
          '{"memory": 2, "cache": [[-1]]}']  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_a_wrong_state_of_an_onnx_export_is_refused(
    exports: Path, state: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exports / "onnx-0", tmp_path / "copy"))
    (folder / CHECKSUMS).unlink()
    (folder / "state.json").write_text(state)
    with pytest.raises(MTError, match=r"state\.json cannot be read .*: export the run again"):
        mt.load(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("backend", "foo"), ("backend", 3), ("longest", "5"), ("longest", True), ("format", "1"),
     ("quantization", None), ("library", []), ("colour", "red")],
)  # fmt: skip
def test_wrong_metadata_of_an_export_are_refused(
    exports: Path, key: str, value: object, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(exports / "ctranslate2-0", tmp_path / "copy"))
    (folder / CHECKSUMS).unlink()
    facts = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps(facts | {key: value}))
    with pytest.raises(MTError, match=r"export\.json cannot be read .*: export the run again"):
        mt.load(folder)
