"""Queries on results that several parts of a report share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from mt.comparison.report.chart import Line, Point
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import SentenceGroup, TestResult
from mt.comparison.schema.systems import SystemResult
from mt.comparison.table import Cell
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import HEADLINE, METRICS

STILL_IMPROVING = "still improving"
IGNORES_SOURCE = "ignores its source"


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


def all_have_several_runs(results: Results) -> bool:
    """Return True if no system has only one run."""
    return all(len(system.runs) > 1 for system in results.systems)


def flags(system: SystemResult) -> str:
    """Return what readers must know wherever a result of this system is shown."""
    flags = [IGNORES_SOURCE] * system.ignores_source + [STILL_IMPROVING] * system.still_improving
    return ", ".join(flags)


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
