"""The code in the README of an export, run as it stands, without mt."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from helpers.exports import save_lively_run, save_tagged_run, write_export
from helpers.hub_models import import_as, save_m2m, save_marian
from helpers.small_transformers import tiny
from helpers.tiny_models import WORDS
from mt.config.schema import TokenizerConfig
from mt.data.normalisation import normalise
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import TrainedModel, build_translator, load_run
from mt.run_folder import RunFolder

SENTENCE = "the cat sees under a red tree ö ."


@pytest.fixture(scope="module", params=[True, False], ids=["joint", "separate"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> TrainedModel:
    lines = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(20)] * 3
    config = TokenizerConfig(type="bpe", vocab_size=300, joint=request.param)
    tokenizer = Tokenizer.train(lambda: lines, lambda: lines, config)
    return save_lively_run(tmp_path_factory.mktemp("runs") / "run", tokenizer, tiny(norm="pre"))


@pytest.mark.parametrize(
    "backend, options",
    # The limit is that of the table of positions: 2 * (MAX_PIECES + 1) + 20.
    [("ctranslate2", {"beam": 5, "max_ratio": 0.0, "max_extra": 102}), ("onnx", {"beam": 1})],
)
def test_the_code_gives_the_translation_of_the_run(
    trained: TrainedModel, backend: str, options: dict, tmp_path: Path
) -> None:
    pytest.importorskip({"ctranslate2": "ctranslate2", "onnx": "onnx"}[backend])
    folder = write_export(trained, backend, "float32", tmp_path / "export")
    translator = build_translator([trained], precision="fp32")
    assert normalise(run_code(read_code(folder), folder), "none") == translator.translate(
        SENTENCE, **options
    )


@pytest.mark.medium
@pytest.mark.parametrize("backend, beam", [("ctranslate2", 5), ("onnx", 1)])
@pytest.mark.parametrize(
    "save",
    [save_m2m, save_marian, partial(save_marian, separate=True)],
    ids=["m2m", "marian", "separate"],
)
def test_the_code_of_a_pretrained_model_gives_the_translation_of_its_run(
    save: Callable[[Path], Path], backend: str, beam: int, tmp_path: Path
) -> None:
    pytest.importorskip({"ctranslate2": "ctranslate2", "onnx": "onnx"}[backend])
    run = load_run(import_as(save(tmp_path / "hub"), tmp_path / "run"), torch.device("cpu"))
    folder = write_export(run, backend, "float32", tmp_path / "export")
    # A random model does not end, and long outputs differ by rounding.
    code = read_code(folder).replace('"max_decoding_length": 256', '"max_decoding_length": 13')
    code = code.replace("2 * tokens.size + 20", "14")
    translator = build_translator([run], precision="fp32")
    options = {"beam": beam, "max_ratio": 0.0, "max_extra": 13 - bool(run.tokenizer.languages)}
    assert run_code(code, folder).rstrip("\n") == translator.translate(SENTENCE, **options)


def test_the_title_is_the_name_of_the_folder_that_the_command_is_in(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctranslate2")
    monkeypatch.chdir(trained.folder.path)
    run = replace(trained, folder=RunFolder(Path()))
    folder = write_export(run, "ctranslate2", "float32", tmp_path / "export")
    assert (folder / "README.md").read_text().startswith("# run\n")


@pytest.mark.medium
@pytest.mark.parametrize("backend, beam", [("ctranslate2", 5), ("onnx", 1)])
def test_the_code_of_a_model_that_needs_a_tag_has_one(
    backend: str, beam: int, tmp_path: Path
) -> None:
    pytest.importorskip({"ctranslate2": "ctranslate2", "onnx": "onnx"}[backend])
    run = save_tagged_run(tmp_path / "run")
    folder = write_export(run, backend, "float32", tmp_path / "export")
    code = read_code(folder).replace('"max_decoding_length": 102', '"max_decoding_length": 13')
    code = code.replace("2 * tokens.size + 20", "14")
    options = {"beam": beam, "max_ratio": 0.0, "max_extra": 13}
    tagged, untagged = (
        build_translator([run], precision="fp32", tag=tag).translate(SENTENCE, **options)
        for tag in ("<2de>", "")
    )
    assert normalise(run_code(code, folder), "none") == tagged != untagged
    assert r"The tags are '\x01<2de>', '\x01<2en>'." in (folder / "README.md").read_text()


def read_code(folder: Path) -> str:
    """Return the code in the README of an export."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    assert "import mt" not in code and "A sentence." in code
    return code.replace("A sentence.", SENTENCE)


def run_code(code: str, folder: Path) -> str:
    """Run the code of a README in its folder without mt; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", code],
        cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
