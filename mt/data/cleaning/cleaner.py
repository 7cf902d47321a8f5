"""Normalisation and filtering of training pairs, with a report of what was dropped."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mt.config.schema import CleanConfig
from mt.data.arrow_files import Pair
from mt.data.cleaning.corpus_facts import CorpusFacts, measure_corpus
from mt.data.cleaning.duplicates import find_repeated
from mt.data.cleaning.steps import build_steps
from mt.data.normalisation import Normaliser
from mt.data.tags import add_tag, split_tag

EXAMPLES = 3  # of the pairs that a step drops
EXAMPLE_WIDTH = 70  # characters of each side
LARGE_SHARE = 0.1  # of the pairs that a step drops, from which on there is a warning


@dataclass
class Examined:
    """Pairs that have passed the steps which look at one pair at a time, and what these counted.

    `keys` has those of each step that drops repeated pairs, [N] uint64.
    """

    pairs: list[Pair]  # with their tags
    keys: dict[str, np.ndarray]
    counts: Counter[str]
    examples: dict[str, list[Pair]]


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

    Steps that look at one pair at a time come first. `examine` applies them and changes nothing, so
    that processes can share the work; its results are added in the order of the text. Then
    `find_repeated` tells which pairs the other steps drop.
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
        self.filters = [(step.name, step.drops) for step in self.steps if step.drops]
        self.keys = {step.name: step.key for step in self.steps if step.key}
        self.tags: Counter[str] = Counter()
        self.counts = Counter(dict.fromkeys(("read", "kept", "normalised"), 0))
        self.counts.update({step.name: 0 for step in self.steps})
        self.examples: dict[str, list[Pair]] = {step.name: [] for step in self.steps}
        self._seen = {name: np.zeros(0, np.uint64) for name in self.keys}

    def __call__(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Return the cleaned pairs in order. Their keys are held in memory for further calls."""
        examined = self.examine(pairs)
        self.add(examined)
        for name, keys in examined.keys.items():
            self._seen[name] = np.concatenate([self._seen[name], keys])
        kept = dict(enumerate(examined.pairs))
        for name, rows in find_repeated(self._seen).items():
            own = rows - (len(self._seen[name]) - len(examined.pairs))
            dropped = [kept.pop(row) for row in own[own >= 0].tolist()]
            self.add_repeated(name, len(dropped), dropped)
        self.add_kept(Counter(split_tag(source)[0] for source, _ in kept.values()))
        return list(kept.values())

    def examine(self, pairs: Iterable[Pair]) -> Examined:
        """Normalise pairs and apply the steps that look at one pair at a time."""
        normalise = self._normalise
        passed: list[Pair] = []
        counts: Counter[str] = Counter()
        examples: dict[str, list[Pair]] = {}
        for tagged_source, raw_target in pairs:
            tag, raw_source = split_tag(tagged_source)
            counts["read"] += 1
            source, target = normalise(raw_source), normalise(raw_target)
            counts["normalised"] += source != raw_source or target != raw_target
            for name, drops in self.filters:
                if drops(source, target):
                    counts[name] += 1
                    if counts[name] <= EXAMPLES:
                        examples.setdefault(name, []).append((source, target))
                    break
            else:
                passed.append((add_tag(source, tag), target))
        keys = {
            name: np.fromiter(itertools.starmap(key, passed), np.uint64, len(passed))
            for name, key in self.keys.items()
        }
        return Examined(passed, keys, counts, examples)

    def add(self, examined: Examined) -> None:
        """Count what was examined, in the order of the text."""
        self.counts.update(examined.counts)
        for name, pairs in examined.examples.items():
            self._show(name, pairs)

    def add_repeated(self, name: str, count: int, first: Sequence[Pair]) -> None:
        """Count the pairs that a step has found repeated, given the first of them."""
        self.counts[name] += count
        self._show(name, [(split_tag(source)[1], target) for source, target in first])

    def add_kept(self, tags: Counter[str]) -> None:
        """Count the pairs that all steps have kept, by their tags."""
        self.counts["kept"] += tags.total()
        self.tags += tags

    def _show(self, name: str, pairs: Sequence[Pair]) -> None:
        shown = self.examples[name]
        shown += pairs[: EXAMPLES - len(shown)]

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
            lines.append(dropped if step.is_on else f"{step.name}: step is off")
            lines += show_examples(self.examples[step.name])
            lines += warn_of_many(
                counts[step.name], counts["read"], step.description, step.settings
            )
        return lines


def show_examples(pairs: Iterable[Pair]) -> list[str]:
    """Return a line for each of the first pairs that a step drops."""
    return [f"  {shorten(source)} ||| {shorten(target)}" for source, target in pairs]


def warn_of_many(dropped: int, read: int, description: str, settings: str) -> list[str]:
    """Return a warning if a step drops a large share of the pairs that are read."""
    if dropped <= max(EXAMPLES, LARGE_SHARE * read):
        return []
    return [
        f"warning: {dropped / read:.0%} of the pairs are dropped ({description}): look at the "
        f"examples above, and check {settings}"
    ]


def shorten(text: str) -> str:
    """Return the beginning of a text, with dots if it is longer."""
    return text if len(text) <= EXAMPLE_WIDTH else f"{text[: EXAMPLE_WIDTH - 3]}..."
