"""The recipes of CONTRIBUTING.md, followed to the letter on one copy of the project.

An instruction is "New file `PATH`" or "In `PATH`, above `TEXT`", with a block of code; or "Add
`ROW` to `TABLE` in `PATH`"; or a block of shell that runs pytest.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT

pytestmark = pytest.mark.medium

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Recipes")[1]
RECIPES = dict(re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", GUIDE, re.M | re.S))
CODE = r":\n\n```\w+\n(?P<code>.*?)```"
INSTRUCTION = re.compile(
    rf"New file `(?P<new>[^`]+)`[^\n]*?{CODE}"
    rf"|In `(?P<path>[^`]+)`, above `(?P<anchor>[^`]+)`{CODE.replace('code', 'above')}"
    r"|Add `(?P<row>[^`]+)` to `(?P<table>\w+)` in `(?P<file>[^`]+)`"
    r"|```sh\npytest (?P<pytest>[^\n]+)\n```",
    re.S,
)


def insert_above(path: Path, anchor: str, code: str) -> None:
    """Insert code before the only line that begins with `anchor`."""
    text = path.read_text(encoding="utf-8")
    (place,) = re.finditer(rf"^{re.escape(anchor)}", text, re.M)
    blank = "" if code.startswith(("import ", "from ")) else "\n\n"
    path.write_text(text[: place.start()] + code + blank + text[place.start() :], encoding="utf-8")


def append_to_table(path: Path, table: str, row: str) -> None:
    """Append a row to the dictionary, list or tuple that is assigned to the name `table`."""
    text = path.read_text(encoding="utf-8")
    (value,) = (
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == table
    )
    lines = text.splitlines(keepends=True)
    end = sum(len(line) for line in lines[: value.end_lineno - 1])
    end += len(lines[value.end_lineno - 1].encode()[: value.end_col_offset - 1].decode())
    rows = text[:end].rstrip()
    separator = " " if rows.endswith(",") else ", "
    path.write_text(f"{rows}{separator}{row},\n{text[end:]}", encoding="utf-8")


def apply(instruction: re.Match[str], project: Path) -> None:
    """Edit a file as an instruction says."""
    parts = instruction.groupdict()
    if parts["new"]:
        assert not (project / parts["new"]).exists()
        (project / parts["new"]).write_text(parts["code"], encoding="utf-8")
    elif parts["anchor"]:
        insert_above(project / parts["path"], parts["anchor"], parts["above"])
    elif parts["row"]:
        append_to_table(project / parts["file"], parts["table"], parts["row"])


# Runs several calls of pytest in one process, because starting one takes as long as its tests.
DRIVER = """
import json, sys
import pytest

class Outcomes:
    def __init__(self):
        self.failed, self.passed = [], []

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(f"{report.nodeid}\\n{report.longreprtext}")
        elif report.when == "call" and report.passed:
            self.passed.append(report.nodeid)

results = {}
for name, arguments in json.loads(sys.argv[1]).items():
    outcomes = Outcomes()
    code = pytest.main([*arguments, "-q", "-p", "no:cacheprovider"], plugins=[outcomes])
    results[name] = {"code": code, **vars(outcomes)}
json.dump(results, open("outcomes.json", "w"))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Follow all recipes on one copy, and return the outcomes of the tests that each runs."""
    project = tmp_path_factory.mktemp("project")
    without = shutil.ignore_patterns("__pycache__")
    for folder in ("mt", "configs", "tests"):
        shutil.copytree(ROOT / folder, project / folder, ignore=without)
    shutil.copy(ROOT / "pyproject.toml", project)
    commands = {}
    for title, recipe in RECIPES.items():
        instructions = list(INSTRUCTION.finditer(recipe))
        blocks = recipe.count("```") // 2
        assert blocks == sum("```" in match[0] for match in instructions), f"{title}: stray block"
        for instruction in instructions:
            apply(instruction, project)
        (arguments,) = (match["pytest"] for match in instructions if match["pytest"])
        commands[title] = shlex.split(arguments)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(commands)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((project / "outcomes.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "recipe, passed",
    [
        ("A position scheme", ["kerple-encoder", "kerple-decoder", "[kerple]"]),
        ("A score of the RNN's attention", ["[tanh_bilinear]", "[rnn, tanh_bilinear]"]),
        ("A metric", ["per_counts_words", "per_takes_the_closest", "mt_compare"]),
        ("A learning-rate schedule", ["[step_decay]", "every_name"]),
        ("A data format", ["test_csv_with_quotes", "test_tsv"]),
        ("A section of the comparison report", ["range_is_that", "left_out_if", "test_files"]),
    ],
)
def test_the_tests_that_a_recipe_names_pass(
    recipe: str, passed: list[str], outcomes: dict[str, dict[str, Any]]
) -> None:
    outcome = outcomes[recipe]
    assert not outcome["failed"], "\n".join(outcome["failed"])
    assert outcome["code"] == 0
    for name in passed:
        assert any(name in test for test in outcome["passed"]), (name, outcome["passed"])


def test_every_recipe_is_followed(outcomes: dict[str, dict[str, Any]]) -> None:
    assert len(RECIPES) == 6 and set(outcomes) == set(RECIPES)
