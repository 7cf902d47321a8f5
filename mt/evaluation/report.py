"""An evaluation as plain text and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any

from mt.evaluation.evaluation import Evaluation
from mt.evaluation.lengths import SMALL, Bucket
from mt.evaluation.metrics import Score

WIDTH = 80
FORMAT = 1  # raised when the meaning of a key in the JSON form changes


def text_table(evaluation: Evaluation) -> str:
    """Overall scores, short against long, the table by length, notes and signatures; ends without a newline."""
    e = evaluation
    empty = f", {e.empty} of them translated as nothing" if e.empty else ""
    case = "; BLEU and chrF lower-cased" if e.lowercase else ""
    lines = [f"{e.sentences} sentence{'s' * (e.sentences != 1)}{empty}{case}", ""]
    lines += [f"{'':8}{'score':>7}  {_interval_title(e.scores['bleu'])}".rstrip()]
    lines += [f"{s.name:8}{s.value:7.2f}  {_interval(s, 2):15}{_made_of(s)}".rstrip() for s in e.scores.values()]
    lines += ["", f"by {e.length_by} length in {e.unit}"]
    lines += [f"{'':14}{'count':>7}{'BLEU':>7}  {_interval_title(e.scores['bleu']):15}{'chrF2':>6}{'TER':>8}{'ratio':>8}{'BP':>7}"]
    lines += [_row(f"short {e.short.label}", e.short), _row(f"long {e.long.label}", e.long), ""]
    lines += [_row(bucket.label, bucket) for bucket in e.buckets]
    if any(bucket.small for bucket in [e.short, e.long, *e.buckets]):
        lines += [f"* fewer than {SMALL} sentences: too few for the scores to mean much"]
    lines += ["ratio: output over reference length in BLEU's tokens; BP: brevity penalty", ""]
    for note in e.notes:
        lines += textwrap.wrap(f"note: {note}", WIDTH, subsequent_indent="  ")
    lines += [f"{s.name:6}{s.short_signature}" for s in e.scores.values()]
    return "\n".join(lines)


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Everything in the evaluation as JSON types. `format` is the version of this form."""
    return {
        "format": FORMAT,
        **asdict(evaluation),
        "short": _bucket_dict(evaluation.short),
        "long": _bucket_dict(evaluation.long),
        "buckets": [_bucket_dict(bucket) for bucket in evaluation.buckets],
    }


def _bucket_dict(bucket: Bucket) -> dict[str, Any]:
    derived = {"label": bucket.label, "small": bucket.small, "length_ratio": bucket.length_ratio, "brevity_penalty": bucket.brevity_penalty}
    return {**asdict(bucket), **derived}


def _row(label: str, bucket: Bucket) -> str:
    count = f"{label:14}{bucket.count:7}"
    if not bucket.scores:
        return count + f"{'-':>7}"
    bleu, chrf = bucket.scores["bleu"], bucket.scores["chrf"]
    ter = f"{bucket.scores['ter'].value:8.1f}" if "ter" in bucket.scores else f"{'-':>8}"
    mark = "*" if bucket.small else " "
    scores = f"{bleu.value:7.1f}{mark} {_interval(bleu, 1):15}{chrf.value:6.1f}{ter}"
    return count + scores + f"{bucket.length_ratio:8.2f}{bucket.brevity_penalty:7.2f}"


def _interval_title(score: Score) -> str:
    return "95 % interval" if score.ci else ""


def _interval(score: Score, digits: int) -> str:
    return f"{score.ci[0]:.{digits}f} - {score.ci[1]:.{digits}f}" if score.ci else ""


def _made_of(score: Score) -> str:
    if "precisions" not in score.extra:
        return ""
    precisions = "/".join(f"{precision:.1f}" for precision in score.extra["precisions"])
    return f"precisions {precisions}  BP {score.extra['brevity_penalty']:.3f}"
