"""The marker of each style as SVG."""

from __future__ import annotations

from mt.comparison.report.chart import marker

# Corners in units of the radius of the circle of about the same size.
CORNERS = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "triangle": [(0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
    "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "down": [(0, 1.2), (1.15, -0.85), (-1.15, -0.85)],
    "cross": [
        *((-1, -0.6), (-0.6, -1), (0, -0.4), (0.6, -1), (1, -0.6), (0.4, 0)),
        *((1, 0.6), (0.6, 1), (0, 0.4), (-0.6, 1), (-1, 0.6), (-0.4, 0)),
    ],
    "plus": [
        *((-0.3, -1.2), (0.3, -1.2), (0.3, -0.3), (1.2, -0.3), (1.2, 0.3), (0.3, 0.3)),
        *((0.3, 1.2), (-0.3, 1.2), (-0.3, 0.3), (-1.2, 0.3), (-1.2, -0.3), (-0.3, -0.3)),
    ],
}


def marker_svg(style: int, x: float, y: float, radius: float, classes: str) -> str:
    """Return the marker of a style, centred at x, y."""
    shape = marker(style)
    if shape == "circle":
        return f'<circle class="{classes}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
    corners = [(x + radius * dx, y + radius * dy) for dx, dy in CORNERS[shape]]
    path = "L".join(f"{corner_x:.1f} {corner_y:.1f}" for corner_x, corner_y in corners)
    return f'<path class="{classes}" d="M{path}Z"/>'
