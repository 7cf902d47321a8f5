"""Scores of a model on modified text: in capitals, with typing errors and so on."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mt.data.noise import MODIFICATIONS, Modification, modify_text
from mt.data.normalisation import Normaliser
from mt.data.symbols import Symbols
from mt.evaluation.metric import Metric
from mt.evaluation.resampling import resamples
from mt.evaluation.sentence_statistics import Score, SentenceStatistics

METRIC_NAMES = ("bleu", "chrf")
TITLES = {
    "upper": "upper case",
    "title": "title case",
    "lower": "lower case",
    "typos": "typing errors",
    "punctuation": "no punctuation",
}


@dataclass(frozen=True)
class Difference:
    """The score of modified text less that of the text as it is, on the same sentences."""

    value: float
    ci: tuple[float, float] | None  # 95 % paired bootstrap interval; None without resamples


@dataclass(frozen=True)
class RobustnessRow:
    """The scores of one modification, by metric; differences are empty for the text as it is."""

    name: str  # a key of `mt.data.noise.MODIFICATIONS`; "" for the text as it is
    changed: int  # sources that differ from the text as it is
    scores: dict[str, Score]
    differences: dict[str, Difference]


def measure_robustness(
    translate: Callable[[str, list[str]], list[str]],
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Mapping[str, Metric],
    symbols: Symbols,
    normaliser: Normaliser,
    bootstrap: int,
) -> list[RobustnessRow]:
    """Translate the sources with each modification and score the outputs.

    References are modified if a modification changes both sides. Everything is the same for the
    same text: the typing errors of a line depend on its number alone.

    Args:
        translate: Returns the translations of lines, given the name of their modification.
        sources: The text as it is.
        hypotheses: Its translations.
        references: One or more lists of reference translations.
        metrics: The metrics to compute, by name.
        symbols: Symbols and placeholders of the model, which are not modified.
        normaliser: Normalisation of the model.
        bootstrap: Number of resamples, 0 for no intervals.
    """
    plain = list(map(normaliser, sources))
    before = _statistics(metrics, hypotheses, references)
    scores = {name: each.score(bootstrap=bootstrap) for name, each in before.items()}
    rows = [RobustnessRow("", 0, scores, {})]
    for key, modification in MODIFICATIONS.items():
        modified = _modify(modification, plain, symbols)
        targets = references
        if modification.both:
            targets = [_modify(modification, lines, symbols) for lines in references]
        after = _statistics(metrics, translate(key, modified), targets)
        rows.append(
            RobustnessRow(
                key,
                sum(a != b for a, b in zip(plain, modified, strict=True)),
                {name: each.score(bootstrap=bootstrap) for name, each in after.items()},
                {name: _compare(before[name], after[name], bootstrap) for name in metrics},
            )
        )
    return rows


def _modify(modification: Modification, lines: Sequence[str], symbols: Symbols) -> list[str]:
    return [
        modify_text(modification.modify, line, symbols, random.Random(number))
        for number, line in enumerate(lines)
    ]


def _statistics(
    metrics: Mapping[str, Metric], hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, SentenceStatistics]:
    return {
        name: SentenceStatistics(metric, hypotheses, references) for name, metric in metrics.items()
    }


def _compare(before: SentenceStatistics, after: SentenceStatistics, bootstrap: int) -> Difference:
    """Return the difference of two scores; both are computed on the same resamples."""
    metric, both = before.metric, (before.rows, after.rows)
    first, second = (metric.score(rows.sum(0))[0] for rows in both)
    if not bootstrap:
        return Difference(second - first, None)
    totals = [[weights @ rows for rows in both] for weights in resamples(len(both[0]), bootstrap)]
    old, new = (metric.scores(np.stack(sums)) for sums in zip(*totals, strict=True))
    differences = np.sort(new - old)
    tail = bootstrap // 40  # 2.5 % at each end
    interval = (float(differences[tail]), float(differences[-tail - 1]))
    return Difference(second - first, interval)


def robustness_table(rows: Sequence[RobustnessRow]) -> str:
    """Format the rows as text, without a newline at the end."""
    names = list(rows[0].scores)
    has_intervals = rows[0].scores[names[0]].ci is not None
    width = 16 if has_intervals else 0
    titles = "".join(
        f"{rows[0].scores[name].name:>8}{'95 % interval' if width else '':>{width}}"
        f"{'change':>8}{'95 % interval' if width else '':>{width}}"
        for name in names
    )
    lines = ["robustness: the same text, modified", f"{'':16}{'changed':>8}{titles}"]
    for row in rows:
        line = f"{_title(row.name):16}{row.changed or '':>8}"
        for name in names:
            score, difference = row.scores[name], row.differences.get(name)
            line += f"{score.value:8.1f}{_interval(score.ci):>{width}}"
            if difference:
                line += f"{difference.value:+8.1f}{_interval(difference.ci, '+'):>{width}}"
            else:
                line += " " * (8 + width)
        lines.append(line.rstrip())
    return "\n".join(
        [*lines, "* the references are modified in the same way; the others are as they are"]
    )


def _title(name: str) -> str:
    if not name:
        return "as it is"
    return TITLES[name] + ("*" if MODIFICATIONS[name].both else "")


def _interval(ci: tuple[float, float] | None, sign: str = "") -> str:
    return f"{ci[0]:{sign}.1f} to {ci[1]:{sign}.1f}" if ci else ""


def robustness_dict(rows: Sequence[RobustnessRow]) -> list[dict[str, Any]]:
    """Convert the rows to JSON types."""
    return [asdict(row) for row in rows]
