"""Settings of matplotlib for drawing words of any language."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

DEFAULT_FONT = "DejaVu Sans"  # comes with matplotlib
SYMBOL_FONTS = ("Last Resort", "cm", "STIXSize", "STIXNonUnicode")  # without glyphs for letters
REGULAR_WEIGHT = 400


@contextlib.contextmanager
def drawing_settings(words: Iterable[str]) -> Iterator[set[str]]:
    """Set matplotlib up for these words, quietly and independently of the user's settings.

    The context is the set of characters that no installed font has.
    """
    import matplotlib

    log = logging.getLogger("matplotlib")
    level = log.level
    log.setLevel(logging.ERROR)  # it reports where its cache is and which fonts it looks for
    try:
        fonts, missing = find_fonts({character for word in words for character in word})
        settings: dict[Any, Any] = {
            "font.family": fonts,
            "font.size": 10,
            "svg.fonttype": "none",
            "svg.hashsalt": "mt",
            "text.usetex": False,
            "text.parse_math": False,
            "savefig.dpi": "figure",
            "savefig.bbox": None,
        }
        with matplotlib.rc_context(settings), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            yield missing
    finally:
        log.setLevel(level)


def find_fonts(characters: Iterable[str]) -> tuple[list[str], set[str]]:
    """Find installed fonts that together have these characters.

    Returns the names of the fonts, and the characters that no font has.
    """
    from matplotlib.font_manager import fontManager, get_font

    def without(path: str) -> set[str]:
        font = get_font(path)
        return {character for character in missing if not font.get_char_index(ord(character))}

    missing = set(characters)
    fonts = [DEFAULT_FONT]
    missing = without(fontManager.findfont(DEFAULT_FONT))
    if not missing:
        return fonts, missing
    entries = [
        entry
        for entry in fontManager.ttflist
        if entry.style == "normal" and not entry.name.startswith(SYMBOL_FONTS)
    ]
    entries.sort(key=lambda entry: (entry.name, abs(int(entry.weight) - REGULAR_WEIGHT)))
    for entry in entries:
        with contextlib.suppress(OSError, RuntimeError):  # a damaged or deleted font file
            still_missing = without(entry.fname)
            if still_missing < missing and entry.name not in fonts:
                fonts, missing = [*fonts, entry.name], still_missing
    return fonts, missing
