"""Systems to compare, made by damaging references, and run directories that look trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from mt.comparison.schema.scores import ScoreDifference, SystemScore
from mt.comparison.systems import ComparisonInput, System, SystemRun, TestSet
from mt.config.schema import Config
from mt.data.embedded_corpus import generate
from mt.run_folder import RunFolder

Entry = TypeVar("Entry", SystemScore, ScoreDifference)

PAIRS = list(generate("test", 120))
SOURCES, REFERENCES = [p.source for p in PAIRS], [p.target for p in PAIRS]


def damaged(every: int, offset: int = 0) -> list[str]:
    """Return the references, with every n-th sentence cut in half."""
    return [
        " ".join(line.split()[: len(line.split()) // 2]) if i % every == offset else line
        for i, line in enumerate(REFERENCES)
    ]


def inputs(sources: list[str] | None = SOURCES, **systems: list[list[str]]) -> ComparisonInput:
    """Return systems by name, each a list of runs, as if read from files."""
    made = [
        System(name, [SystemRun(f"{name}{i}") for i in range(len(runs))])
        for name, runs in systems.items()
    ]
    return ComparisonInput(made, [TestSet("test", sources, REFERENCES, systems)], "de")


def find(entries: Sequence[Entry], system: str, metric: str = "bleu") -> Entry:
    return next(entry for entry in entries if (entry.system, entry.metric) == (system, metric))


def make_run(
    folder: Path, config: Config, hypotheses: list[str], curve: Sequence[tuple[int, float]] = ()
) -> str:
    """Make a run directory with a test and validations (step, BLEU; 100 steps a minute).

    The test has as many pairs as there are hypotheses.
    """
    folder.mkdir(exist_ok=True)
    RunFolder.at(folder).write_config(config)
    for name, lines in {
        "sources": SOURCES[: len(hypotheses)],
        "references": REFERENCES[: len(hypotheses)],
        "hypotheses": hypotheses,
    }.items():
        (folder / f"test.{name}.txt").write_text(
            "".join(f"{line}\n" for line in lines), encoding="utf-8"
        )
    records = [
        {"kind": "val", "step": step, "bleu": bleu, "minutes": step / 100, "loss": 1.0}
        for step, bleu in curve
    ]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(record) + "\n" for record in records), encoding="utf-8"
    )
    return str(folder)
