"""Placeholders that translations have lost or invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.data.normalisation import Normaliser
from mt.data.symbols import Symbols


@dataclass(frozen=True)
class PlaceholderCounts:
    """Placeholders of a test set; those of the references show what a human keeps."""

    sources: int
    lost: int  # in a source, but not in its translation
    invented: int  # in a translation, but not in its source
    references_lost: int
    references_invented: int

    def text(self) -> str:
        """Return the counts as one line."""
        return (
            f"placeholders in the sources: {self.sources:,}; lost in translation: {self.lost:,}, "
            f"invented: {self.invented:,} (references: {self.references_lost:,} and "
            f"{self.references_invented:,})"
        )


def count_placeholders(
    symbols: Symbols,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    normaliser: Normaliser,
) -> PlaceholderCounts | None:
    """Count the placeholders of all lines; None if the model has none.

    `normaliser` is that of the model.
    """
    if not symbols.patterns:
        return None
    lines = list(map(normaliser, sources))
    totals = []
    for outputs in (hypotheses, references):
        pairs = zip(lines, outputs, strict=True)
        counts = [symbols.compare(line, normaliser(output)) for line, output in pairs]
        totals += [sum(column) for column in zip(*counts, strict=True)]
    return PlaceholderCounts(sum(len(symbols.placeholders(line)) for line in lines), *totals)
