"""Trainings that are killed at random moments give the results of an uninterrupted one."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT
from helpers.training_runs import run_training, write_tiny_run
from mt.run_folder import RunFolder

DRIVER = ROOT / "scripts" / "kill_driver.py"


@pytest.fixture
def kill_results(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DRIVER.parent))
    return importlib.import_module("kill_results")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished training, which no test changes."""
    folder = tmp_path_factory.mktemp("finished")
    run_training([*write_tiny_run(folder, 60), "model/size=tiny", "trainer.max_steps=2"])
    return folder / "runs"


def test_results_are_equal_but_for_times_and_any_other_difference_is_found(
    kill_results, finished, tmp_path
):
    folder = Path(shutil.copytree(finished, tmp_path / "runs"))
    expected = kill_results.read(folder)
    (folder / "tiny" / "train.log").write_text("another time")
    assert kill_results.compare(expected, kill_results.read(folder)) == []
    metrics = folder / "tiny" / "metrics.jsonl"
    content = metrics.read_text()
    metrics.write_text(re.sub(r'"minutes": [\d.e-]+', '"minutes": 9', content))
    assert kill_results.compare(expected, kill_results.read(folder)) == []
    metrics.write_text(re.sub(r'"loss": \d', '"loss": 77', content, count=1))
    (folder / "tiny" / ".model.safetensors.unfinished").touch()
    (folder / "tiny" / "test.json").unlink()
    faults = kill_results.compare(expected, kill_results.read(folder))
    assert [fault.partition(":")[0] for fault in sorted(faults)] == [
        "file is left over",
        "file is missing",
        "other content",
    ]


def test_what_cannot_be_read_is_found(kill_results, finished, tmp_path):
    folder = RunFolder.at(shutil.copytree(finished, tmp_path / "runs") / "tiny")
    assert kill_results.unreadable(folder.path) == []
    with folder.locked():
        assert kill_results.unreadable(folder.path) == ["it is locked"]
    folder.model.write_bytes(folder.model.read_bytes()[:-9])
    assert kill_results.unreadable(folder.path)[0].startswith("cannot load: ")
    folder.model.unlink()
    assert kill_results.unreadable(folder.path) == []


@pytest.mark.slow
def test_sixty_kills_leave_the_results_of_an_uninterrupted_training(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DRIVER), "--kills", "60", "--cold", "6", "--folder", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"^60 kills in \d+ runs.* 0 faults$", done.stdout, re.MULTILINE), done.stdout
