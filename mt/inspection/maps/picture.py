"""Attention maps as pictures, by matplotlib.

Cells have a fixed size, so the picture grows with its text and stays readable.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mt.errors import UsageError
from mt.inspection.attention_kinds import KINDS
from mt.inspection.maps.fonts import DEFAULT_FONT, drawing_settings
from mt.inspection.maps.sentence_map import Panel, SentenceMap, View, panels
from mt.optional import install_command

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
MAX_PIXELS = 60_000_000  # 0.25 GB while it is drawn; image viewers fail not far above
MAX_SIDE_PIXELS = 2**16 - 1  # of matplotlib
MAX_LABEL_CHARACTERS = 32  # longer labels are truncated
MIN_CELL, GAP, LINE_HEIGHT = 0.3, 0.12, 0.28  # inches
LEGEND_WEIGHTS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
MIN_LEGEND_TEXT = 2.5  # inches
COLOUR_MAP, GOLD_COLOUR = "Blues", "#d9480f"

TextSize = Callable[[str], tuple[float, float]]  # text -> width and height in inches


@dataclass
class Block:
    """A sentence on the figure; sizes are in inches."""

    heading: str
    panels: list[list[Panel]]  # all with the same rows and columns
    rows: list[str]
    columns: list[str]
    cell: float
    left: float  # width of the labels of the rows
    top: float  # height of the labels of the columns
    horizontal: bool  # whether the labels of the columns fit without rotation

    @property
    def map_size(self) -> tuple[float, float]:
        """Return the width and height of the cells."""
        return len(self.columns) * self.cell, len(self.rows) * self.cell

    @property
    def panel_size(self) -> tuple[float, float]:
        """Return the width and height of a panel with labels and title."""
        width, height = self.map_size
        return self.left + width + GAP, LINE_HEIGHT + self.top + height + GAP


def require_matplotlib() -> None:
    """Raise UsageError with instructions if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(
            f"pictures need matplotlib: {install_command('plot')}, or write .html, "
            "which needs nothing"
        ) from None


def picture(
    sentences: Sequence[SentenceMap], view: View, file_format: str
) -> tuple[bytes, set[str]]:
    """Draw maps as the contents of a file; `file_format` is "png" or "svg".

    Returns the contents, and the characters that no installed font has. They are drawn as boxes in
    a PNG; an SVG leaves the choice of fonts to its viewer. Raises UsageError as `figure` does.
    """
    words = [word for sentence in sentences for word in sentence.source + sentence.target]
    metadata = {"Date": None} if file_format == "svg" else {}
    with drawing_settings(words) as missing:
        file = io.BytesIO()
        figure(sentences, view).savefig(file, format=file_format, metadata=metadata)
    if file_format == "png":
        return file.getvalue(), missing
    # Viewers without this font use a similar one, not their default, which has serifs.
    font = f"font-family: '{DEFAULT_FONT}'"
    return file.getvalue().replace(font.encode(), f"{font}, sans-serif".encode()), set()


