"""Commands that install optional packages: they work beside a checkout and beside a wheel."""

from __future__ import annotations

import re
import tomllib

import pytest

from helpers import ROOT
from mt.optional import PACKAGES, install_command


@pytest.mark.parametrize("extra", PACKAGES)
def test_the_command_names_the_packages_of_the_extra(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [re.split(r"[<>=~! ]", entry)[0] for entry in project["optional-dependencies"][extra]]
    assert install_command(extra) == f"pip install {' '.join(needed)}"


def test_no_file_recommends_to_install_mt_from_the_index() -> None:
    files = [*(ROOT / "mt").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    name = "pip install '" + "mt-attention"
    assert [path for path in files if name in path.read_text(encoding="utf-8")] == []
