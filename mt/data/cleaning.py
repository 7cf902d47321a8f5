"""Normalisation of all text, and filters for training pairs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

import regex  # type: ignore[import-untyped]

from mt.config.schema import CleanConfig
from mt.data.scripts import count_units

# Invisible characters without meaning: NUL, byte order mark, soft hyphen. Other format characters
# (Cf) stay, because scripts need them: joiners in Persian, Indic scripts and emoji, direction
# marks, the zero-width space of Thai and Khmer.
_REMOVED = "\x00\ufeff\u00ad"
# Control characters (Cc: C0, DEL and C1, including tabs and all line ends) and the line and
# paragraph separators of Unicode.
_TO_SPACE = [chr(code) for code in (*range(1, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]
_TABLE = str.maketrans({**dict.fromkeys(_REMOVED, ""), **dict.fromkeys(_TO_SPACE, " ")})
# Not only white space: also what Unicode calls ignorable (zero-width spaces and joiners, direction
# marks, variation selectors, Hangul fillers), interlinear marks and the braille pattern without
# dots.
VISIBLE = regex.compile(
    r"[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb\u2800]"
)
SURROGATE = re.compile("[\ud800-\udfff]")

EXAMPLES = 3  # of the pairs that a step drops
EXAMPLE_WIDTH = 70  # characters of each side
LARGE_SHARE = 0.1  # of the pairs that a step drops, from which on there is a warning

# The length ratio of shorter pairs is not limited ("Ja." - "That is correct, of course.").
RATIO_MIN_BYTES = 50


def normalise(text: str, form: str = "NFC") -> str:
    """Normalise text for the model, in training and in translation alike.

    Control characters and line separators become spaces. NUL, byte order marks and soft hyphens are
    removed. Surrogates are combined into characters or replaced by U+FFFD. Then follow Unicode
    normalisation `form` (NFC, NFKC or none) and removal of white space at both ends. The function
    accepts any string and is idempotent.
    """
    if not text.isprintable():  # a fast test: printable text has nothing to replace
        if SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = text.translate(_TABLE)
    if form != "none":
        text = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    return text.strip()


def is_blank(text: str) -> bool:
    """Return whether the text has no visible character, so that there is nothing to translate."""
    return VISIBLE.search(text) is None


def text_hash(text: str) -> int:
    """Return a 64-bit hash of well-formed text, the same in every process (unlike `hash`)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class Cleaner:
    """Normalise and filter training pairs.

    `held_out` are the validation and test pairs. Duplicates are found across all corpora that pass
    through one cleaner. Memory grows by a 64-bit hash for each distinct pair (about 70 bytes in a
    Python set), not by text.

    `counts` holds the number of pairs for each step: normalised ones were changed, the others
    dropped. A pair counts for the first step that drops it, so read = kept + all dropped.
    `examples` holds the first pairs that each step drops.
    """

    # Reason to drop a pair -> the settings to check if many are dropped
    DROP_REASONS = {
        "empty": "data.train",
        "too short": "data.clean.min_words",
        "too long": "data.clean.max_words and data.clean.max_chars",
        "ratio": "data.clean.max_ratio",
        "overlap": "data.train and data.clean.drop_overlap",
        "duplicate": "data.clean.deduplicate",
    }

    def __init__(self, config: CleanConfig, held_out: Iterable[tuple[str, str]]) -> None:
        self.config = config
        self.counts = dict.fromkeys(("read", "kept", "normalised", *self.DROP_REASONS), 0)
        self.examples: dict[str, list[tuple[str, str]]] = {step: [] for step in self.DROP_REASONS}
        self._seen: set[int] = set()
        self._held_out_sources: set[int] = set()
        self._held_out_targets: set[int] = set()
        if config.drop_overlap:
            for source, target in held_out:
                self._held_out_sources.add(text_hash(normalise(source, config.unicode)))
                self._held_out_targets.add(text_hash(normalise(target, config.unicode)))

    def __call__(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Yield the cleaned pairs in order."""
        form, counts = self.config.unicode, self.counts
        for raw_source, raw_target in pairs:
            counts["read"] += 1
            source, target = normalise(raw_source, form), normalise(raw_target, form)
            counts["normalised"] += source != raw_source or target != raw_target
            reason = self._reason_to_drop(source, target)
            if reason:
                counts[reason] += 1
                if counts[reason] <= EXAMPLES:
                    self.examples[reason].append((source, target))
            else:
                counts["kept"] += 1
                yield source, target

    def _reason_to_drop(self, source: str, target: str) -> str | None:
        config = self.config
        if is_blank(source) or is_blank(target):
            return "empty"
        if config.max_chars and max(len(source), len(target)) > config.max_chars:
            return "too long"
        if config.min_words or config.max_words:
            fewest, most = sorted((count_units(source), count_units(target)))
            if fewest < config.min_words:
                return "too short"
            if config.max_words and most > config.max_words:
                return "too long"
        if config.max_ratio:
            shortest, longest = sorted((len(source.encode()), len(target.encode())))
            if longest > RATIO_MIN_BYTES and longest > config.max_ratio * shortest:
                return "ratio"
        if config.drop_overlap and (
            text_hash(source) in self._held_out_sources
            or text_hash(target) in self._held_out_targets
        ):
            return "overlap"
        if config.deduplicate:
            key = text_hash(f"{source}\0{target}")  # normalised text contains no NUL
            if key in self._seen:
                return "duplicate"
            self._seen.add(key)
        return None

    def report(self) -> list[str]:
        """Describe the counts so far, with examples: a line for each step, also if it is off.

        There is a warning for a step that drops a large share.
        """
        counts, config = self.counts, self.config
        words = config.max_words or "any number of"
        characters = config.max_chars or "any number of"
        enabled = {
            "empty": True,
            "too short": bool(config.min_words),
            "too long": bool(config.max_words or config.max_chars),
            "ratio": bool(config.max_ratio),
            "overlap": config.drop_overlap,
            "duplicate": config.deduplicate,
        }
        descriptions = {
            "empty": "with an empty side",
            "too short": f"shorter than {config.min_words} words",
            "too long": f"longer than {words} words or {characters} characters",
            "ratio": f"with one side over {config.max_ratio:g} times as long as the other",
            "overlap": "whose source or target is in validation or test",
            "duplicate": "seen before",
        }
        share = 100 * counts["kept"] / max(1, counts["read"])
        lines = [
            f"pairs read: {counts['read']:,}; kept: {counts['kept']:,} ({share:.1f} %)",
            f"normalised ({config.unicode}, control characters, white space at the ends): "
            f"{counts['normalised']:,}",
        ]
        for step, settings in self.DROP_REASONS.items():
            dropped = f"dropped, {descriptions[step]}: {counts[step]:,}"
            lines.append(dropped if enabled[step] else f"{step}: step is off")
            lines += [
                f"  {shorten(source)} ||| {shorten(target)}"
                for source, target in self.examples[step]
            ]
            if counts[step] > max(EXAMPLES, LARGE_SHARE * counts["read"]):
                lines.append(
                    f"warning: {counts[step] / counts['read']:.0%} of the pairs are dropped "
                    f"({descriptions[step]}): look at the examples above, and check {settings}"
                )
        return lines


def shorten(text: str) -> str:
    """Return the beginning of a text, with dots if it is longer."""
    return text if len(text) <= EXAMPLE_WIDTH else f"{text[: EXAMPLE_WIDTH - 3]}..."
