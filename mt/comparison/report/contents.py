"""The sections of the report, in order.

To add one, write a function of the results that returns a `Section`, and list it here. It appears
in the page and in Markdown, unless it has no blocks.
"""

from __future__ import annotations

from collections.abc import Callable

from mt.comparison.report.blocks import Block, Figure, FigureChoice, Section
from mt.comparison.report.chart import Chart
from mt.comparison.report.overview import overview
from mt.comparison.report.sections.attention import attention
from mt.comparison.report.sections.constructions import constructions
from mt.comparison.report.sections.cost import cost
from mt.comparison.report.sections.differences import differences
from mt.comparison.report.sections.learning import learning
from mt.comparison.report.sections.lengths import lengths
from mt.comparison.report.sections.reproduction import reproduction
from mt.comparison.report.sections.scores import scores
from mt.comparison.report.sections.sentences import sentences
from mt.comparison.report.sections.training import training
from mt.comparison.report.sections.tuning import tuning
from mt.comparison.report.sections.words import words
from mt.comparison.schema.results import Results

SECTIONS: list[Callable[[Results], Section]] = [
    scores,
    differences,
    lengths,
    constructions,
    learning,
    training,
    tuning,
    cost,
    words,
    attention,
    sentences,
    reproduction,
]


def build_sections(results: Results) -> list[Section]:
    """Return the sections that have content."""
    sections = [build(results).without_empty_blocks() for build in SECTIONS]
    return [section for section in sections if section.blocks]


def charts(results: Results) -> list[Chart]:
    """Return all charts of the report, beginning with that of the first screen."""
    first = overview(results).figure
    blocks: list[Block] = [first] if first else []
    blocks += [block for section in build_sections(results) for block in section.blocks]
    return [figure.chart for block in blocks for figure in _figures(block)]


def _figures(block: Block) -> list[Figure]:
    if isinstance(block, FigureChoice):
        return list(block.figures)
    return [block] if isinstance(block, Figure) else []
