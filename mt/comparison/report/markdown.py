"""report.md, the first part of which mt-compare prints."""

from __future__ import annotations

from collections.abc import Iterable

from mt.comparison.report.blocks import (
    Block,
    Bullets,
    Command,
    Details,
    Figure,
    FigureChoice,
    Heading,
    Note,
    Paragraph,
    Section,
    Signatures,
)
from mt.comparison.report.contents import build_sections
from mt.comparison.report.overview import overview
from mt.comparison.report.queries import report_title
from mt.comparison.schema.results import Results
from mt.comparison.table import Table, markdown_table


def printed_report(results: Results) -> str:
    """Return the part of the report that is printed, without its final newline."""
    sections = [section for section in build_sections(results) if section.printed]
    return _join([*_begin(results, ""), *(_section(section, "") for section in sections)])


def markdown_report(results: Results, pictures: str = "png") -> str:
    """Return the whole report; `pictures` is the format of its charts in figures/."""
    title = report_title(results)
    question = results.question if results.question != title else ""
    sections = [_section(section, pictures) for section in build_sections(results)]
    return _join([f"# {title}", question, *_begin(results, pictures), *sections]) + "\n"


def _begin(results: Results, pictures: str) -> list[str]:
    first = overview(results)
    listed = [f"warning: {text}" for text in first.warnings]
    picture = block_markdown(first.figure, pictures) if first.figure else ""
    return [" ".join(first.conclusions), _bullets(listed), picture]


def _section(section: Section, pictures: str) -> str:
    text = _join(block_markdown(block, pictures) for block in section.blocks)
    return f"## {section.title}\n\n{text}" if text else ""


def block_markdown(block: Block, pictures: str = "") -> str:
    """Return a block in Markdown; empty if only the page shows it.

    `pictures` is the format of charts; empty: no pictures, for what is printed.
    """
    match block:
        case Heading(text=text):
            return f"**{text}**"
        case Paragraph(text=text) | Note(text=text):
            return text
        case Bullets(items=items):
            return _bullets(items)
        case Command(text=text):
            return f"    {text}"
        case Signatures(entries=entries):
            return _bullets(f"{title}: `{signature}`" for title, signature in entries)
        case Table():
            return markdown_table(block)
        case Figure(chart=chart, table=table):
            picture = f"![{chart.title}](figures/{chart.name}.{pictures})" if pictures else ""
            has_table = block.table_in in (("markdown", "print") if pictures else ("print",))
            numbers = markdown_table(table) if has_table else ""
            return _join([f"**{chart.title}**", picture, numbers]) if picture or numbers else ""
        case FigureChoice(figures=figures):
            return _join(block_markdown(figure, pictures) for figure in figures)
        case Details(title=title, blocks=blocks):
            return _join([f"**{title}**", *(block_markdown(b, pictures) for b in blocks)])
    return ""


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)
