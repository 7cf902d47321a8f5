"""Attention maps as a picture, by matplotlib: cells of a fixed size, so that the picture grows with its text and stays readable."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mt.errors import UsageError
from mt.inspection.attention_kinds import KINDS
from mt.inspection.maps import Panel, SentenceMap, View, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
MAX_PIXELS = 60_000_000  # a quarter of a gigabyte while it is drawn; viewers give up not far above
LONGEST = 32  # characters of a label; what follows is cut off
CELL, GAP, LINE = 0.3, 0.12, 0.28  # inches: the least cell, around labels, a line of text
SCALE = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # weights in the legend
HEAT, GOLD = "Blues", "#d9480f"
PLAIN = "DejaVu Sans"  # comes with matplotlib
SYMBOLS = (
    "Last Resort",
    "cm",
    "STIXSize",
    "STIXNonUnicode",
)  # fonts whose glyphs are not the characters'


@dataclass
class Block:
    """A sentence on the figure; sizes in inches."""

    heading: str
    panels: list[list[Panel]]  # all with the same words
    rows: list[str]
    columns: list[str]
    cell: float
    left: float  # room for the labels of the rows
    top: float  # and of the columns
    upright: bool  # the columns' labels fit as they are: no need to turn them

    @property
    def panel_size(self) -> tuple[float, float]:
        return self.left + len(self.columns) * self.cell + GAP, LINE + self.top + len(
            self.rows
        ) * self.cell + GAP


def require_matplotlib() -> None:
    """UsageError that says how to install it where it is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(
            "pictures need matplotlib: pip install 'mt-attention[plot]', or write .html, which needs nothing"
        ) from None


def picture(sentences: Sequence[SentenceMap], view: View, form: str) -> tuple[bytes, set[str]]:
    """The maps as a file of the format "png" or "svg", and the characters that no installed font has.

    Those are drawn as boxes in a PNG; an SVG leaves its text to the fonts of its reader. UsageError
    as of `figure`.
    """
    with settings(
        word for sentence in sentences for word in sentence.source + sentence.target
    ) as missing:
        file = io.BytesIO()
        figure(sentences, view).savefig(
            file, format=form, metadata={"Date": None} if form == "svg" else {}
        )
        if form == "png":
            return file.getvalue(), missing
        # Readers without this font take their like of it, not their default, which has serifs.
        font = f"font-family: '{PLAIN}'"
        return file.getvalue().replace(font.encode(), f"{font}, sans-serif".encode()), set()


