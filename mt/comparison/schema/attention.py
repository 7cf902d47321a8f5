"""Attention of the systems: alignments and diagnostics."""

from __future__ import annotations

from dataclasses import dataclass, field

from mt.comparison.schema.scores import MeasureValue

ByLayer = list[float | None]
ByHead = list[ByLayer]


@dataclass
class AlignmentMeasure:
    """One alignment measure by length; None for groups without gold links."""

    overall: MeasureValue | None = None
    short: MeasureValue | None = None
    long: MeasureValue | None = None


@dataclass
class LayerAlignment:
    """Alignment error rate of the links from one layer, by reading, over all runs."""

    layer: int  # from 1
    output: MeasureValue  # at the step that predicts the word
    # At the step that reads the word, with its difference from `output`; None if not defined.
    input: MeasureValue | None


@dataclass
class HeadSummary:
    """An attention metric by layer and head, averaged over sentences; None if undefined."""

    mean: ByHead
    short: ByHead  # mean over short sentences
    long: ByHead
    rho_length: ByHead  # rank correlation with the length of the source
    rho_loss: ByHead  # rank correlation with the loss of the sentence
    rho_loss_given_length: ByHead  # partial rank correlation


@dataclass
class LayerSummary:
    """The same for the mean over the heads of each layer."""

    mean: ByLayer
    short: ByLayer
    long: ByLayer
    rho_length: ByLayer
    rho_loss: ByLayer
    rho_loss_given_length: ByLayer


@dataclass
class AttentionMetric:
    """One metric of one kind of attention."""

    heads: HeadSummary
    layer: LayerSummary
    mean_map: LayerSummary | None = None  # of the heads' mean map; None for similarity of heads
    even: float | None = None  # of uniform attention; None for similarity of heads


@dataclass
class AttentionKind:
    """Metrics of encoder, decoder or cross-attention."""

    layers: int
    heads: int
    special: str  # the key that `special` is about
    pairs: list[tuple[int, int]]  # of heads, in the order of similarities
    figures: dict[str, AttentionMetric]


@dataclass
class AttentionByLength:
    """Mean attention metrics in one length bucket: kind -> metric -> value by layer."""

    label: str
    sentences: int
    kinds: dict[str, dict[str, ByLayer]]


@dataclass
class AttentionDiagnostics:
    """The report of `mt-evaluate --diagnostics` (docs/diagnostics.md), and means by length."""

    sentences: int
    short: int
    long: int
    threshold: int
    unit: str
    loss: float | None
    rho_loss_length: float | None
    left_out: int
    kinds: dict[str, AttentionKind]
    findings: list[str]
    by_length: list[AttentionByLength]


@dataclass
class AttentionResult:
    """Attention and alignments of one system."""

    system: str
    attends: bool  # False: it has no attention to the source
    aer: AlignmentMeasure | None
    unlinked: AlignmentMeasure | None
    diagnostics: AttentionDiagnostics | None
    layers: int | None = None  # of cross-attention
    aer_layer: int | None = None  # from 1; its mean over heads gives the links of `aer`
    aer_by_layer: list[LayerAlignment] = field(default_factory=list)  # none without gold links
