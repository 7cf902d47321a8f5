"""An evaluation as plain text and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any

from mt.evaluation.alignment import AlignmentScore, AttentionAlignmentScores
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.lengths import MIN_SENTENCES, Group
from mt.evaluation.metrics import HEADLINE, METRICS
from mt.evaluation.sentence_statistics import Score

TEXT_WIDTH = 80
LABEL_WIDTH = 18  # of the first column
FORMAT_VERSION = 1  # raised when the meaning of a key in the JSON form changes


def text_table(evaluation: Evaluation) -> str:
    """Format an evaluation as text, without a newline at the end.

    The text has the overall scores, short and long sentences, scores by length, notes and
    signatures.
    """
    e = evaluation
    empty = f", {e.empty} with empty output" if e.empty else ""
    if e.empty_references:
        empty += f", {e.empty_references} with empty reference"
    case = "; text lower-cased" if e.lowercase else ""
    groups = _group_title(e)
    name_width = 2 + max(6, *(len(score.name) for score in e.scores.values()))
    lines = [f"{e.sentences} sentence{'s' * (e.sentences != 1)}{empty}{case}", ""]
    lines += [f"{'':{name_width}}{'score':>7}  {_interval_title(e.scores[HEADLINE])}".rstrip()]
    for name, s in e.scores.items():
        details = METRICS[name].format_details(s.extra)
        lines += [f"{s.name:{name_width}}{s.value:7.2f}  {_interval(s, 2):13}  {details}".rstrip()]
    lines += ["", f"by {e.length_by} length in {e.unit}", f"{'':{LABEL_WIDTH}}{groups}"]
    lines += [_row(f"short {e.short.label}", e.short), _row(f"long {e.long.label}", e.long), ""]
    lines += [_row(bucket.label, bucket) for bucket in e.buckets]
    if e.constructions:
        lines += ["", f"{'by construction':{LABEL_WIDTH}}{groups}"]
        lines += [_row(group.label, group) for group in e.constructions]
    if e.tags:
        lines += ["", f"{'by tag':{LABEL_WIDTH}}{groups}"]
        lines += [_row(group.label, group) for group in e.tags]
    if any(group.small for group in [e.short, e.long, *e.buckets, *e.constructions, *e.tags]):
        lines += [f"* fewer than {MIN_SENTENCES} sentences: scores are not reliable"]
    lines += ["ratio: output / reference length in BLEU's tokens; BP: brevity penalty", ""]
    if e.alignment:
        lines += [*_alignment(e.alignment), ""]
    for note in e.notes:
        lines += textwrap.wrap(f"note: {note}", TEXT_WIDTH, subsequent_indent="  ")
    lines += [f"{s.name:{name_width - 2}}{s.short_signature}" for s in e.scores.values()]
    return "\n".join(lines)


def alignment_text(score: AlignmentScore) -> str:
    """Format the score of a file of alignments."""
    interval = score.interval
    shown = f" (95 % interval {interval[0]:.1f} - {interval[1]:.1f})" if interval else ""
    return (
        f"{score.sentences:,} sentences with gold alignments, {score.links:,} links\n"
        f"AER {score.aer:.1f}{shown}, precision {score.precision:.1f}, recall {score.recall:.1f}"
    )


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Convert an evaluation to JSON types; `format` is the version of this form."""
    return {
        "format": FORMAT_VERSION,
        **asdict(evaluation),
        "short": _group_dict(evaluation.short),
        "long": _group_dict(evaluation.long),
        "buckets": [_group_dict(bucket) for bucket in evaluation.buckets],
        "constructions": [_group_dict(group) for group in evaluation.constructions],
        "tags": [_group_dict(group) for group in evaluation.tags],
    }


def _group_dict(group: Group) -> dict[str, Any]:
    return {
        **asdict(group),
        "small": group.small,
        "length_ratio": group.length_ratio,
        "brevity_penalty": group.brevity_penalty,
    }


def _group_title(e: Evaluation) -> str:
    """Return the titles of the columns that `_row` fills."""
    interval = _interval_title(e.scores[HEADLINE])
    title = f"{'count':>7}{METRICS[HEADLINE].title:>7}  {interval:15}"
    title += "".join(f"{METRICS[name].title:>{_column(name)}}" for name in _others(e.scores))
    return title + f"{'ratio':>8}{'BP':>7}"


def _row(label: str, group: Group) -> str:
    count = f"{label:{LABEL_WIDTH}}{group.count:7}"
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


def _alignment(scores: AttentionAlignmentScores) -> list[str]:
    """Format the error rates of word alignments extracted from the attention, by layer."""
    s = scores.default
    columns = "".join(f"{f'{reading}: mean':>15}{'best head':>15}" for reading in scores.readings)
    lines = [
        "word alignment from attention: "
        f"AER {s.aer:.1f}, precision {s.precision:.1f}, recall {s.recall:.1f}",
        f"{'AER by layer':{LABEL_WIDTH}}{columns}",
    ]
    for layer in range(scores.layers):
        line = f"{layer + 1:<{LABEL_WIDTH}}"
        for reading in scores.readings:
            best = scores.best_head(layer, reading)
            assert best.head is not None
            head = f"{best.score.aer:.1f} ({best.head + 1})"
            line += f"{scores.get(layer, None, reading).aer:15.1f}{head:>15}"
        lines.append(line)
    if len(scores.readings) > 1:
        lines += ["output: the step that predicts the word; input: the next step, which reads it"]
    return lines


def _interval_title(score: Score) -> str:
    return "95 % interval" if score.ci else ""


def _interval(score: Score, digits: int) -> str:
    """Format an interval; empty if it has no width, such as that of one sentence."""
    low, high = score.ci or (0, 0)
    return "" if low == high else f"{low:.{digits}f} - {high:.{digits}f}"
