"""report.html: one file that opens offline and loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from mt.comparison.report.blocks import Block
from mt.comparison.report.chart import COLOURS
from mt.comparison.report.contents import build_sections
from mt.comparison.report.overview import overview
from mt.comparison.report.queries import report_title, system_styles
from mt.comparison.report.svg import DRAWING_CSS, legend_key, page_svg, style_colours
from mt.comparison.schema.results import AttentionMap, Results
from mt.inspection.maps.page import page, records_fragment

FOLDER = Path(__file__).parent
STYLES = ("report.css", "charts.css", "browser.css")
SCRIPTS = ("charts.js", "sentences.js", "maps.js")

_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
_RANGE = re.compile(r"(?<=\d) - (?=\d)")
_NAME = re.compile(r"`([^`]+)`")


def report_page(results: Results) -> str:
    """Return the whole page."""
    environment, title = _environment(system_styles(results)), report_title(results)
    body = environment.get_template("report.html.j2").render(
        question=results.question if results.question != title else "",
        first=overview(results),
        sections=build_sections(results),
    )
    style = DRAWING_CSS + _page_colours() + _read_assets(STYLES)
    return page(title, Markup(body), style, _read_assets(SCRIPTS))


def typographic(text: str) -> str:
    """Write minus signs before numbers, dashes in ranges, and <= as one character."""
    text = text.replace("<=", "\u2264")
    return _RANGE.sub("\u2009\u2013\u2009", _MINUS.sub("\u2212", text))


def prose(text: str) -> Markup:
    """Escape running text and mark up the names of systems."""
    return Markup(_NAME.sub(r'<span class="name">\1</span>', str(escape(typographic(text)))))


def _environment(styles: dict[str, int]) -> Environment:
    """Return an environment that escapes all text but SVG and JSON of this package."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(block: Block) -> Markup:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(block).__name__).lower()
        return Markup(environment.get_template(f"{name}.html.j2").render(block=block))

    environment.globals["styles"] = styles
    environment.filters |= {
        "render": render,
        "typographic": typographic,
        "prose": prose,
        "drawing": lambda chart: Markup(page_svg(chart)),
        "legend_key": lambda style: Markup(legend_key(style)),
        "attention_maps": _attention_maps,
    }
    return environment


def _attention_maps(maps: list[AttentionMap], system: str) -> Markup:
    records = [
        {**vars(m), "weights": {kind: vars(weights) for kind, weights in m.weights.items()}}
        for m in maps
    ]
    return Markup(records_fragment(records, label=f"attention of {system}"))


def _page_colours() -> str:
    dark = f".s1 {{ color: {COLOURS[6]}; }} .s6 {{ color: #3f95d6; }}"
    return f"{style_colours()}@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"


def _read_assets(names: tuple[str, ...]) -> str:
    return "\n".join((FOLDER / "assets" / name).read_text("utf-8") for name in names)
