"""The workflow of hosted CI, and what `make lint` checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml

from helpers import ROOT


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    text = (ROOT / ".github" / "workflows" / "ci.yaml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert set(workflow[True]) == {"push", "pull_request"}  # YAML 1.1 reads the key `on` as true
    (only_job,) = workflow["jobs"].values()
    return only_job


def test_the_workflow_runs_the_checks_on_every_python_that_the_package_supports(
    job: dict[str, Any],
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classifiers = "\n".join(project["classifiers"])
    supported = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", classifiers, re.M)
    assert job["strategy"]["matrix"]["python-version"] == supported
    assert project["requires-python"] == f">={supported[0]}"
    versions = [
        step["with"]["python-version"] for step in job["steps"] if "python" in step.get("uses", "")
    ]
    assert versions == ["${{ matrix.python-version }}"]


def test_the_workflow_calls_the_script_of_all_checks_last(job: dict[str, Any]) -> None:
    assert job["steps"][-1]["run"] == ".ci/run"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_workflow_installs_the_cpu_build_of_pytorch_before_the_checks(
    job: dict[str, Any],
) -> None:
    index = "https://download.pytorch.org/whl/cpu"
    assert job["env"]["PIP_EXTRA_INDEX_URL"] == index
    commands = [step.get("run", "") for step in job["steps"]]
    (install,) = (command for command in commands if "torch" in command)
    assert index in install and "-c constraints.txt" in install
    assert commands.index(install) < commands.index(".ci/run")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
@pytest.mark.parametrize(
    "target, tools",
    [
        ("lint", ["ruff check .", "ruff format --check .", "lint-imports", "mypy"]),
        ("test", ["ruff check .", "ruff format --check .", "lint-imports", "python -m pytest"]),
        ("test-medium", ["python -m pytest"]),
        ("test-slow", ["python -m pytest -m slow"]),
    ],
)
def test_make_runs_every_check(target: str, tools: list[str]) -> None:
    plan = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True, text=True
    )
    commands = [line.removeprefix(".venv/bin/") for line in plan.stdout.splitlines()]
    for tool in tools:
        assert any(command.startswith(tool) for command in commands), tool
