"""Input of a comparison, read from files of translations or from run directories."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mt.comparison.systems import (
    HEADLINE,
    ComparisonInput,
    System,
    SystemRun,
    TestSet,
    note_repeated_seeds,
    note_unequal_runs,
)
from mt.comparison.test_sets import (
    TestText,
    read_annotations,
    read_test_text,
    translate_test_text,
    with_test_set,
)
from mt.config.compose import differences
from mt.config.schema import DataConfig
from mt.data.text_files import read_lines
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation import check_line_counts
from mt.evaluation.text_form import first_references
from mt.files import expand_user
from mt.run_folder import RunFolder
from mt.training.untrained import PROBE_PAIRS


def read_files(
    hypotheses: Mapping[str, str | Sequence[str]],
    references: str | Sequence[str],
    sources: str = "",
    lang: str = "",
) -> ComparisonInput:
    """Read files of translations: for each system one, or several for several seeds.

    `references` is a file, or several: several reference translations of each sentence. Raises
    UsageError or MTError if a system has no file or the files differ in length.
    """
    if not hypotheses:
        raise UsageError("name at least one system: hyp='{ours: a.txt, theirs: b.txt}'")
    files = {
        name: list(paths) if isinstance(paths, Sequence) and not isinstance(paths, str) else [paths]
        for name, paths in hypotheses.items()
    }
    named: dict[Path, str] = {}
    for name, paths in files.items():
        if not paths or not all(isinstance(path, str) for path in paths):
            raise UsageError(
                f"the system {name} has no file of translations: hyp='{{{name}: FILE, ...}}'"
            )
        for path in paths:
            if other := named.get(file := expand_user(path).resolve()):
                where = f"system {name}" if other == name else f"systems {other} and {name}"
                raise UsageError(f"{path} is named twice in the {where}: each run counts once")
            named[file] = name
    references = [references] if isinstance(references, str) else references
    paths = [*references, *([sources] if sources else []), *sum(files.values(), [])]
    lines = {path: list(read_lines(expand_user(path))) for path in paths}
    check_line_counts(lines)
    systems = [System(name, [SystemRun(path) for path in paths]) for name, paths in files.items()]
    test = TestSet(
        HEADLINE,
        lines[sources] if sources else None,
        first_references([lines[path] for path in references]),
        {name: [lines[path] for path in paths] for name, paths in files.items()},
        reference_sets=[lines[path] for path in references],
    )
    return ComparisonInput(systems, [test], lang, note_unequal_runs(systems))


def read_runs(
    paths: Sequence[str],
    tests: Mapping[str, Sequence[str]] | None = None,
    say: Callable[[str], None] = print,
) -> ComparisonInput:
    """Read run directories, or patterns of them.

    Runs whose settings differ only in the seed are one system with the name of the first. Of those
    that match a pattern, runs that were not to be tested are left out. Otherwise as
    `read_variants`.
    """
    if not paths:
        raise UsageError("name at least one run directory: runs='[runs/a,runs/b]'")
    groups: list[list[SystemRun]] = []
    named = [(path, pattern) for pattern in paths for path in expand_pattern(pattern)]
    untested = [path for path, pattern in named if path != pattern and is_without_test(path)]
    notes = []
    if untested:
        notes.append(
            f"left out: {len(untested)} that match the pattern and have no test "
            "(trainer.test=false, such as trials of mt-compare)"
        )
    for path in [path for path, _ in named if path not in untested]:
        run = read_run(path)
        group = next((runs for runs in groups if is_same_system(run, runs[0])), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    if not groups:
        raise UsageError(f"none of {', '.join(paths)} has a test: {notes[0]}")
    systems = [System(name, runs) for name, runs in zip(system_names(groups), groups, strict=True)]
    inputs = _read_tests(systems, tests or {}, say)
    return dataclasses.replace(inputs, notes=[*notes, *inputs.notes])


def read_variants(
    variants: Mapping[str, Sequence[str]],
    tests: Mapping[str, Sequence[str]] | None = None,
    say: Callable[[str], None] = print,
) -> ComparisonInput:
    """Read the run directories of each variant, with the test that mt-train left in them.

    Variants without runs are left out. `tests` are extra test sets, name -> overrides of
    `data.test.*`: they are translated now, and stored in the run directories. `say` is called with
    progress messages.

    Raises MTError if a run has no test yet, is being trained, or was tested on other text than the
    others.
    """
    systems = [
        System(name, [read_run(path) for path in paths])
        for name, paths in variants.items()
        if paths
    ]
    if not systems:
        raise MTError("there is no finished run to compare")
    return _read_tests(systems, tests or {}, say)


def expand_pattern(pattern: str) -> list[str]:
    """Return the sorted paths that match a pattern; an existing path stands for itself."""
    if not glob.has_magic(pattern) or expand_user(pattern).exists():
        return [pattern]
    paths = sorted(glob.glob(os.path.expanduser(pattern)))
    if not paths:
        raise UsageError(f"there is no {pattern}")
    return paths


def _read_tests(
    systems: list[System], tests: Mapping[str, Sequence[str]], say: Callable[[str], None]
) -> ComparisonInput:
    if HEADLINE in tests:
        raise UsageError(
            f"an extra test set cannot be called {HEADLINE!r}, which is the run's own: "
            "choose another name"
        )
    runs = [run for system in systems for run in system.runs]
    folders: set[Path] = set()
    for run in runs:
        folder = run.folder.path.resolve()
        if folder in folders:
            raise UsageError(f"{run.path} is named twice: each run counts once")
        folders.add(folder)
    headline, headline_notes = _read_headline(systems, say)
    test_sets = [
        headline,
        *(_read_extra(systems, name, overrides, say) for name, overrides in tests.items()),
    ]
    assert runs[0].config is not None
    _, lang = runs[0].config.data.languages()
    notes = [*headline_notes, *note_unequal_runs(systems), *note_repeated_seeds(systems)]
    return ComparisonInput(systems, test_sets, lang, notes)


def _read_headline(
    systems: Sequence[System], say: Callable[[str], None]
) -> tuple[TestSet, list[str]]:
    """Read the test that mt-train left in each run; return it with notes on it.

    The test of a model that is not trained has the first `PROBE_PAIRS` pairs only: all runs are
    then compared on these.
    """
    runs = [run for system in systems for run in system.runs]
    sides = {run.path: _read_sides(run.folder) for run in runs}
    first = min(runs, key=lambda run: len(sides[run.path][0]))
    sources, references = sides[first.path]
    count = len(sources) if len(sources) == PROBE_PAIRS else None
    hypotheses: dict[str, list[list[str]]] = {}
    for system in systems:
        hypotheses[system.name] = []
        for run in system.runs:
            own_sources, own_references = sides[run.path]
            same = (own_sources[:count], own_references[:count]) == (sources, references)
            _check_same_text(first.folder, run.folder, same)
            lines = _read_test_file(run.folder, "hypotheses")
            check_line_counts(
                {"sources": own_sources, "references": own_references, run.path: lines}
            )
            hypotheses[system.name].append(lines[:count])
    longest = max(len(own_sources) for own_sources, _ in sides.values())
    notes = []
    if longest > len(sources):
        untrained = [path for path, side in sides.items() if len(side[0]) == len(sources)]
        notes.append(
            f"{', '.join(untrained)}: not trained, and so tested on the first {count} of "
            f"{longest:,} pairs only; all systems are compared on these {count} pairs"
        )
    annotations = read_annotations(first, sources, references, say)
    return TestSet(HEADLINE, sources, references, hypotheses, *annotations), notes


def _read_sides(folder: RunFolder) -> tuple[list[str], list[str]]:
    return (
        _read_test_file(folder, "sources"),
        _read_test_file(folder, "references"),
    )


def _read_test_file(folder: RunFolder, name: str) -> list[str]:
    """Read a text of the test of a run. Raises MTError if it is damaged."""
    path = folder.test_file(name)
    folder.check(path)
    return list(read_lines(path))


def _read_extra(
    systems: Sequence[System], name: str, overrides: Sequence[str], say: Callable[[str], None]
) -> TestSet:
    """Read a test set and its translations by each run, which makes them now if it has none."""
    first = systems[0].runs[0].folder
    text: TestText | None = None
    last_data: DataConfig | None = None
    hypotheses: dict[str, list[list[str]]] = {}
    for system in systems:
        hypotheses[system.name] = []
        for run in system.runs:
            assert run.config is not None
            data = with_test_set(run.config, name, overrides).data
            if text is None or data != last_data:  # most runs have the same: read it once
                own = read_test_text(data, name)
                text, last_data = text or own, data
                same = (own.sources, own.references) == (text.sources, text.references)
                _check_same_text(first, run.folder, same)
            hypotheses[system.name].append(translate_test_text(run.folder, run.config, text, say))
    assert text is not None
    return TestSet(name, text.sources, text.references, hypotheses, text.links, text.constructions)


def _check_same_text(one: RunFolder, other: RunFolder, same: bool) -> None:
    if not same:
        raise MTError(
            f"{one} and {other} were tested on different text: translate one text with both "
            "(mt-translate) and compare the files with hyp=..."
        )


def read_run(path: str) -> SystemRun:
    """Read a run directory. Raises MTError, saying what to do, if it has not been tested."""
    folder = RunFolder.at(path)
    config = folder.read_config()
    if folder.is_being_trained():
        raise MTError(f"{folder} is being trained: wait for its end, or compare without it")
    hypotheses = folder.test_file("hypotheses")
    if is_without_test(path):
        raise MTError(
            f"{folder} has no test, for which trainer.test=false (as in trials of mt-compare): "
            f"mt-evaluate {folder} --write-files DIR translates it, and hyp=... compares such files"
        )
    if not hypotheses.is_file():
        raise MTError(
            f"{folder} has no test yet ({hypotheses.name} is missing): its training did not end; "
            "start the same mt-train command again"
        )
    return SystemRun(path, config)


def is_without_test(path: str) -> bool:
    """Return whether a run has no test because its settings say so."""
    folder = RunFolder.at(path)
    return not (folder.test_file("hypotheses").is_file() or folder.read_config().trainer.test)


def is_same_system(one: SystemRun, other: SystemRun) -> bool:
    """Return whether runs differ only in their seed and in settings that may change on continuing.

    The budget (trainer.max_*, trainer.until), which may change then, must be the same, too.
    """
    assert one.config is not None and other.config is not None
    budgets = [
        {
            key: value
            for key, value in vars(config.trainer).items()
            if key.startswith(("max_", "until"))
        }
        for config in (one.config, other.config)
    ]
    one_reseeded = dataclasses.replace(one.config, seed=other.config.seed)
    return budgets[0] == budgets[1] and not differences(one_reseeded, other.config)


def system_names(groups: Sequence[Sequence[SystemRun]]) -> list[str]:
    """Name each group by the folder of its first run, or by its path if several share the name."""
    folders = [Path(runs[0].path).name for runs in groups]
    return [
        folder if folders.count(folder) == 1 else runs[0].path
        for folder, runs in zip(folders, groups, strict=True)
    ]
