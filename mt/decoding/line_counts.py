"""Counts of lines that needed special treatment or whose translations may be bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mt.data.normalisation import SURROGATE, is_blank
from mt.decoding.line_encoder import EncodedLine
from mt.decoding.output_warnings import COPY, INVENTED, LOST, REPETITION, SHORT
from mt.decoding.outputs import Translation

DESCRIPTIONS = {
    "invalid": "with invalid UTF-8 (replaced by U+FFFD)",
    "prefix": "that are blank but have a prefix (not used)",
    "nul": "with NUL characters (removed)",
    "sentences": "of several sentences (translated one by one, joined)",
    "split": "longer than {max_pieces} pieces (split, translated in parts, joined)",
    "cut off": "whose translation was cut off at the maximum length (--max-ratio, --max-extra)",
    "empty": "that are not blank but have an empty translation",
    REPETITION: "whose translation repeats itself (several times in a row)",
    SHORT: "whose translation, or that of a part, is much shorter than expected",
    COPY: "whose translation, or that of a part, is a copy of the source",
    LOST: "whose translation lacks a placeholder of the source",
    INVENTED: "whose translation has a placeholder that the source does not have",
    "unaligned": "without links, because their words cannot be recovered from their pieces (such "
    "as a word that was split)",
}


class LineCounts(Counter[str]):
    """Numbers of lines by the keys of `DESCRIPTIONS`."""

    def add_lines(self, lines: Iterable[str]) -> None:
        """Count what is unusual in lines before they are normalised."""
        for line in lines:
            # Invalid bytes were decoded as surrogates (`surrogateescape`).
            self["invalid"] += SURROGATE.search(line) is not None
            self["nul"] += "\0" in line

    def add_prefixes(self, prefixes: Sequence[str], lines: Sequence[EncodedLine]) -> None:
        """Count blank lines with a prefix, given the prefix of each line."""
        for prefix, line in zip(prefixes, lines, strict=True):
            self["prefix"] += not (is_blank(prefix) or line.parts)

    def add_translation(self, translation: Translation) -> None:
        """Count what is unusual in the best translation of a line."""
        best = translation.outputs[0]
        self["cut off"] += not best.complete
        self["empty"] += bool(translation.parts) and is_blank(best.text)
        self.update(best.warnings)

    def describe(self, max_pieces: int) -> list[str]:
        """Return a line of text for each count that is not zero."""
        return [
            f"lines {description.format(max_pieces=max_pieces)}: {self[name]:,}"
            for name, description in DESCRIPTIONS.items()
            if self[name]
        ]
