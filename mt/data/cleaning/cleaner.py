"""Normalisation and filtering of training pairs, with a report of what was dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mt.config.schema import CleanConfig
from mt.data.arrow_files import Pair
from mt.data.cleaning.corpus_facts import CorpusFacts, measure_corpus
from mt.data.cleaning.steps import build_steps
from mt.data.normalisation import Normaliser
from mt.data.tags import add_tag, split_tag

EXAMPLES = 3  # of the pairs that a step drops
EXAMPLE_WIDTH = 70  # characters of each side
LARGE_SHARE = 0.1  # of the pairs that a step drops, from which on there is a warning


class Cleaner:
    """Normalise and filter training pairs.

    `held_out` are the validation and test pairs, `sample` are raw pairs that show what is usual in
    the corpus, and `languages` the codes of both sides. Duplicates are found across all corpora
    that pass through one cleaner.

    Tags of sources stay; pairs that differ in their tags are no duplicates. `tags` counts the kept
    pairs by tag, "" if they have none.

    `counts` holds the number of pairs for each step: normalised ones were changed, the others
    dropped. A pair counts for the first step that drops it, so read = kept + all dropped.
    `examples` holds the first pairs that each step drops.
    """

    def __init__(
        self,
        config: CleanConfig,
        held_out: Iterable[Pair] = (),
        sample: Iterable[Pair] = (),
        languages: tuple[str, str] = ("src", "tgt"),
    ) -> None:
        self.config = config
        self._normalise = Normaliser.from_config(config)
        # What is absolute does not depend on the corpus.
        self._measured = config.relative_lengths or bool(config.min_script)
        self.facts = CorpusFacts()
        if self._measured:
            self.facts = measure_corpus(
                self._normalise.pair(split_tag(source)[1], target) for source, target in sample
            )
        self.steps = build_steps(config, self.facts, held_out, languages)
        self._active = [(step.name, step.drops, step.sees_tag) for step in self.steps if step.drops]
        self.tags: Counter[str] = Counter()
        self.counts = dict.fromkeys(("read", "kept", "normalised"), 0)
        self.counts |= {step.name: 0 for step in self.steps}
        self.examples: dict[str, list[Pair]] = {step.name: [] for step in self.steps}

    def __call__(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield the cleaned pairs in order."""
        normalise, counts = self._normalise, self.counts
        for tagged_source, raw_target in pairs:
            tag, raw_source = split_tag(tagged_source)
            counts["read"] += 1
            source, target = normalise(raw_source), normalise(raw_target)
            counts["normalised"] += source != raw_source or target != raw_target
            tagged = add_tag(source, tag)
            for name, drops, sees_tag in self._active:
                if drops(tagged if sees_tag else source, target):
                    counts[name] += 1
                    if counts[name] <= EXAMPLES:
                        self.examples[name].append((source, target))
                    break
            else:
                counts["kept"] += 1
                self.tags[tag] += 1
                yield tagged, target

    def dropped(self) -> dict[str, int]:
        """Return the number of pairs that each step has dropped."""
        return {step.name: self.counts[step.name] for step in self.steps}

    def report(self) -> list[str]:
        """Describe the counts so far, with examples: a line for each step, also if it is off.

        There is a warning for a step that drops a large share.
        """
        counts, config = self.counts, self.config
        share = 100 * counts["kept"] / max(1, counts["read"])
        escapes = "escapes, " if config.unescape else ""
        lines = [
            f"pairs read: {counts['read']:,}; kept: {counts['kept']:,} ({share:.1f} %)",
            f"normalised ({config.unicode}, {escapes}control characters, white space at the ends): "
            f"{counts['normalised']:,}",
        ]
        lines += self.facts.report() if self._measured else []
        for step in self.steps:
            dropped = f"dropped, {step.description}: {counts[step.name]:,}"
            lines.append(dropped if step.drops else f"{step.name}: step is off")
            lines += [
                f"  {shorten(source)} ||| {shorten(target)}"
                for source, target in self.examples[step.name]
            ]
            if counts[step.name] > max(EXAMPLES, LARGE_SHARE * counts["read"]):
                lines.append(
                    f"warning: {counts[step.name] / counts['read']:.0%} of the pairs are dropped "
                    f"({step.description}): look at the examples above, and check {step.settings}"
                )
        return lines


def shorten(text: str) -> str:
    """Return the beginning of a text, with dots if it is longer."""
    return text if len(text) <= EXAMPLE_WIDTH else f"{text[: EXAMPLE_WIDTH - 3]}..."
