"""report.html: one file that opens offline and loads nothing."""

from __future__ import annotations

from html import escape
from pathlib import Path

from mt.comparison.report import sections
from mt.comparison.report.chart import COLOURS
from mt.comparison.report.lookups import Results
from mt.comparison.report.svg import style_colours
from mt.inspection.page import page

FOLDER = Path(__file__).parent
STYLES = ("report.css", "drawing.css", "charts.css", "browser.css")
SCRIPTS = ("charts.js", "sentences.js", "pairs.js")
TITLES = {
    "scores": "Scores",
    "differences": "Differences",
    "length": "Length",
    "training": "Training",
    "cost": "Cost",
    "words": "Words",
    "attention": "Attention",
    "sentences": "Sentences",
    "made": "How it was made",
}


def report_page(results: Results) -> str:
    """The whole page. Sections without content, as of costs where files are compared, are not there."""
    made = {
        name: getattr(sections, name if name != "length" else "lengths")(results) for name in TITLES
    }
    links = "".join(
        f'<a href="#{name}">{escape(title)}</a>' for name, title in TITLES.items() if made[name]
    )
    body = f'{sections.top(results)}<nav class="contents" aria-label="Contents">{links}</nav>{"".join(made.values())}'
    return page(
        results.get("title") or "Comparison", body, colours() + _files(STYLES), _files(SCRIPTS)
    )


def colours() -> str:
    """The class of each style; the neutral one follows the text, and dark paper swaps the blues."""
    dark = f".s1 {{ color: {COLOURS[6]}; }} .s6 {{ color: #3f95d6; }}"
    return f"{style_colours()}@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"


def _files(names: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / name).read_text("utf-8") for name in names)
