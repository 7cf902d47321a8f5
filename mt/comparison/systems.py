"""What is compared: systems, each with the translations of its runs, of one test set that all share."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.compose import differences
from mt.config import Config
from mt.data.readers import read_lines
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation import check_lines

STILL_IMPROVING = 0.5  # BLEU on the validation set gained in the last fifth of training


@dataclass(frozen=True)
class Run:
    """One training, or one file of translations."""

    path: str
    hypotheses: list[str]
    seed: int | None = None  # None: of a file
    unfinished: bool = False  # whether it was still improving when its training ended


@dataclass(frozen=True)
class System:
    """Runs that differ in their seed only."""

    name: str
    runs: list[Run]

    @property
    def unfinished(self) -> bool:
        """Whether any of its runs was still improving: such a system is not worse, it was not done."""
        return any(run.unfinished for run in self.runs)


@dataclass(frozen=True)
class TestSet:
    """Line i of each list belongs together, and to line i of every run's translations."""

    __test__ = False  # for pytest, which would take it for a test

    sources: list[str] | None
    references: list[str]
    lang: str = ""  # target language code, which decides how BLEU tokenises
    systems: list[System] = field(default_factory=list)


def of_files(hypotheses: Mapping[str, str | Sequence[str]], references: str, sources: str = "", lang: str = "") -> TestSet:
    """Systems by name, each one file of translations or several (of several seeds), with a file of references and of sources."""
    if not hypotheses:
        raise UsageError("name at least one system: hyp='{ours: a.txt, theirs: b.txt}'")
    files = {name: [paths] if isinstance(paths, str) else list(paths) for name, paths in hypotheses.items()}
    lines = {path: list(read_lines(Path(path))) for path in [references, *([sources] if sources else []), *sum(files.values(), [])]}
    check_lines(lines)
    systems = [System(name, [Run(path, lines[path]) for path in paths]) for name, paths in files.items()]
    return TestSet(lines[sources] if sources else None, lines[references], lang, systems)


def of_runs(paths: Sequence[str]) -> TestSet:
    """Run directories by the tests that mt-train left in them; those whose settings differ in the seed only are one system.

    MTError where a run has no test yet, or they were tested on different text.
    """
    if not paths:
        raise UsageError("name at least one run directory: runs='[runs/a,runs/b]'")
    folders = [Path(path).expanduser() for path in paths]
    groups: list[tuple[Config, list[Run]]] = []
    for folder in folders:
        config, run = read_run(folder)
        same = next((runs for other, runs in groups if alike(config, other)), None)
        if same is None:
            groups.append((config, [run]))
        else:
            same.append(run)
    sources, references = (list(read_lines(folders[0] / f"test.{side}.txt")) for side in ("sources", "references"))
    for folder in folders[1:]:
        other = [list(read_lines(folder / f"test.{side}.txt")) for side in ("sources", "references")]
        if other != [sources, references]:
            raise MTError(
                f"{folders[0]} and {folder} were tested on different text: translate one text with both (mt-translate) and compare the "
                "files with hyp=..."
            )
    systems = [System(name, runs) for name, (_, runs) in zip(names([runs for _, runs in groups]), groups, strict=True)]
    return TestSet(sources, references, groups[0][0].data.languages()[1], systems)


def read_run(folder: Path) -> tuple[Config, Run]:
    """The settings of a run, and its translations of its test set."""
    from mt.training.checkpoint import load_config

    config = load_config(folder)
    path = folder / "test.hypotheses.txt"
    if not path.is_file():
        raise MTError(f"{folder} has no test yet ({path.name} is missing): let its training end, or start the same command again")
    return config, Run(str(folder), list(read_lines(path)), config.seed, still_improving(folder))


def alike(one: Config, other: Config) -> bool:
    """Whether two runs differ in nothing but their seed, and in what may differ when a run is continued."""
    return not differences(dataclasses.replace(one, seed=other.seed), other)


def names(groups: Sequence[Sequence[Run]]) -> list[str]:
    """A name for each group: the folder name of its first run; where several share it, the whole path."""
    short = [Path(runs[0].path).name for runs in groups]
    return [name if short.count(name) == 1 else runs[0].path for name, runs in zip(short, groups, strict=True)]


def still_improving(folder: Path) -> bool:
    """Whether validation BLEU rose by more than STILL_IMPROVING in the last fifth of the training's steps.

    The best so far is what counts: what rises and falls is noise. False where there are fewer than three validations.
    """
    path = folder / "metrics.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    curve = [(record["step"], record["bleu"]) for record in records if record["kind"] == "val"]
    if len(curve) < 3:
        return False
    before = [bleu for step, bleu in curve if step <= 0.8 * curve[-1][0]] or [curve[0][1]]
    return max(bleu for _, bleu in curve) - max(before) > STILL_IMPROVING
