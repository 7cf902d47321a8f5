"""The worked example of CONTRIBUTING.md, followed to the letter on a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import ROOT


def insert(path: Path, before: str, text: str) -> None:
    """Put text before the one place that holds `before`."""
    old = path.read_text(encoding="utf-8")
    assert old.count(before) == 1, (path, before)
    path.write_text(old.replace(before, text + before), encoding="utf-8")


def test_the_mechanism_that_it_adds_passes_the_tests_that_it_names(tmp_path: Path) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"```(?:python|yaml)\n(.*?)```", guide.split("## A mechanism from paper to test")[1], re.S
    )
    scheme, line, settings, variant, reference = blocks
    for folder in ("mt", "configs", "tests"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    positions, config = (
        tmp_path / "mt/attention/transformer/positions.py",
        tmp_path / "mt/config/model_schema.py",
    )
    insert(positions, "# Name -> scheme of one side", scheme + "\n\n")
    insert(positions, '    "rope": lambda', line)
    insert(config, '"rope")', '"kerple", ')
    (tmp_path / "configs/position/kerple.yaml").write_text(settings, encoding="utf-8")
    insert(tmp_path / "tests/helpers/variants.py", '    "rope": tiny', variant)
    insert(tmp_path / "tests/attention/test_transformer.py", "SCORES = {", reference + "\n\n")
    insert(tmp_path / "tests/attention/test_transformer.py", '"rope": rope}', '"kerple": kerple, ')

    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "kerple",
        "tests",
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 11, done.stdout
