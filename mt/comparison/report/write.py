"""The files of a report, all made from the results alone."""

from __future__ import annotations

import json
from pathlib import Path

from mt.comparison.report.charts import figures
from mt.comparison.report.csv_rows import csv_text
from mt.comparison.report.lookups import Results
from mt.comparison.report.markdown import markdown
from mt.comparison.report.page import report_page
from mt.comparison.report.png import png, png_available
from mt.comparison.report.svg import svg_file
from mt.errors import MTError
from mt.files import atomic_write, write_text

VERSION = 2  # of results.json
NO_PNG = "figures/*.png were not written: they need resvg-py (pip install 'mt-attention[plot]')"


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write report.html, report.md, results.json, results.csv and the charts; return their paths.

    docs/comparison.md lists the keys of `results`. Without resvg-py, which is optional, there are
    no PNG files, and a note says so. Raises MTError for results of another version and if a file
    cannot be written.
    """
    if results.get("version") != VERSION:
        raise MTError(
            f"results of version {results.get('version')} cannot be shown: this report shows version {VERSION}; compare again"
        )
    charts = {f"figures/{chart.name}": svg_file(chart) for chart in figures(results)}
    pictures = {f"{name}.png": png(svg) for name, svg in charts.items()} if png_available() else {}
    shown = results
    if charts and not pictures:
        shown = {**results, "notes": [*results["notes"], NO_PNG]}
    texts = {
        "report.html": report_page(shown),
        "report.md": markdown(shown, [*pictures] or [f"{name}.svg" for name in charts]),
        "results.json": json.dumps(results, ensure_ascii=False) + "\n",
        "results.csv": csv_text(results),
        **{f"{name}.svg": svg for name, svg in charts.items()},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    for name, picture in pictures.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(picture)
    return [folder / name for name in (*texts, *pictures)]
