"""Invented attention and sentences for tests of reports, with known weights."""

from __future__ import annotations

import random

from mt.comparison.schema.attention import (
    AlignmentMeasure,
    AttentionByLength,
    AttentionDiagnostics,
    AttentionKind,
    AttentionMetric,
    AttentionResult,
    HeadSummary,
    LayerAlignment,
    LayerSummary,
)
from mt.comparison.schema.results import AttentionMap, DiffSegment, MapWeights, SentenceResult
from mt.comparison.schema.scores import MeasureDifference, MeasureValue

BUCKETS = (("1-10", 210), ("11-20", 320), ("21-30", 180), ("31-40", 61), ("41-50", 14))
SOURCES = (
    "The cat that slept saw the old dog .",
    "We bought bread because it was late .",
    "I know that she reads .",
)
REFERENCES = (
    "Die Katze , die schlief , sah den alten Hund .",
    "Wir kauften Brot , weil es spät war .",
    "Ich weiß , dass sie liest .",
)
EVIL = "</script><script>alert(1)</script>"


def attention_result(name: str, at: int) -> AttentionResult:
    """Return no attention for the first system, and two layers for the fourth.

    The second has one reading of its layer.
    """
    if not at:
        return AttentionResult(name, False, None, None, None)
    layers, heads = 2 if at == 3 else 1, 2
    error = MeasureValue(40.0 - at, [40.0 - at], (39.0 - at, 41.0 - at), 900, False)

    def metric(value: float) -> AttentionMetric:
        by_layer = [[value + change] * layers for change in (0.0, -0.1, 0.1, 0.0, 0.0, 0.0)]
        by_head = [[values] * heads for values in by_layer]
        summary = LayerSummary(*by_layer)
        return AttentionMetric(HeadSummary(*by_head), summary, summary, 1.0)

    values = {"evenness": 0.5, "distance": 0.2, "special": 0.3, "under": 0.1, "over": 0.0}
    metrics = {key: metric(value) for key, value in values.items()}
    by_length = [
        AttentionByLength(
            label,
            count,
            {
                "cross": {
                    "evenness": [0.2 + 0.1 * place] * layers,
                    "under": [0.05 * place] * layers,
                }
            },
        )
        for place, (label, count) in enumerate(BUCKETS)
    ]
    diagnostics = AttentionDiagnostics(
        sentences=600,
        short=300,
        long=300,
        threshold=20,
        unit="words",
        loss=2.0,
        rho_loss_length=0.1,
        left_out=0,
        kinds={"cross": AttentionKind(layers, heads, "EOS", [(0, 1)], metrics)},
        findings=["cross layer 1 is close to uniform (0.96 evenness)"] if at == 1 else [],
        by_length=[*by_length, AttentionByLength("51+", 0, {})],
    )
    aer = AlignmentMeasure(error, error, None)
    change = MeasureDifference(-9.5, (-11.0, -8.0), 0.01, "better", "")
    read = MeasureValue(27.5, [27.5], (26.5, 28.5), 900, False, change) if at > 1 else None
    by_layer = [LayerAlignment(layer, error, read) for layer in range(1, layers + 1)]
    return AttentionResult(name, True, aer, None, diagnostics, layers, max(1, layers - 1), by_layer)


def sentence_result(at: int, systems: tuple[str, ...]) -> SentenceResult:
    source, reference = SOURCES[at % 3], REFERENCES[at % 3]
    words = reference.split()
    outputs = {
        name: " ".join([*words[:2], "Wort" if number < 2 else words[2], *words[3 : 5 + number]])
        for number, name in enumerate(systems)
    }
    maps = {
        name: _map(source.split(), outputs[name].split(), 2 if number == 3 else 1, at)
        for number, name in enumerate(systems)
        if number
    }
    return SentenceResult(
        index=7 * at,
        source=EVIL if at == 8 else source,
        reference=reference,
        outputs=outputs,
        scores={name: 20.0 + 15 * number + at for number, name in enumerate(systems)},
        spread=45.0 - at,
        diff={name: _diff(output.split(), words) for name, output in outputs.items()},
        attention=dict(maps) if at < 4 and maps else None,
    )


def _diff(output: list[str], reference: list[str]) -> list[DiffSegment]:
    begin, end = " ".join(output[:2]) + " ", " ".join(output[3:])
    segments = [
        DiffSegment(True, begin, begin),
        DiffSegment(output[2] == reference[2], f"{output[2]} ", f"{reference[2]} "),
        DiffSegment(True, end, end),
    ]
    missing = reference[len(output) :]
    return segments + ([DiffSegment(False, "", " ".join(missing))] if missing else [])


def _map(source: list[str], target: list[str], layers: int, seed: int) -> AttentionMap:
    """Return weights of which the first, in every layer and head, is 0.9."""
    numbers, percent, heads = random.Random(seed), [], 2 if layers > 1 else 1
    for _ in range(layers * heads):
        for row in range(len(target)):
            weights = [
                0.05 + numbers.random() ** 2 + (6 if column == row else 0)
                for column in range(len(source))
            ]
            total = sum(weights)
            shares = [round(95 * weight / total) for weight in weights]
            percent += [90, *[1] * (len(source) - 1)] if row == 0 else shares
    shape = [layers, heads, len(target), len(source)]
    return AttentionMap("x", source, target, {"cross": MapWeights(shape, percent)})
