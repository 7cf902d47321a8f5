"""The table of metrics: one line here puts a metric into every table, file and report."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mt.evaluation.metric import Metric, MetricOptions
from mt.evaluation.sacrebleu_metrics import Bleu, Chrf, Ter
from mt.evaluation.tokenizers import scored_language

METRICS: dict[str, type[Metric]] = {  # keys are those of the JSON files
    "bleu": Bleu,
    "chrf": Chrf,
    "ter": Ter,
}
HEADLINE = "bleu"  # decides who is better, and is always computed


def fast_metrics() -> list[str]:
    """Return the names of the metrics that every command computes by default."""
    return [name for name, metric in METRICS.items() if not metric.slow]


def build_metrics(
    tgt_lang: str = "",
    tokenize: str = "",
    lowercase: bool = False,
    names: Collection[str] | None = None,
    references: Sequence[str] = (),
) -> tuple[dict[str, Metric], list[str]]:
    """Build metrics for a target language.

    Returns the metrics by name, and notes that readers of the scores must see. `tokenize` names
    BLEU's tokenizer; empty: by language. `lowercase` applies to BLEU and chrF; TER always ignores
    case. `names` chooses metrics; None: all. `references`, if given, correct a target language that
    their script shows to be wrong (see `scored_language`), unless `tokenize` is set.

    Raises UsageError for an unknown tokenizer and MTError for one that is not available.
    """
    lang, notes = (tgt_lang, []) if tokenize else scored_language(tgt_lang, references)
    options = MetricOptions(lang, tokenize, lowercase)
    metrics: dict[str, Metric] = {}
    for name, metric in METRICS.items():
        if names is None or name in names or name == HEADLINE:
            metrics[name], metric_notes = metric.build(options)
            notes += metric_notes
    return metrics, notes
