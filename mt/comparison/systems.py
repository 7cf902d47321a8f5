"""What is compared: systems, each with its runs, and the test sets that all of them translated."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.comparison.test_sets import TestText, read_links, read_test, translate_test, with_test
from mt.config.compose import differences
from mt.config.schema import Config, DataConfig
from mt.data.links import Links
from mt.data.readers import read_lines
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation import check_line_counts
from mt.run_folder import RunFolder

HEADLINE = "test"  # the name of the first test set: the run's own, or the files'


@dataclass(frozen=True)
class SystemRun:
    """One training, or one file of translations."""

    path: str
    config: Config | None = None  # None: of a file

    @property
    def folder(self) -> RunFolder:
        """The run directory; of a file, a folder that does not exist."""
        return RunFolder.at(self.path)

    @property
    def seed(self) -> int | None:
        return None if self.config is None else self.config.seed


@dataclass(frozen=True)
class System:
    """Runs that differ in their seed only; at least one."""

    name: str
    runs: list[SystemRun]


@dataclass(frozen=True)
class TestSet:
    """Text, and each system's translations of it. Line i of each list belongs together."""

    __test__ = False  # for pytest, which would take it for a test

    name: str
    sources: list[str] | None
    references: list[str]
    hypotheses: dict[str, list[list[str]]]  # by system: for each of its runs the lines
    links: list[Links] | None = None  # gold alignments of sources and references


@dataclass(frozen=True)
class Material:
    """All that a comparison is computed from."""

    systems: list[System]
    tests: list[TestSet]  # the first is the headline
    lang: str = ""  # target language code, which decides how BLEU tokenises
    notes: list[str] = field(default_factory=list)  # what a reader must know

    @property
    def names(self) -> list[str]:
        return [system.name for system in self.systems]


def of_files(
    hypotheses: Mapping[str, str | Sequence[str]],
    references: str,
    sources: str = "",
    lang: str = "",
) -> Material:
    """Systems by name, each one file of translations or several (of several seeds), with a file of references and of sources."""
    if not hypotheses:
        raise UsageError("name at least one system: hyp='{ours: a.txt, theirs: b.txt}'")
    files = {
        name: list(paths) if isinstance(paths, Sequence) and not isinstance(paths, str) else [paths]
        for name, paths in hypotheses.items()
    }
    for name, paths in files.items():
        if not paths or not all(isinstance(path, str) for path in paths):
            raise UsageError(
                f"the system {name} has no file of translations: hyp='{{{name}: FILE, ...}}'"
            )
        if twice := next((path for path in paths if paths.count(path) > 1), None):
            raise UsageError(f"{twice} is named twice in the system {name}: each run counts once")
    lines = {
        path: list(read_lines(Path(path)))
        for path in [references, *([sources] if sources else []), *sum(files.values(), [])]
    }
    check_line_counts(lines)
    systems = [System(name, [SystemRun(path) for path in paths]) for name, paths in files.items()]
    test = TestSet(
        HEADLINE,
        lines[sources] if sources else None,
        lines[references],
        {name: [lines[path] for path in paths] for name, paths in files.items()},
    )
    return Material(systems, [test], lang, unequal_seeds(systems))


def of_runs(
    paths: Sequence[str],
    tests: Mapping[str, Sequence[str]] | None = None,
    say: Callable[[str], None] = print,
) -> Material:
    """Run directories, or patterns of them; those whose settings differ in the seed only are one system, named by the first of them.

    As `of_variants` otherwise.
    """
    if not paths:
        raise UsageError("name at least one run directory: runs='[runs/a,runs/b]'")
    groups: list[list[SystemRun]] = []
    for path in [each for given in paths for each in matching(given)]:
        run = read_run(path)
        same = next((runs for runs in groups if alike(run, runs[0])), None)
        if same is None:
            groups.append([run])
        else:
            same.append(run)
    return _of_runs(
        [System(name, runs) for name, runs in zip(names(groups), groups, strict=True)],
        tests or {},
        say,
    )


def matching(pattern: str) -> list[str]:
    """The paths that a pattern such as runs/why_attention-* stands for, in order; a path stands for itself."""
    if not glob.has_magic(pattern) or Path(pattern).expanduser().exists():
        return [pattern]
    if not (found := sorted(glob.glob(os.path.expanduser(pattern)))):
        raise UsageError(f"there is no {pattern}")
    return found


def of_variants(
    variants: Mapping[str, Sequence[str]],
    tests: Mapping[str, Sequence[str]] | None = None,
    say: Callable[[str], None] = print,
) -> Material:
    """Run directories by the name of their system, with the test that mt-train left in each; a variant without runs is left out.

    `tests`: further test sets, by name overrides of `data.test.*`, which are translated now and
    kept in the run directories; `say` is told where that takes time. MTError where a run has no
    test yet, is being trained, or was tested on other text than the rest.
    """
    systems = [
        System(name, [read_run(path) for path in paths])
        for name, paths in variants.items()
        if paths
    ]
    if not systems:
        raise MTError("there is no finished run to compare")
    return _of_runs(systems, tests or {}, say)


