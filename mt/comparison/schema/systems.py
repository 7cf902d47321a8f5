"""Systems, their runs, and how they were made."""

from __future__ import annotations

from dataclasses import dataclass, field

Setting = bool | int | float | str | None


@dataclass
class Hardware:
    """Hardware of the trainings; for files, of the machine that compared them."""

    device: str | None  # several values are joined by commas
    cpus: int | str | None
    platform: str | None


@dataclass
class Provenance:
    """Facts that are needed to repeat the comparison."""

    command: list[str]
    date: str
    versions: dict[str, str | None]  # by package
    commit: str | None
    hardware: Hardware
    budget: str  # of each run, in words
    match_parameters: list[str]  # chosen widths, a sentence for each variant
    settings: dict[str, Setting] = field(default_factory=dict)  # those that all systems share


@dataclass
class FailedRun:
    """A planned run that is not in the comparison."""

    system: str
    seed: int
    path: str
    reason: str


@dataclass
class Cost:
    """Contents of a run's `cost.json`, or their means over runs; None if unknown."""

    parameters: float | None = None
    steps: float | None = None
    target_tokens: float | None = None
    flops: float | None = None
    minutes: float | None = None
    training_minutes: float | None = None
    tokens_per_second: float | None = None
    peak_memory: float | None = None
    memory_of: str | None = None
    test_sentences: float | None = None
    test_seconds: float | None = None
    test_beam: float | None = None
    device: str | None = None
    sentences_per_second: float | None = None  # of the test


@dataclass
class ValidationPoint:
    """One validation during training."""

    step: int
    minutes: float
    target_tokens: int | None
    bleu: float
    loss: float | None


@dataclass
class RunResult:
    """One training, or one file of translations."""

    path: str
    seed: int | None
    still_improving: bool
    cost: Cost | None
    curve: list[ValidationPoint]
    # BLEU level -> minutes to the first validation that reached it; None: never
    minutes_to_bleu: dict[str, float | None]
    plateau_step: int | None = None  # of the validation that saw it (until=plateau)
    decay_step: int | None = None  # the first of the final decay (optim.decay)


@dataclass
class SystemResult:
    """A system: runs that differ only in their seed."""

    name: str
    still_improving: bool
    ignores_source: bool
    bleu_on_other_sentences: float
    parameters: int | None
    settings: dict[str, Setting]  # only those in which systems differ
    runs: list[RunResult]
    cost: Cost | None
