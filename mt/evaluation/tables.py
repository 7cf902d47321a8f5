"""An evaluation as plain text and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any

from mt.evaluation.alignment import AttentionScores
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.lengths import SMALL, Group
from mt.evaluation.metrics import HEADLINE, METRICS
from mt.evaluation.sentence_statistics import Score

WIDTH = 80
LABEL = 18  # width of the first column
FORMAT = 1  # raised when the meaning of a key in the JSON form changes


def text_table(evaluation: Evaluation) -> str:
    """Overall scores, short against long, the table by length, notes and signatures; ends without a newline."""
    e = evaluation
    empty = f", {e.empty} of them translated as nothing" if e.empty else ""
    case = "; text lower-cased" if e.lowercase else ""
    headline = e.scores[HEADLINE]
    titles = [METRICS[name].title for name in e.scores]
    width = 2 + max(6, *map(len, titles))
    lines = [f"{e.sentences} sentence{'s' * (e.sentences != 1)}{empty}{case}", ""]
    lines += [f"{'':{width}}{'score':>7}  {_interval_title(headline)}".rstrip()]
    for name, s in e.scores.items():
        details = METRICS[name].format_details(s.extra)
        lines += [f"{s.name:{width}}{s.value:7.2f}  {_interval(s, 2):15}{details}".rstrip()]
    lines += ["", f"by {e.length_by} length in {e.unit}"]
    title = f"{'count':>7}{METRICS[HEADLINE].title:>7}  {_interval_title(headline):15}"
    title += "".join(f"{METRICS[name].title:>{_column(name)}}" for name in _others(e.scores))
    title += f"{'ratio':>8}{'BP':>7}"
    lines += [f"{'':{LABEL}}{title}"]
    lines += [
        _row(f"short {e.short.label}", e.short),
        _row(f"long {e.long.label}", e.long),
        "",
    ]
    lines += [_row(bucket.label, bucket) for bucket in e.buckets]
    if e.constructions:
        lines += ["", f"{'by construction':{LABEL}}{title}"]
        lines += [_row(group.label, group) for group in e.constructions]
    if any(group.small for group in [e.short, e.long, *e.buckets, *e.constructions]):
        lines += [f"* fewer than {SMALL} sentences: too few for the scores to mean much"]
    lines += ["ratio: output over reference length in BLEU's tokens; BP: brevity penalty", ""]
    if e.alignment:
        lines += [*_alignment(e.alignment), ""]
    for note in e.notes:
        lines += textwrap.wrap(f"note: {note}", WIDTH, subsequent_indent="  ")
    lines += [f"{s.name:{width - 2}}{s.short_signature}" for s in e.scores.values()]
    return "\n".join(lines)


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Everything in the evaluation as JSON types. `format` is the version of this form."""
    return {
        "format": FORMAT,
        **asdict(evaluation),
        "short": _group_dict(evaluation.short),
        "long": _group_dict(evaluation.long),
        "buckets": [_group_dict(bucket) for bucket in evaluation.buckets],
        "constructions": [_group_dict(group) for group in evaluation.constructions],
    }


def _group_dict(group: Group) -> dict[str, Any]:
    return {
        **asdict(group),
        "small": group.small,
        "length_ratio": group.length_ratio,
        "brevity_penalty": group.brevity_penalty,
    }


def _row(label: str, group: Group) -> str:
    count = f"{label:{LABEL}}{group.count:7}"
    if not group.scores:
        return count + f"{'-':>7}"
    headline = group.scores[HEADLINE]
    mark = "*" if group.small else " "
    scores = f"{headline.value:7.1f}{mark} {_interval(headline, 1):15}"
    for name in _others(group.scores):
        scores += f"{group.scores[name].value:{_column(name)}.1f}"
    return count + scores + f"{group.length_ratio:8.2f}{group.brevity_penalty:7.2f}"


def _others(scores: dict[str, Score]) -> list[str]:
    """Return the metrics that follow the headline metric, without intervals, in the tables."""
    return [name for name in scores if name != HEADLINE]


def _column(metric: str) -> int:
    """Return the width of a metric's column in the tables by length and by construction."""
    return max(7, len(METRICS[metric].title) + 2)


def _alignment(scores: AttentionScores) -> list[str]:
    """Error rates of word alignments that are read from the attention, by layer."""
    s = scores.default
    lines = [
        f"word alignment from attention: AER {s.aer:.1f}, precision {s.precision:.1f}, recall {s.recall:.1f}",
        f"{'AER by layer':{LABEL}}"
        + "".join(f"{f'{reading}: mean':>15}{'best head':>15}" for reading in scores.readings),
    ]
    for layer in range(scores.layers):
        line = f"{layer + 1:<{LABEL}}"
        for reading in scores.readings:
            best = scores.best_head(layer, reading)
            line += f"{scores.at(layer, None, reading).aer:15.1f}{f'{best.score.aer:.1f} ({best.head + 1})':>15}"  # type: ignore[operator]
        lines.append(line)
    if len(scores.readings) > 1:
        lines.append(
            "output: read where a word is predicted; input: one step later, where it is read"
        )
    return lines


def _interval_title(score: Score) -> str:
    return "95 % interval" if score.ci else ""


def _interval(score: Score, digits: int) -> str:
    return f"{score.ci[0]:.{digits}f} - {score.ci[1]:.{digits}f}" if score.ci else ""