def _of_runs(
    systems: list[System], tests: Mapping[str, Sequence[str]], say: Callable[[str], None]
) -> Material:
    if HEADLINE in tests:
        raise UsageError(
            f"a further test set cannot be called {HEADLINE!r}, which is the run's own: choose another name"
        )
    runs = [run for system in systems for run in system.runs]
    seen: set[Path] = set()
    for run in runs:
        if (place := run.folder.path.resolve()) in seen:
            raise UsageError(f"{run.path} is named twice: each run counts once")
        seen.add(place)
    found = [
        _own_test(systems),
        *(_further_test(systems, name, overrides, say) for name, overrides in tests.items()),
    ]
    assert runs[0].config is not None
    return Material(
        systems,
        found,
        runs[0].config.data.languages()[1],
        [*unequal_seeds(systems), *same_seeds(systems)],
    )


def _own_test(systems: Sequence[System]) -> TestSet:
    """The test that mt-train left in each run."""
    first = systems[0].runs[0].folder
    sources, references = (
        list(read_lines(first.test_file(side))) for side in ("sources", "references")
    )
    hypotheses: dict[str, list[list[str]]] = {}
    for system in systems:
        hypotheses[system.name] = []
        for run in system.runs:
            folder = run.folder
            other = [list(read_lines(folder.test_file(side))) for side in ("sources", "references")]
            _check_same(first, folder, other == [sources, references])
            hypotheses[system.name].append(list(read_lines(folder.test_file("hypotheses"))))
    lines = {
        f"{system.runs[k].path}": found
        for system in systems
        for k, found in enumerate(hypotheses[system.name])
    }
    check_line_counts({"sources": sources, "references": references, **lines})
    return TestSet(HEADLINE, sources, references, hypotheses, read_links(first.test_file("links")))


def _further_test(
    systems: Sequence[System], name: str, overrides: Sequence[str], say: Callable[[str], None]
) -> TestSet:
    """A test set that each run's model translates now, unless it has before."""
    first = systems[0].runs[0].folder
    text: TestText | None = None
    data: DataConfig | None = None
    hypotheses: dict[str, list[list[str]]] = {}
    for system in systems:
        hypotheses[system.name] = []
        for run in system.runs:
            assert run.config is not None
            folder = run.folder
            wanted = with_test(run.config, name, overrides).data
            if (
                text is None or wanted != data
            ):  # most runs have the same, and need not read it again
                found = read_test(wanted, name)
                text, data = text or found, wanted
                _check_same(
                    first,
                    folder,
                    (found.sources, found.references) == (text.sources, text.references),
                )
            hypotheses[system.name].append(translate_test(folder, run.config, text, say))
    assert text is not None
    return TestSet(name, text.sources, text.references, hypotheses, text.links)


def _check_same(one: RunFolder, other: RunFolder, same: bool) -> None:
    if not same:
        raise MTError(
            f"{one} and {other} were tested on different text: translate one text with both (mt-translate) and compare the files "
            "with hyp=..."
        )


def read_run(path: str) -> SystemRun:
    """A run directory that has been tested. MTError, saying what to do, for any other."""
    folder = RunFolder.at(path)
    config = folder.read_config()
    if folder.is_being_trained():
        raise MTError(f"{folder} is being trained: wait for its end, or compare without it")
    if not folder.test_file("hypotheses").is_file():
        raise MTError(
            f"{folder} has no test yet (test.hypotheses.txt is missing): its training did not end; start the same mt-train command again"
        )
    return SystemRun(path, config)


def alike(one: SystemRun, other: SystemRun) -> bool:
    """Whether two runs differ in nothing but their seed, and in what may differ when a run is continued, the budget apart."""
    assert one.config is not None and other.config is not None
    limits = [
        {key: value for key, value in vars(run.config.trainer).items() if key.startswith("max_")}
        for run in (one, other)
    ]  # type: ignore[union-attr]
    return limits[0] == limits[1] and not differences(
        dataclasses.replace(one.config, seed=other.config.seed), other.config
    )


def names(groups: Sequence[Sequence[SystemRun]]) -> list[str]:
    """A name for each group: the folder name of its first run; where several share it, the whole path."""
    short = [Path(runs[0].path).name for runs in groups]
    return [
        name if short.count(name) == 1 else runs[0].path
        for name, runs in zip(short, groups, strict=True)
    ]


def unequal_seeds(systems: Sequence[System]) -> list[str]:
    """A note where systems have different numbers of runs: allowed, as intervals take it into account, and good to know."""
    counts = {len(system.runs) for system in systems}
    if len(counts) == 1:
        return []
    listed = ", ".join(f"{system.name} {len(system.runs)}" for system in systems)
    return [
        f"the systems have unequal numbers of runs ({listed}): intervals and p take it into account, but the randomisation test, "
        "which pairs runs, is left out where they differ"
    ]


def same_seeds(systems: Sequence[System]) -> list[str]:
    """A note where two runs of a system have one seed: they may be copies, and then count as evidence twice."""
    found = []
    for system in systems:
        seeds = [run.seed for run in system.runs]
        if twice := sorted({seed for seed in seeds if seed is not None and seeds.count(seed) > 1}):
            found.append(
                f"{system.name} has several runs with seed {', '.join(map(str, twice))}: they are no independent evidence"
            )
    return found
