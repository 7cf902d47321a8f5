"""Write docs/guide.ipynb, the notebook of docs/guide.md: text, and a cell for each block of code.

python scripts/guide_notebook.py
"""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
# A block of code, which may be part of a list and then is indented.
CODE = re.compile(r"^( *)```(sh|python)\n(.*?)^ *```\n", re.M | re.S)


def code_blocks(text: str) -> list[tuple[str, str]]:
    """Return the language and the content of each block of code that is to be executed."""
    return [(found[2], textwrap.dedent(found[3])) for found in CODE.finditer(text)]


def build_notebook(text: str) -> dict[str, Any]:
    """Return a notebook in the format nbformat 4.5 of a page in Markdown."""
    cells: list[dict[str, Any]] = []

    def add(kind: str, source: str) -> None:
        if source.strip():
            cell: dict[str, Any] = {"id": f"cell-{len(cells)}", "cell_type": kind, "metadata": {}}
            if kind == "code":
                cell |= {"execution_count": None, "outputs": []}
            cells.append(cell | {"source": source.strip("\n").splitlines(keepends=True)})

    end = 0
    for found in CODE.finditer(text):
        add("markdown", textwrap.dedent(text[end : found.start()]))
        magic = "%%bash\n" if found[2] == "sh" else ""
        add("code", magic + textwrap.dedent(found[3]))
        end = found.end()
    add("markdown", text[end:])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def main() -> None:
    """Write the notebook."""
    notebook = build_notebook((DOCS / "guide.md").read_text(encoding="utf-8"))
    text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    (DOCS / "guide.ipynb").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
