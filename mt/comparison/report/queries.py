"""Queries on results that several parts of a report share."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase
from typing import Protocol, TypeVar

from mt.comparison.report.chart import Line, Point
from mt.comparison.report.text import join_words
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import ScoreDifference, SentenceGroup, TestResult
from mt.comparison.schema.systems import SystemResult
from mt.comparison.statistics.groups import indistinguishable_groups
from mt.comparison.table import Cell
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import HEADLINE, METRICS

# Marks beside the names of systems; the warnings explain them.
STILL_IMPROVING = "\u2020"
IGNORES_SOURCE = "\u2021"
MAX_TITLE_NAMES = 4


class Entry(Protocol):
    """A score or a difference."""

    system: str
    metric: str


AnyEntry = TypeVar("AnyEntry", bound=Entry)


def find_entry(entries: Iterable[AnyEntry], system: str, metric: str = HEADLINE) -> AnyEntry | None:
    """Return the entry of a system and metric; None if the group of sentences is empty."""
    return next((e for e in entries if e.system == system and e.metric == metric), None)


def system_names(results: Results) -> list[str]:
    """Return the names of all systems, in the order of the report."""
    return [system.name for system in results.systems]


def system_styles(results: Results) -> dict[str, int]:
    """Return the style of each system in charts: 0, the neutral one, for the baseline."""
    others = [name for name in system_names(results) if name != results.baseline]
    return {name: number for number, name in enumerate([results.baseline, *others])}


def metric_names(results: Results) -> list[str]:
    """Return the names of all metrics, in the order of the report."""
    return list(results.signatures)


def metric_title(metric: str) -> str:
    """Return what tables and texts call a metric, such as BLEU for bleu."""
    return METRICS[metric].title


def headline_test(results: Results) -> TestResult:
    """Return the test set that the conclusions are about."""
    return results.tests[0]


def describe_test(test: TestResult, results: Results) -> str:
    """Return a test set's name for headings and sentences; empty if there is only one."""
    return f"test set \u201c{test.name}\u201d" if len(results.tests) > 1 else ""


def nonempty_buckets(test: TestResult) -> list[SentenceGroup]:
    """Return the length buckets that have sentences."""
    return [group for group in test.buckets if group.sentences]


def nonempty_groups(test: TestResult) -> list[SentenceGroup]:
    """Return the short and the long sentences and each length bucket, if they have sentences."""
    return [group for group in (test.short, test.long, *test.buckets) if group.sentences]


def is_small(group: SentenceGroup) -> bool:
    """Return True if there are too few sentences for scores to mean much."""
    return group.sentences < MIN_SENTENCES


def flags(system: SystemResult) -> str:
    """Return the marks of what readers must know wherever a result of this system is shown."""
    flags = [IGNORES_SOURCE] * system.ignores_source + [STILL_IMPROVING] * system.still_improving
    return "".join(flags)


def report_title(results: Results) -> str:
    """Return the heading of the report: its title, else its question, else its systems."""
    names = system_names(results)
    systems = f"Comparison of {join_words(names)}" if len(names) <= MAX_TITLE_NAMES else ""
    return results.title or results.question or systems or f"Comparison of {len(names)} systems"


def by_score(results: Results, test: TestResult) -> list[SystemResult]:
    """Return the systems in the order of their BLEU on a test set, highest first."""
    scores = {score.system: score.mean for score in test.overall.scores if score.metric == HEADLINE}
    return sorted(results.systems, key=lambda system: -scores.get(system.name, -1.0))


def has_different_choices(results: Results) -> bool:
    """Return whether validation chose different settings for systems that were tuned."""
    choices = {tuple(t.settings) for tuned in results.tuning for t in tuned.trials if t.chosen}
    return len(choices) > 1


def find_pair(pairs: Iterable[ScoreDifference], one: str, other: str) -> ScoreDifference | None:
    """Return the difference in BLEU of a pair, in whichever order; None if it is not tested."""
    return next(
        (
            pair
            for pair in pairs
            if pair.metric == HEADLINE and {pair.system, pair.other} == {one, other}
        ),
        None,
    )


def is_distinguishable(pair: ScoreDifference) -> bool:
    """Return whether one of the two is better."""
    return pair.verdict in ("better", "worse")


def system_groups(results: Results, test: TestResult) -> list[list[str]]:
    """Return the groups of systems whose BLEU cannot be told apart, highest first."""
    return indistinguishable_groups(
        [system.name for system in by_score(results, test)],
        {
            frozenset((pair.system, pair.other))
            for pair in test.pairs
            if pair.metric == HEADLINE and is_distinguishable(pair)
        },
    )


def group_letters(results: Results, test: TestResult) -> dict[str, str]:
    """Return the letters of each system's groups."""
    groups = system_groups(results, test)
    return {
        name: "".join(group_letter(i) for i, group in enumerate(groups) if name in group)
        for name in system_names(results)
    }


def group_letter(number: int) -> str:
    """Return a, b, ..., z, a1, b1, ..."""
    return ascii_lowercase[number % 26] + (str(number // 26) if number >= 26 else "")


def system_cell(system: SystemResult) -> Cell:
    """Return the cell that begins a system's row."""
    return Cell(system.name, flags(system), is_system=True)


def name_cell(system: str) -> Cell:
    """Return a system's cell without its flags, for tables that follow one with flags."""
    return Cell(system, is_system=True)


def column_titles(results: Results, names: Iterable[str]) -> list[str]:
    """Return the names of systems with their flags."""
    titles = {
        system.name: f"{system.name} ({flags(system)})" if flags(system) else system.name
        for system in results.systems
    }
    return [titles[name] for name in names]


def system_line(results: Results, name: str, points: list[Point]) -> Line:
    """Return a line in the style and with the flags of a system."""
    system_flags = {system.name: flags(system) for system in results.systems}
    return Line(name, system_styles(results)[name], points, system_flags[name])