def figure(sentences: Sequence[SentenceMap], view: View) -> Figure:
    """Draw sentences below each other, each with a row of panels for each layer.

    Raises UsageError if the picture would be too large, or if a sentence does not have the view.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = Figure(dpi=DPI, facecolor="white")
    text_size = _text_size(FigureCanvasAgg(canvas).get_renderer())
    blocks = [_block(sentence, view, text_size) for sentence in sentences]
    width, height = _figure_size(blocks, text_size)
    if width * height * DPI**2 > MAX_PIXELS or max(width, height) * DPI > MAX_SIDE_PIXELS:
        raise UsageError(
            f"the picture would have {width * DPI:,.0f} x {height * DPI:,.0f} pixels: "
            "use .html, fewer lines, or one layer and head"
        )
    canvas.set_size_inches(width, height)

    def add_text(x: float, y: float, text: str, **style: Any) -> None:
        """Write text in the line whose top is `y` inches from the top."""
        canvas.text(x / width, 1 - (y + LINE_HEIGHT / 2) / height, text, va="center", **style)

    def add_axes(left: float, top: float, size: tuple[float, float]) -> Axes:
        """Add axes at a position in inches from the left and the top."""
        box = (left / width, 1 - (top + size[1]) / height, size[0] / width, size[1] / height)
        axes = canvas.add_axes(box)
        axes.tick_params(length=0, pad=3)
        axes.set_frame_on(False)
        return axes

    y = GAP
    for block in blocks:
        add_text(GAP, y, block.heading, weight="bold")
        y += LINE_HEIGHT
        panel_width, panel_height = block.panel_size
        for row in block.panels:
            for number, panel in enumerate(row):
                x = GAP + number * panel_width + block.left
                if len(block.panels) * len(row) > 1:
                    add_text(x, y, panel.title)
                axes = add_axes(x, y + LINE_HEIGHT + block.top, block.map_size)
                _draw_panel(axes, panel, block.horizontal)
            y += panel_height
    has_gold = any(sentence.gold for sentence in sentences) and view.kind == "cross"
    _draw_legend(add_axes(GAP, y + GAP, (_legend_width(), MIN_CELL)), has_gold)
    return canvas


def _figure_size(blocks: Sequence[Block], text_size: TextSize) -> tuple[float, float]:
    """Return the width and height of the figure in inches."""
    widths = [_legend_width() + MIN_LEGEND_TEXT]
    height = LINE_HEIGHT + 2 * GAP + MIN_CELL + GAP  # of the legend
    for block in blocks:
        panel_width, panel_height = block.panel_size
        widths += [len(block.panels[0]) * panel_width, text_size(block.heading)[0]]
        height += len(block.panels) * panel_height + LINE_HEIGHT
    return max(widths) + 2 * GAP, height


def _legend_width() -> float:
    return len(LEGEND_WEIGHTS) * 2 * MIN_CELL


def _block(sentence: SentenceMap, view: View, text_size: TextSize) -> Block:
    """Lay out a sentence."""
    rows_of_panels = panels(sentence, view)
    first = rows_of_panels[0][0]
    heading = f"{sentence.name}: {KINDS[view.kind]}"
    if len(rows_of_panels) * len(rows_of_panels[0]) == 1:
        heading += f", {first.title}"
    rows = [_label(word) for word in first.rows]
    columns = [_label(word) for word in first.columns]
    row_sizes = [text_size(word) for word in rows]
    column_sizes = [text_size(word) for word in columns]
    cell = max(MIN_CELL, *(1.3 * height for _, height in row_sizes + column_sizes))
    row_width = max(width for width, _ in row_sizes)
    column_width = max(width for width, _ in column_sizes)
    horizontal = column_width < 0.85 * cell
    top = cell if horizontal else column_width
    return Block(
        heading, rows_of_panels, rows, columns, cell, row_width + GAP, top + GAP, horizontal
    )


def _draw_panel(axes: Axes, panel: Panel, horizontal: bool) -> None:
    from matplotlib.patches import Rectangle

    _draw_weights(axes, panel.weights)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    columns, rows = ([_label(word) for word in words] for words in (panel.columns, panel.rows))
    rotation = 0 if horizontal else 90
    axes.set_xticks([i + 0.5 for i in range(len(columns))], columns, rotation=rotation)
    axes.set_yticks([i + 0.5 for i in range(len(rows))], rows)
    for column, row in sorted(panel.gold.possible):
        style = "-" if (column, row) in panel.gold.sure else ":"
        corner = (column + 0.06, row + 0.06)
        outline: Any = {"fill": False, "edgecolor": GOLD_COLOUR, "linewidth": 1.8}
        axes.add_patch(Rectangle(corner, 0.88, 0.88, linestyle=style, **outline))


def _draw_legend(axes: Axes, has_gold: bool) -> None:
    _draw_weights(axes, [LEGEND_WEIGHTS])
    count = len(LEGEND_WEIGHTS)
    axes.set_yticks([])
    axes.set_xticks([i + 0.5 for i in range(count)], [f"{value:g}" for value in LEGEND_WEIGHTS])
    if has_gold:
        text = "outlined: gold links (dotted: possible)"
        axes.text(count + 0.3, 0.5, text, va="center", color=GOLD_COLOUR)


def _draw_weights(axes: Axes, weights: Any) -> None:
    from matplotlib.colors import PowerNorm

    # The square root makes small weights visible.
    norm = PowerNorm(0.5, 0, 1)
    axes.pcolormesh(weights, cmap=COLOUR_MAP, norm=norm, edgecolors="white", linewidth=0.6)


def _label(word: str) -> str:
    if len(word) <= MAX_LABEL_CHARACTERS:
        return word
    return word[: MAX_LABEL_CHARACTERS - 1] + "\u2026"


def _text_size(renderer: Any) -> TextSize:
    """Return a function that measures text."""
    from matplotlib.font_manager import FontProperties

    def text_size(text: str) -> tuple[float, float]:
        width, height, _ = renderer.get_text_width_height_descent(text, FontProperties(), False)
        return width / DPI, height / DPI

    return text_size
