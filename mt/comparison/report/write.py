"""The files of a report, all made from the results alone."""

from __future__ import annotations

from pathlib import Path

from mt.comparison.report.contents import charts
from mt.comparison.report.latex import latex_tables
from mt.comparison.report.markdown import markdown_report
from mt.comparison.report.page import report_page
from mt.comparison.report.png import png, png_available
from mt.comparison.report.results_csv import csv_text
from mt.comparison.report.svg import svg_file
from mt.comparison.schema.results import Results, write_results
from mt.files import atomic_write, write_text


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write report.html, report.md, results.json, results.csv, charts and tables; return the paths.

    Charts are SVG files; with resvg-py, which is optional, also PNG files. Raises MTError if a file
    cannot be written.
    """
    drawings = {f"figures/{chart.name}": svg_file(chart) for chart in charts(results)}
    pictures = {}
    if png_available():
        pictures = {f"{name}.png": png(svg) for name, svg in drawings.items()}
    texts = {
        "report.html": report_page(results),
        "report.md": markdown_report(results, "png" if pictures else "svg"),
        "results.csv": csv_text(results),
        **{f"tables/{name}.tex": text for name, text in latex_tables(results).items()},
        **{f"{name}.svg": svg for name, svg in drawings.items()},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_results(results, folder / "results.json")
    for name, picture in pictures.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(picture)
    return [folder / name for name in (*texts, "results.json", *pictures)]
