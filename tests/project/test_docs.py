"""Documentation and code name only files of the project that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data" / "README.md"])
SHOWN = "configs/compare/NAME.yaml"  # to users, as an example
CODE = [path for folder in ("mt", "scripts", "configs") for path in (ROOT / folder).rglob("*.*")]
PATH = re.compile(r"(?<![\w/.])((?:mt|tests|scripts|configs|docs)/[\w./*-]*\w)")
NEW = re.compile(r"New file `([^`]+)`")  # files that a reader of CONTRIBUTING.md writes


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_and_link_in_a_document_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    paths = PATH.findall(text)
    if document.name != "CHANGELOG.md":  # which names what is gone
        assert not {path for path in paths if not any(ROOT.glob(path))} - set(NEW.findall(text))
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert not [link for link in links if not (document.parent / link).exists()]


def test_every_path_to_a_file_in_the_code_leads_somewhere() -> None:
    texts = [each.read_text(encoding="utf-8") for each in CODE if each.suffix in (".py", ".yaml")]
    paths = {path for text in texts for path in PATH.findall(text) if Path(path).suffix}
    assert paths and not {path for path in paths if not any(ROOT.glob(path))} - {SHOWN}


def test_every_room_has_a_place_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "mt").glob("*/__init__.py")}
    assert rooms and not {room for room in rooms if f"{room}/" not in text}
