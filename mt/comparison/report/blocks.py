"""The content of a report, independent of its format: sections, which consist of blocks.

The page renders a block by the template of its name (templates/bullets.html.j2 for `Bullets`),
Markdown by the function `block_markdown`. A table is a block as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mt.comparison.report.chart import Chart
from mt.comparison.schema.results import AttentionMap
from mt.comparison.table import Table


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; names of systems are in backquotes."""

    text: str


@dataclass(frozen=True)
class Note:
    """An explanation in small print."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; names of systems are in backquotes."""

    items: Sequence[str]
    small_print: bool = False


@dataclass(frozen=True)
class Command:
    """A command line."""

    text: str


@dataclass(frozen=True)
class Signatures:
    """Pairs of a metric's title and its signature."""

    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Figure:
    """A chart with a table that says the same in numbers, or more."""

    chart: Chart
    table: Table
    table_in: str = "markdown"  # and in the page; or "page" only, or "print": in all three


@dataclass(frozen=True)
class FigureChoice:
    """Figures of which the page shows one at a time."""

    name: str  # of its controls: one word
    label: str
    options: Sequence[str]
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Details:
    """Blocks that the page shows on demand."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class DiffPart:
    """A piece of an output."""

    kind: str  # "same" or "different" as the reference, or "missing" in the output
    text: str
    tooltip: str = ""


@dataclass(frozen=True)
class Output:
    """A system's translation of a sentence."""

    system: str
    score: float
    parts: Sequence[DiffPart]


@dataclass(frozen=True)
class SentenceCard:
    """A sentence with all translations."""

    index: int  # from 0
    # Of the source, or of the reference without one: in words, or characters of an unspaced script.
    length: int
    spread: float  # greatest score minus least score
    texts: dict[str, str]  # source and reference
    outputs: Sequence[Output]


@dataclass(frozen=True)
class SentenceBrowser:
    """Outputs side by side, to sort and to filter; in the page only."""

    systems: Sequence[str]
    cards: Sequence[SentenceCard]


@dataclass(frozen=True)
class AttentionMaps:
    """Attention maps by system, all of the same sentences; in the page only."""

    maps: dict[str, list[AttentionMap]]


Block = (
    Heading | Paragraph | Note | Bullets | Command | Signatures | Table | Figure | FigureChoice
    | Details | SentenceBrowser | AttentionMaps
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A part of the report that can be linked to."""

    name: str  # of its link
    title: str
    blocks: Sequence[Block]
    short_title: str = ""  # in the contents, if the title is long
    printed: bool = False  # mt-compare prints it

    def without_empty_blocks(self) -> Section:
        return replace(self, blocks=_nonempty(self.blocks))


def _nonempty(blocks: Sequence[Block]) -> list[Block]:
    kept: list[Block] = []
    for block in blocks:
        if isinstance(block, Details):
            block = replace(block, blocks=_nonempty(block.blocks))
        content = {Table: "rows", Bullets: "items", Details: "blocks"}.get(type(block))
        if content is None or getattr(block, content):
            kept.append(block)
    return kept