def figure(sentences: Sequence[SentenceMap], view: View) -> Figure:
    """Sentences one under the other, each with a row of maps for each layer. UsageError where the picture would be too large,
    or `view` shows what is not there."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(dpi=DPI, facecolor="white")
    measure = _measure(FigureCanvasAgg(drawn).get_renderer())
    blocks = [_block(sentence, view, measure) for sentence in sentences]
    legend = LINE + 2 * GAP + CELL
    width = max(
        len(SCALE) * 2 * CELL + 2.5,
        *(
            max(len(block.panels[0]) * block.panel_size[0], measure(block.heading)[0])
            for block in blocks
        ),
    )
    width, height = (
        width + 2 * GAP,
        sum(len(block.panels) * block.panel_size[1] + LINE for block in blocks) + legend + GAP,
    )
    if width * height * DPI**2 > MAX_PIXELS or max(width, height) * DPI >= 2**16:
        raise UsageError(
            f"the picture would have {width * DPI:,.0f} x {height * DPI:,.0f} pixels: use .html, fewer lines, or one layer and head"
        )
    drawn.set_size_inches(width, height)

    def axes(left: float, top: float, wide: float, high: float) -> Axes:
        """Axes at a place in inches from the left and the top."""
        made = drawn.add_axes(
            (left / width, 1 - (top + high) / height, wide / width, high / height)
        )
        made.tick_params(length=0, pad=3)
        made.set_frame_on(False)
        return made

    y = GAP
    for block in blocks:
        drawn.text(
            GAP / width, 1 - (y + LINE / 2) / height, block.heading, va="center", weight="bold"
        )
        y += LINE
        wide, high = block.panel_size
        for line in block.panels:
            for number, panel in enumerate(line):
                x = GAP + number * wide
                if len(block.panels) * len(line) > 1:
                    drawn.text(
                        (x + block.left) / width,
                        1 - (y + LINE / 2) / height,
                        panel.title,
                        va="center",
                    )
                size = len(block.columns) * block.cell, len(block.rows) * block.cell
                _draw(axes(x + block.left, y + LINE + block.top, *size), panel, block.upright)
            y += high
    _legend(
        axes(GAP, y + GAP, len(SCALE) * 2 * CELL, CELL),
        any(sentence.gold for sentence in sentences) and view.kind == "cross",
    )
    return drawn


def _block(sentence: SentenceMap, view: View, measure: Any) -> Block:
    made = panels(sentence, view)
    first = made[0][0]
    heading = f"{sentence.name}: {KINDS[view.kind]}" + (
        f", {first.title}" if len(made) * len(made[0]) == 1 else ""
    )
    rows, columns = ([_label(word) for word in words] for words in (first.rows, first.columns))
    sizes = [[measure(word) for word in words] for words in (rows, columns)]
    cell = max(CELL, *(1.3 * height for each in sizes for _, height in each))
    widest = [max(width for width, _ in each) for each in sizes]
    upright = widest[1] < 0.85 * cell
    return Block(
        heading,
        made,
        rows,
        columns,
        cell,
        widest[0] + GAP,
        (cell if upright else widest[1]) + GAP,
        upright,
    )


def _draw(axes: Axes, panel: Panel, upright: bool) -> None:
    from matplotlib.patches import Rectangle

    _heat(axes, panel.weights)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.set_xticks(
        [i + 0.5 for i in range(len(panel.columns))],
        [_label(word) for word in panel.columns],
        rotation=0 if upright else 90,
    )
    axes.set_yticks(
        [i + 0.5 for i in range(len(panel.rows))], [_label(word) for word in panel.rows]
    )
    for column, row in sorted(panel.gold.possible):
        style = "-" if (column, row) in panel.gold.sure else ":"
        axes.add_patch(
            Rectangle(
                (column + 0.06, row + 0.06),
                0.88,
                0.88,
                fill=False,
                edgecolor=GOLD,
                linewidth=1.8,
                linestyle=style,
            )
        )


def _legend(axes: Axes, gold: bool) -> None:
    _heat(axes, [SCALE])
    axes.set_yticks([])
    axes.set_xticks([i + 0.5 for i in range(len(SCALE))], [f"{value:g}" for value in SCALE])
    if gold:
        axes.text(
            len(SCALE) + 0.3,
            0.5,
            "outlined: gold links (dotted: possible)",
            va="center",
            color=GOLD,
        )


def _heat(axes: Axes, weights: Any) -> None:
    from matplotlib.colors import PowerNorm

    # The square root lets weak weights show too.
    axes.pcolormesh(
        weights, cmap=HEAT, norm=PowerNorm(0.5, 0, 1), edgecolors="white", linewidth=0.6
    )


def _label(word: str) -> str:
    return word if len(word) <= LONGEST else word[: LONGEST - 1] + "\u2026"


def _measure(renderer: Any) -> Any:
    """A function from text to its width and height in inches."""
    from matplotlib.font_manager import FontProperties

    def measure(text: str) -> tuple[float, float]:
        width, height, _ = renderer.get_text_width_height_descent(text, FontProperties(), False)
        return width / DPI, height / DPI

    return measure


@contextlib.contextmanager
def settings(words: Iterable[str]) -> Iterator[set[str]]:
    """matplotlib with fonts for these words, quiet, and whatever its user has set aside -> the characters that no font has."""
    import matplotlib

    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)  # where it keeps its cache, which fonts it looks for
    try:
        fonts, missing = _fonts({character for word in words for character in word})
        chosen: dict[Any, Any] = {
            "font.family": fonts,
            "font.size": 10,
            "svg.fonttype": "none",
            "svg.hashsalt": "mt",
        }
        chosen |= {
            "text.usetex": False,
            "text.parse_math": False,
            "savefig.dpi": "figure",
            "savefig.bbox": None,
        }
        with matplotlib.rc_context(chosen), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            yield missing
    finally:
        log.setLevel(level)


def _fonts(characters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Installed fonts that have these characters between them, and the characters that none has."""
    from matplotlib.font_manager import fontManager, get_font

    def without(path: str) -> set[str]:
        font = get_font(path)
        return {character for character in missing if not font.get_char_index(ord(character))}

    missing = set(characters)
    found = [PLAIN]
    missing = without(fontManager.findfont(PLAIN))
    entries = [
        entry
        for entry in fontManager.ttflist
        if entry.style == "normal" and not entry.name.startswith(SYMBOLS)
    ]
    for entry in (
        sorted(entries, key=lambda entry: (entry.name, abs(int(entry.weight) - 400)))
        if missing
        else ()
    ):
        with contextlib.suppress(OSError, RuntimeError):  # a font file that is damaged, or gone
            left = without(entry.fname)
            if left < missing and entry.name not in found:
                found, missing = [*found, entry.name], left
    return found, missing
