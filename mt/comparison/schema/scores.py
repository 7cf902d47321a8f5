"""Scores in points and measures of words in per cent, with 95 % confidence intervals.

A value of a system is the mean over its runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Interval = tuple[float, float]


@dataclass
class SystemScore:
    """One metric of one system on a group of sentences."""

    system: str
    metric: str
    mean: float
    interval: Interval
    values: list[float]  # of each run
    deviation: float | None  # standard deviation between runs; None for one run
    sentences: int
    seeds_tested: bool  # False: the interval covers the choice of sentences only
    small: bool  # too few sentences for the score to mean much
    # Factors of the metric, means over the runs (`Metric.mean_details`); for BLEU these three.
    details: dict[str, float] = field(default_factory=dict)

    @property
    def precision(self) -> float | None:
        """Geometric mean of the n-gram precisions of BLEU, in per cent."""
        return self.details.get("precision")

    @property
    def brevity_penalty(self) -> float | None:
        return self.details.get("brevity_penalty")

    @property
    def length_ratio(self) -> float | None:
        return self.details.get("length_ratio")


@dataclass
class Needed:
    """Sample sizes that would show an effect of the observed size (`needed_for_verdict`)."""

    seeds: int | None
    sentences: int | None
    seeds_tested: bool


@dataclass
class ScoreDifference:
    """A system's score minus another's, paired by sentence."""

    system: str
    other: str  # whose score is subtracted
    metric: str
    effect: float
    interval: Interval
    p: float
    p_holm: float  # corrected for the number of tests
    p_is_bound: bool  # p_holm is the least that so many resamples can give
    p_randomisation: float | None  # of all sentences only, and only for as many runs on both sides
    seeds_tested: bool
    small: bool
    verdict: str  # "better", "worse" or "not distinguishable"
    text: str  # the verdict with its numbers
    needed: Needed | None  # for "not distinguishable", unless scores are the same


@dataclass
class SentenceGroup:
    """Scores and differences on some of the sentences; none of either if the group is empty."""

    label: str
    sentences: int
    scores: list[SystemScore]
    differences: list[ScoreDifference]


@dataclass
class LengthGrouping:
    """How sentences are grouped by length."""

    by: str  # "source" or "reference"
    unit: str  # "words" or "characters"
    threshold: int  # greatest length of a short sentence


@dataclass
class Retention:
    """BLEU on some sentences in per cent of BLEU on others, with differences of systems."""

    scores: list[SystemScore]
    pairs: list[ScoreDifference]


@dataclass
class ConstructionResult:
    """Scores of the sentences with a construction, compared with others of similar length."""

    group: SentenceGroup  # labelled by the construction
    # Effective number of sentences without the construction, weighted to have the same lengths.
    controls: float
    # BLEU in per cent of that on the controls; differences from the baseline. None if there are too
    # few sentences without the construction.
    retention: Retention | None


@dataclass
class TestResult:
    """All scores on one test set."""

    __test__ = False  # not a test for pytest

    name: str
    length: LengthGrouping
    overall: SentenceGroup
    short: SentenceGroup
    long: SentenceGroup
    buckets: list[SentenceGroup]
    pairs: list[ScoreDifference]  # of all systems, on all sentences
    # Of long against short sentences, all pairs of systems; None without either.
    retention: Retention | None
    constructions: list[ConstructionResult]  # none if the test set has no such labels


@dataclass
class MeasureDifference:
    """A system's value minus the baseline's, paired by sentence."""

    effect: float
    interval: Interval
    p_holm: float
    verdict: str
    text: str


@dataclass
class MeasureValue:
    """A share of a system; None if there is nothing to be a share of."""

    value: float | None
    values: list[float | None]  # of each run
    interval: Interval | None
    cases: int  # denominator of the share, in the first run
    small: bool  # too few cases for the value to mean much
    difference: MeasureDifference | None = None  # None for the baseline


@dataclass
class FrequencyBand:
    """Accuracy of the words that occur from `low` to `high` times in the training text."""

    label: str
    low: int
    high: int | None  # None: no upper end
    words: int  # in the references
    precision: MeasureValue
    recall: MeasureValue
    f1: MeasureValue


@dataclass
class DecidedWords:
    """Words of the references that are decided by a source word at some distance."""

    kind: str  # of the words, such as pronoun
    label: str  # the distance in source words
    low: int
    high: int | None  # None: no upper end
    words: int
    recall: MeasureValue
    others: MeasureValue  # recall of the words of the same sentences that no word decides


@dataclass
class WordResult:
    """Word measures of one system; those that need sources are None without them."""

    system: str
    bands: list[FrequencyBand]
    repeated: MeasureValue
    immediate: MeasureValue
    missing: MeasureValue
    dropped: MeasureValue
    untranslated: MeasureValue | None
    numbers: MeasureValue | None
    names: MeasureValue | None
    decided: list[DecidedWords]  # by kind and distance; none if the test set does not tell
