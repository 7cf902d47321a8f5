"""PNG files from SVG, by resvg, which is optional."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ZOOM = 2  # pixels for a unit of the drawing


def png_available() -> bool:
    """Return True if resvg-py is installed."""
    return importlib.util.find_spec("resvg_py") is not None


def png(svg: str) -> bytes:
    """Return the picture of an SVG file.

    Text is in the font that comes with matplotlib if that is installed: then the same SVG gives the
    same bytes on every machine. Characters that it lacks, and all text without matplotlib, are in
    fonts of the system.
    """
    import resvg_py

    fonts: list[str] = []
    if spec := importlib.util.find_spec("matplotlib"):
        folder = Path(*(spec.submodule_search_locations or ()), "mpl-data", "fonts", "ttf")
        fonts = [str(folder / name) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")]
    family = "DejaVu Sans" if fonts else None
    return resvg_py.svg_to_bytes(
        svg_string=svg, zoom=ZOOM, font_files=fonts, sans_serif_family=family
    )
