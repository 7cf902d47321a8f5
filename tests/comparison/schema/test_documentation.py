"""docs/comparison.md documents every field of results.json."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from mt.comparison.schema import attention, results, scores, systems, tuning

ROOT = Path(__file__).resolve().parents[3]


def test_the_documentation_names_every_field_and_no_other() -> None:
    text = (ROOT / "docs" / "comparison.md").read_text("utf-8")
    section = text.split("\n## results.json\n")[1].split("\n## ")[0]
    rows = [
        line.strip("| ").split(" | ", 1) for line in section.splitlines() if line.startswith("| `")
    ]
    documented = {
        name: re.findall(r"`(\w+)`", fields)
        for names, fields in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    types = {
        name: kind
        for module in (attention, results, scores, systems, tuning)
        for name, kind in vars(module).items()
        if dataclasses.is_dataclass(kind)
    }
    assert documented == {
        name: [field.name for field in dataclasses.fields(kind)] for name, kind in types.items()
    }
