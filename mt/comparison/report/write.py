"""The files of a report, all made from the results alone."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from mt.comparison.report.charts import figures
from mt.comparison.report.csv_rows import csv_text
from mt.comparison.report.lookups import Results
from mt.comparison.report.markdown import markdown
from mt.comparison.report.page import report_page
from mt.errors import MTError
from mt.files import atomic_write, write_text

VERSION = 2  # of results.json
WITHOUT = "the figures were not written as files: that needs matplotlib (pip install 'mt-attention[plot]'); report.html has them all"


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write report.html, report.md, results.json, results.csv and figures/*.png and *.svg -> their paths.

    `results` as docs/comparison.md lists them. Without matplotlib, which is optional, the figures
    are in report.html only, and a note says so. MTError for results of another version, and where a
    file cannot be written.
    """
    if results.get("version") != VERSION:
        raise MTError(
            f"results of version {results.get('version')} cannot be shown: this report shows version {VERSION}; compare again"
        )
    drawn = figures(results)
    shown: dict[str, Any] = results
    files: dict[str, bytes] = {}
    if importlib.util.find_spec("matplotlib") is None:
        shown = {**results, "notes": [*results["notes"], WITHOUT]} if drawn else results
    else:
        from mt.comparison.report.pictures import pictures

        files = {
            f"figures/{figure.name}.{form}": made
            for figure in drawn
            for form, made in pictures(figure).items()
        }
    texts = {
        "report.html": report_page(shown),
        "report.md": markdown(shown, [name for name in files if name.endswith(".png")]),
        "results.json": json.dumps(results, ensure_ascii=False) + "\n",
        "results.csv": csv_text(results),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    for name, content in files.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)
    return [folder / name for name in (*texts, *files)]
