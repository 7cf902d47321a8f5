"""Systems to compare, made by damaging references, and run directories that look trained; shared by the tests of comparisons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mt.comparison.systems import Material, System, SystemRun, TestSet
from mt.config.schema import Config
from mt.data.embedded_corpus import generate
from mt.run_folder import RunFolder

PAIRS = list(generate("test", 120))
SOURCES, REFERENCES = [p.source for p in PAIRS], [p.target for p in PAIRS]


def damaged(every: int, offset: int = 0) -> list[str]:
    """The references, but every so many sentences only half of one."""
    return [
        " ".join(line.split()[: len(line.split()) // 2]) if i % every == offset else line
        for i, line in enumerate(REFERENCES)
    ]


def material(sources: list[str] | None = SOURCES, **systems: list[list[str]]) -> Material:
    """Systems by name, each a list of runs, as if of files."""
    made = [
        System(name, [SystemRun(f"{name}{i}") for i in range(len(runs))])
        for name, runs in systems.items()
    ]
    return Material(made, [TestSet("test", sources, REFERENCES, systems)], "de")


def found(entries: list[dict], system: str, metric: str = "bleu") -> dict:
    return next(
        entry for entry in entries if (entry["system"], entry["metric"]) == (system, metric)
    )


def make_run(
    folder: Path, config: Config, hypotheses: list[str], curve: Sequence[tuple[int, float]] = ()
) -> str:
    """A run directory with a test and validations (step, BLEU), a minute for 100 steps, without a model."""
    folder.mkdir(exist_ok=True)
    RunFolder.at(folder).write_config(config)
    for name, lines in {
        "sources": SOURCES,
        "references": REFERENCES,
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
