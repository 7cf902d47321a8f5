"""The layout of the tests: where they are, and what they may import."""

from __future__ import annotations

import ast
from pathlib import Path

from helpers import ROOT

TESTS = ROOT / "tests"
FILES = sorted(TESTS.rglob("*.py"))
# Directories of tests that mirror no package in mt
OTHERS = {
    "commands",  # the modules of mt that have a main function
    "ground",  # the other modules directly in mt
    "helpers",
    "project",
    "scripts",
}


def imported_roots(path: Path) -> set[str]:
    """Return the first part of the name of every module that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append("." * node.level + (node.module or ""))
    return {name.split(".")[0] for name in names}


def test_no_test_file_imports_another() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in FILES} - {"helpers", "conftest.py"}
    modules = {path.stem for path in TESTS.rglob("test_*.py")}
    assert {"training", "test_layout"} <= folders | modules
    for path in FILES:
        wrong = imported_roots(path) & {"", "tests", "conftest", *folders, *modules}
        assert not wrong, f"{path} imports {wrong}: put what tests share into tests/helpers"


def test_every_directory_of_tests_mirrors_a_package() -> None:
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS)
        assert folder.parts, f"{path} belongs into the directory of what it tests"
        if folder.parts[0] not in OTHERS:
            assert (ROOT / "mt" / folder / "__init__.py").is_file(), path
