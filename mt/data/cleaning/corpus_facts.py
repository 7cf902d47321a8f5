"""Properties of a parallel corpus against which its pairs are judged.

What is too long or in the wrong script depends on the languages and on how they are written. A
sample of the corpus shows both, for every language and without a table of languages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from mt.data.arrow_files import Pair
from mt.data.cleaning.letters import main_script
from mt.data.scripts import count_units

SAMPLE_PAIRS = 5000  # from the start of each source
MIN_CHARACTERS = 40  # of both sides together; the ratio of shorter pairs varies much
# A side with so many times the units of the other is written in units that are smaller than words:
# characters of a script without spaces (English-Burmese 5, English-Chinese 1.6), or syllables or
# letters with spaces between them. Other pairs have up to 1.4 (Finnish-English).
MIN_UNIT_RATIO = 1.5
MIN_SCRIPT_LINES = 0.25  # share of the lines, from which on a script is one of the language's


@dataclass(frozen=True)
class CorpusFacts:
    """Properties of the normalised text of a corpus."""

    character_ratio: float = 1.0  # median of target / source characters
    unit_ratio: float = 1.0  # median of target / source units (`mt.data.scripts.count_units`)
    scripts: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())  # of the sides

    @property
    def units_per_word(self) -> tuple[float, float]:
        """The units of each side that count as a word: over 1 on at most one side."""
        if self.unit_ratio >= MIN_UNIT_RATIO:
            return 1.0, self.unit_ratio
        if self.unit_ratio <= 1 / MIN_UNIT_RATIO:
            return 1 / self.unit_ratio, 1.0
        return 1.0, 1.0

    def report(self) -> list[str]:
        """Describe what lengths are measured against, in a line."""
        lines = [
            f"target characters for each source character (median): {self.character_ratio:.2f}"
        ]
        for side, units in zip(("source", "target"), self.units_per_word, strict=True):
            if units > 1:
                lines.append(
                    f"the {side} side is written in units that are smaller than words: "
                    f"{units:.1f} of them count as a word (data.clean.max_words)"
                )
        return lines


def measure_corpus(pairs: Iterable[Pair]) -> CorpusFacts:
    """Measure a sample of normalised pairs; medians, so that bad pairs among them do not matter."""
    sample = [pair for pair in pairs if all(map(count_units, pair))]
    if not sample:
        return CorpusFacts()
    long = [pair for pair in sample if sum(map(len, pair)) >= MIN_CHARACTERS] or sample
    return CorpusFacts(
        median(len(target) / len(source) for source, target in long),
        median(count_units(target) / count_units(source) for source, target in long),
        (_scripts([source for source, _ in sample]), _scripts([target for _, target in sample])),
    )


def _scripts(lines: Sequence[str]) -> frozenset[str]:
    counts = Counter(script for script in map(main_script, lines) if script)
    least = MIN_SCRIPT_LINES * counts.total()
    return frozenset(script for script, count in counts.items() if count >= least)
