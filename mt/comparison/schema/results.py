"""results.json as a whole, and the sentences that it shows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from mt.comparison.schema.attention import AttentionResult
from mt.comparison.schema.scores import TestResult, WordResult
from mt.comparison.schema.systems import FailedRun, Provenance, SystemResult
from mt.comparison.schema.tuning import TuningResult
from mt.comparison.schema.typed_json import from_json, to_json
from mt.errors import MTError
from mt.files import write_text

VERSION = 9  # of results.json; raise it when a field is added, renamed or changes its meaning


@dataclass
class DiffSegment:
    """A stretch of an output and of its reference; "" if one of them has nothing there."""

    equal: bool
    output: str
    reference: str


@dataclass
class MapWeights:
    """Attention weights, flattened in the order of `shape`."""

    shape: list[int]  # layers, heads, queries, keys
    percent: list[int]


@dataclass
class AttentionMap:
    """The attention of one sentence, as the pages of mt show it."""

    name: str
    source: list[str]
    target: list[str]
    weights: dict[str, MapWeights]  # by kind
    gold: list[list[int]] = field(default_factory=list)  # [source, target, 1 if sure]


@dataclass
class SentenceResult:
    """A sentence on which systems differ, with the output of each system's first run."""

    index: int  # from 0
    source: str | None
    reference: str
    outputs: dict[str, str]
    scores: dict[str, float]  # chrF2
    spread: float  # greatest score minus least score
    diff: dict[str, list[DiffSegment]]
    attention: dict[str, AttentionMap | None] | None  # None: not computed for this sentence


@dataclass
class Results:
    """A whole comparison."""

    title: str  # "" for files
    question: str
    provenance: Provenance
    baseline: str
    lang: str
    bootstrap: int  # number of resamples
    notes: list[str]
    signatures: dict[str, str]  # sacreBLEU's, by metric
    systems: list[SystemResult]
    failed: list[FailedRun]
    tests: list[TestResult]  # the first is the headline
    words: list[WordResult]
    attention: list[AttentionResult]
    sentences: list[SentenceResult]
    tuning: list[TuningResult] = field(default_factory=list)  # none if nothing was tuned
    version: int = VERSION


def write_results(results: Results, path: Path) -> None:
    """Write results.json."""
    write_text(path, to_json(results) + "\n")


def read_results(path: Path) -> Results:
    """Read results.json. Raises MTError if it is damaged or of another version."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MTError(f"cannot read {path}: {error}") from error
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        raise MTError(
            f"{path} has version {version}, but this mt reads version {VERSION}: "
            "run mt-compare again, which uses finished runs again"
        )
    try:
        return from_json(Results, value)
    except MTError as error:
        raise MTError(f"{path}: {error}") from error
