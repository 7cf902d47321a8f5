"""Pieces of HTML: tables, figures with their legend and numbers, notes. All text that comes in is escaped here."""

from __future__ import annotations

import re
from html import escape

from mt.comparison.report.chart import Chart, LineChart
from mt.comparison.report.details import figure_table
from mt.comparison.report.svg import legend_key, page_svg
from mt.comparison.table import Cell, Table

_MINUS = re.compile(r"(?<![\w.])-(?=\d)")
_RANGE = re.compile(r"(?<=\d) - (?=\d)")
_NAME = re.compile(r"`([^`]+)`")


def html_table(table: Table, styles: dict[str, int] | None = None) -> str:
    """In a box that scrolls of its own where it is wider than the screen; `styles`: systems that get their sign before their name.

    Empty where there are no rows.
    """
    if not table.rows:
        return ""
    head = "".join(
        f'<th scope="col"{"" if i < table.labels else " class=num"}>{escape(text)}</th>'
        for i, text in enumerate(table.header)
    )
    titles = f"<thead><tr>{head}</tr></thead>" if any(table.header) else ""
    rows = []
    for number, row in enumerate(table.cells()):
        cells = "".join(_cell(cell, i, table.labels, styles or {}) for i, cell in enumerate(row))
        rows.append(f"<tr{' class=few' if number in table.faint else ''}>{cells}</tr>")
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="table"><table class="figures">'
        f"{titles}<tbody>{''.join(rows)}</tbody></table></div>{note}"
    )


def _cell(cell: Cell, column: int, labels: int, styles: dict[str, int]) -> str:
    text = escape(cell.text)
    if column < labels:
        name, flag = (
            (cell.text, "") if cell.text in styles else cell.text.rpartition(" (")[::2]
        )  # as facts.label writes them
        sign = legend_key(styles[name]) if column == 0 and name in styles else ""
        if sign and flag:
            text = f'{escape(name)} <span class="flag">{escape(flag.removesuffix(")"))}</span>'
        tag, scope = ("th", ' scope="row"') if column == 0 else ("td", "")
        return f"<{tag}{scope}>{sign}{text}</{tag}>"
    aside = f" <small>{number(cell.aside)}</small>" if cell.aside else ""
    return f"<td class=num>{number(cell.text)}{aside}</td>"


def number(text: str) -> str:
    """Escaped, with real minus signs and dashes between the ends of a range."""
    return _RANGE.sub("\u2009\u2013\u2009", _MINUS.sub("\u2212", escape(text)))


def prose(text: str) -> str:
    """The same of sentences, in which names of systems stand out."""
    return _NAME.sub(r'<span class="name">\1</span>', number(text))


def html_figure(figure: Chart, table: Table | None = None) -> str:
    """A drawing with its title, legend and numbers: those of `table`, if it has more to say than the drawing's own."""
    legend, few = "", ""
    if isinstance(figure, LineChart):
        items = "".join(
            f"<li>{legend_key(line.style)}{escape(line.name)}{f' <span class=flag>{escape(line.flags)}</span>' if line.flags else ''}</li>"
            for line in figure.legend
        )
        legend = f'<ul class="legend">{items}</ul>'
        few = '<p class="note">Grey: too few to mean much.</p>' if figure.small else ""
    return (
        f'<figure id="{escape(figure.name)}"><figcaption>{escape(figure.title)}</figcaption>{legend}'
        f'<div class="drawing">{page_svg(figure)}</div>{few}{numbers(html_table(table or figure_table(figure)))}</figure>'
    )


def numbers(table: str, title: str = "The numbers") -> str:
    """A table that opens on demand."""
    return f"<details><summary>{escape(title)}</summary>{table}</details>" if table else ""


def section(name: str, title: str, *parts: str) -> str:
    """A part of the page that can be linked to; nothing where it has no content."""
    content = "".join(parts)
    return f'<section id="{name}"><h2>{escape(title)}</h2>{content}</section>' if content else ""


def paragraphs(texts: list[str], name: str = "") -> str:
    return "".join(f"<p{f' class={name}' if name else ''}>{prose(text)}</p>" for text in texts)


def bullets(texts: list[str], name: str) -> str:
    return (
        f'<ul class="{name}">{"".join(f"<li>{prose(text)}</li>" for text in texts)}</ul>'
        if texts
        else ""
    )
