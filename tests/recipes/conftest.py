"""The commands that a recipe runs, recorded and not executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mt.config.compose import load_config
from mt.config.overrides import quote_value
from mt.data.text_files import read_lines
from mt.files import write_lines
from mt.recipes import backtranslate, diversify, steps


@pytest.fixture
def weights() -> dict[str, bytes]:
    """The content of the models that recipes train, by the name of the run."""
    return {}


@pytest.fixture
def commands(weights: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that a recipe runs; a translation turns each line around, in parts of two."""
    seen: list[list[str]] = []

    def run(command: str, *arguments: str) -> None:
        seen.append([command, *arguments])
        if command == "translate":
            files = dict(zip(arguments, arguments[1:], strict=False))
            lines = read_lines(Path(files["--input"]))
            write_lines(Path(files["--output"]), [line[::-1] for line in lines])
        else:
            config = load_config(list(arguments))
            folder = Path(config.runs_dir) / config.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.safetensors").write_bytes(weights.get(config.name, b"weights"))

    monkeypatch.setattr(steps, "PART_LINES", 2)
    for module in (steps, backtranslate, diversify):
        monkeypatch.setattr(module, "run_mt", run)
    return seen


@pytest.fixture
def given_text() -> Callable[..., list[str]]:
    """Write small texts into a folder; return the settings of a run that has them."""

    def write(folder: Path, src: list[str], tgt: list[str]) -> list[str]:
        settings = []
        for split in ("train", "val", "test"):
            for side, lines in (("src", src), ("tgt", tgt)):
                path = folder / f"{split}.{side}"
                write_lines(path, lines if split == "train" else ["Text."])
                settings.append(f"data.{split}.{side}={quote_value(str(path))}")
        return [*settings, f"runs_dir={quote_value(f'{folder}/runs')}", "name=m"]

    return write
