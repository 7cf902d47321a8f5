"""The commands of docs/guide.md, and its notebook, on tiny data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
from guide_notebook import build_notebook, code_blocks

GUIDE = ROOT / "docs" / "guide.md"
TEXT = GUIDE.read_text(encoding="utf-8")
# In place of what takes long.
SHORTER = ((r"trainer\.max_minutes=\d+", "trainer.max_steps=3"), (r"20_000", "300"))


def shorten(code: str) -> str:
    for pattern, replacement in SHORTER:
        code = re.sub(pattern, replacement, code)
    return code


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a reader: the commands are on the path, and nothing is cached."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for command in ("train", "translate", "evaluate", "compare", "export"):
        path = folder / f"mt-{command}"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mt.{command} "$@"\n')
        path.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "MT_CACHE": str(tmp_path / "cache"),
    }


def test_the_notebook_is_that_of_the_guide() -> None:
    notebook = json.loads((ROOT / "docs" / "guide.ipynb").read_text(encoding="utf-8"))
    assert notebook == build_notebook(TEXT), "run python scripts/guide_notebook.py"
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    assert kinds.count("code") == len(code_blocks(TEXT)) > 5


def test_every_setting_and_flag_of_the_guide_exists() -> None:
    from mt.arguments.translate import build_parser, parse_arguments
    from mt.config.overrides import NAMED
    from mt.config.schema import keys

    known = set(keys())
    named = re.findall(r"(?<![\w/.+])((?:data|optim|trainer|model)\.[a-z_.]+)(?==|`)", TEXT)
    assert named and not [key for key in named if key not in known and not key.startswith(NAMED)]
    flags = set(re.findall(r"--[a-z][a-z-]+(?: [\w.]+)?", TEXT.split("## Troubleshooting")[1]))
    assert flags
    for flag in flags:
        name, *value = flag.split()
        assert name in build_parser()._option_string_actions
        if value:
            parse_arguments(["runs/mine", name, *value])


@pytest.mark.slow
def test_every_command_of_the_guide_works(tmp_path: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    for language, code in code_blocks(TEXT):
        program = [sys.executable, "-c"] if language == "python" else ["bash", "-euc"]
        done = subprocess.run(
            [*program, shorten(code)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{code}\n{done.stderr}"
    lines = (tmp_path / "translated.txt").read_text(encoding="utf-8").splitlines()
    sources = (tmp_path / "runs/mine/test.sources.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(sources) > 0
    assert (tmp_path / "comparison" / "report.html").is_file()
    assert (tmp_path / "runs" / "tuned" / "test.json").is_file()


@pytest.mark.slow
def test_the_notebook_runs(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    nbformat: Any = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    assert shutil.which("bash")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.reads((ROOT / "docs" / "guide.ipynb").read_text(encoding="utf-8"), 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = shorten(cell.source)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=600, resources=resources).execute()
    assert (tmp_path / "translated.txt").is_file()
