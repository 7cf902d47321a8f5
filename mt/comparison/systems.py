"""Systems to compare, each with its runs, and the test sets that all of them translated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mt.config.schema import Config
from mt.data.annotations import Decider
from mt.data.links import Links
from mt.run_folder import RunFolder

HEADLINE = "test"  # name of the first test set: the one that runs were tested on, or the files


@dataclass(frozen=True)
class SystemRun:
    """One training, or one file of translations."""

    path: str
    config: Config | None = None  # None for a file

    @property
    def folder(self) -> RunFolder:
        """The run directory; for a file, one that does not exist."""
        return RunFolder.at(self.path)

    @property
    def seed(self) -> int | None:
        return None if self.config is None else self.config.seed


@dataclass(frozen=True)
class System:
    """Runs that differ only in their seed; at least one."""

    name: str
    runs: list[SystemRun]


@dataclass(frozen=True)
class TestSet:
    """Text, and each system's translations of it. Line i of each list belongs together."""

    __test__ = False  # not a test for pytest

    name: str
    sources: list[str] | None
    references: list[str]  # the first of each sentence
    hypotheses: dict[str, list[list[str]]]  # system -> run -> line
    links: list[Links] | None = None  # gold alignments of sources and references
    constructions: list[list[str]] | None = None  # names of those in each sentence
    deciders: list[list[Decider]] | None = None  # words of each source that decide others
    # All references: for each reference translation a list of lines. Empty: `references` alone.
    reference_sets: list[list[str]] = field(default_factory=list)

    @property
    def scored_references(self) -> list[list[str]]:
        """The references of the metrics; other measures use the first of each sentence."""
        return self.reference_sets or [self.references]


@dataclass(frozen=True)
class ComparisonInput:
    """All that a comparison is computed from."""

    systems: list[System]
    tests: list[TestSet]  # the first is the headline
    lang: str = ""  # code of the target language, which decides how BLEU tokenises
    notes: list[str] = field(default_factory=list)  # for the reader of the report

    @property
    def names(self) -> list[str]:
        return [system.name for system in self.systems]


def note_unequal_runs(systems: Sequence[System]) -> list[str]:
    """Note if systems have different numbers of runs."""
    if len({len(system.runs) for system in systems}) == 1:
        return []
    counts = ", ".join(f"{system.name} {len(system.runs)}" for system in systems)
    return [
        f"the systems have unequal numbers of runs ({counts}): intervals and p-values take it into "
        "account, but the randomisation test, which pairs runs, is left out if they differ"
    ]


def note_repeated_seeds(systems: Sequence[System]) -> list[str]:
    """Note each system with two runs of one seed: they may be copies, which count twice."""
    notes = []
    for system in systems:
        seeds = [run.seed for run in system.runs if run.seed is not None]
        repeated = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if repeated:
            notes.append(
                f"{system.name} has several runs with seed {', '.join(map(str, repeated))}: "
                "they are not independent evidence"
            )
    return notes
