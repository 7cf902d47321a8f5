"""BLEU, chrF and TER through sacreBLEU.

sacreBLEU has no public interface for the counts of a sentence, nor for the score of a sum of them.
`SacreBleuMetric` is the one place that calls its private methods, so pyproject.toml limits its
version. A bootstrap asks for thousands of scores, which sacreBLEU computes one by one; `scores`
computes them at once, and the tests hold the formulas to sacreBLEU's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import sacrebleu.metrics
from sacrebleu.metrics.base import Metric as BaseMetric

from mt.data.language_codes import language_code
from mt.errors import MTError, UsageError
from mt.evaluation.metric import Metric, MetricOptions
from mt.evaluation.resampling import SEED
from mt.evaluation.text_form import existing_references
from mt.evaluation.tokenizers import (
    CHINESE,
    JAPANESE,
    OTHER_UNSPACED,
    TOKENIZERS,
    bleu_tokenizer,
)


class SacreBleuMetric(Metric):
    """A metric of sacreBLEU; `settings` are those of its class there."""

    backend: ClassVar[type[BaseMetric]]

    def __init__(self, **settings: Any) -> None:
        self.metric: Any = self.backend(**settings)

    def prepare_references(self, references: Sequence[Sequence[str]]) -> Any:
        return self.metric._cache_references(existing_references(references))

    def sentence_statistics(self, hypotheses: Sequence[str], prepared: Any) -> np.ndarray:
        self.metric._ref_cache = prepared
        try:
            rows = self.metric._extract_corpus_statistics(hypotheses, None)
        finally:
            self.metric._ref_cache = None
        return np.array(rows, dtype=np.float64)

    def scores(self, totals: np.ndarray) -> np.ndarray:
        return np.array([self._result(total).score for total in totals])

    def score(self, total: np.ndarray) -> tuple[float, dict[str, Any]]:
        result = self._result(total)
        return result.score, self.details(result)

    def details(self, result: Any) -> dict[str, Any]:
        """Return the values that sacreBLEU's score object holds beside the score."""
        return {}

    def signature(self, bootstrap: int) -> tuple[str, str]:
        self.metric.n_bootstrap, self.metric.seed = (bootstrap, SEED) if bootstrap else (None, None)
        signature = self.metric.get_signature()
        return signature.format(), signature.format(short=True)

    def _result(self, total: np.ndarray) -> Any:
        return self.metric._compute_score_from_stats(total.tolist())


class Bleu(SacreBleuMetric):
    """BLEU (Papineni et al. 2002).

    A row holds hypothesis and reference length, then matched and total n-grams of M orders.
    """

    title = "BLEU"
    backend = sacrebleu.metrics.BLEU

    def __init__(self, **settings: Any) -> None:
        # `force` turns off a warning about tokenised text, which `mt.evaluation.text_form` gives.
        super().__init__(force=True, **settings)

    @classmethod
    def build(cls, options: MetricOptions) -> tuple[Bleu, list[str]]:
        """Return BLEU with the tokenizer that is named, or is customary in the language.

        If the customary tokenizer is not installed, BLEU counts characters and a note says so: a
        training must not fail at its end for want of it.

        Raises UsageError if the tokenizer that is named is unknown, MTError if it is not available.
        """
        if options.tokenize and options.tokenize not in TOKENIZERS:
            raise UsageError(
                f"unknown BLEU tokenizer {options.tokenize!r}: use one of {', '.join(TOKENIZERS)}"
            )
        name = options.tokenize or bleu_tokenizer(options.tgt_lang)
        try:
            return cls(tokenize=name, lowercase=options.lowercase), []
        except (RuntimeError, ImportError, OSError) as error:
            if name.endswith("mecab"):
                remedy = f"pip install 'sacrebleu[{name[:2]}]'"
            else:
                remedy = f"it is downloaded once, which failed ({error})"
        if options.tokenize:
            raise MTError(
                f"BLEU tokenizer {name} is not available: {remedy}; or choose another, such as char"
            )
        note = (
            f"BLEU counts characters (tok:char), because tokenizer {name} is missing; "
            f"for comparable scores: {remedy}"
        )
        return cls(tokenize="char", lowercase=options.lowercase), [note]

    def scores(self, totals: np.ndarray) -> np.ndarray:
        """Compute BLEU [R] from sums [R, 2 + 2 M], with exponential smoothing.

        The precision of the i-th order without a match is 1 / (2^i total), after mteval-v13a (Chen
        and Cherry 2014, method 3). Without any match, or with an order without n-grams, BLEU is 0.
        """
        if self.metric.smooth_method != "exp" or self.metric.effective_order:
            return super().scores(totals)
        length, reference = totals[:, 0], totals[:, 1]
        matched, total = np.split(totals[:, 2:], 2, axis=1)
        missed = matched == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            precisions = np.where(missed, 0.5 ** np.cumsum(missed, axis=1), matched) / total
            penalty = np.exp(1 - reference / length)  # of length 0: exp(-inf) = 0
            brevity = np.where(length < reference, penalty, 1.0)
            scores = 100 * brevity * np.exp(np.log(precisions).mean(axis=1))
        return np.where(missed.all(axis=1) | (total == 0).any(axis=1), 0.0, scores)

    def matches(self, total: np.ndarray) -> int:
        """Return the number of matching n-grams of the highest order in a sum of statistics."""
        return int(total[1 + self.metric.max_ngram_order])

    def details(self, result: Any) -> dict[str, Any]:
        return {
            "precisions": list(result.precisions),
            "brevity_penalty": result.bp,
            "length_ratio": result.ratio,
            "hypothesis_length": result.sys_len,
            "reference_length": result.ref_len,
        }

    @staticmethod
    def format_details(details: dict[str, Any]) -> str:
        precisions = "/".join(f"{precision:.1f}" for precision in details["precisions"])
        return f"precisions {precisions}  BP {details['brevity_penalty']:.3f}"

    @staticmethod
    def mean_details(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Average the factors of BLEU over runs.

        A low brevity penalty shows output that stops early, a low precision wrong output.
        """
        logs = [np.log(np.maximum(run["precisions"], 1e-9)) for run in runs]
        return {
            "length_ratio": float(np.mean([run["length_ratio"] for run in runs])),
            "brevity_penalty": float(np.mean([run["brevity_penalty"] for run in runs])),
            # Geometric mean of the n-gram precisions, in per cent.
            "precision": float(np.mean([float(np.exp(np.mean(log))) for log in logs])),
        }


class Chrf(SacreBleuMetric):
    """ChrF2 (Popovic 2015).

    A row holds, for each of M orders, the n-grams of the hypothesis, of the reference, and matched.
    """

    title = "chrF2"
    backend = sacrebleu.metrics.CHRF

    @classmethod
    def build(cls, options: MetricOptions) -> tuple[Chrf, list[str]]:
        return cls(lowercase=options.lowercase), []

    def scores(self, totals: np.ndarray) -> np.ndarray:
        """Compute chrF [R] from sums [R, 3 M].

        Precision and recall are means over the orders that hypothesis and reference both have.
        """
        if self.metric.eps_smoothing:
            return super().scores(totals)
        hypothesis, reference, matched = totals[:, 0::3], totals[:, 1::3], totals[:, 2::3]
        used = (hypothesis > 0) & (reference > 0)
        orders = np.maximum(used.sum(axis=1), 1)
        matched = matched.astype(np.float64)
        precision, recall = (
            np.divide(matched, side, out=np.zeros_like(matched), where=used).sum(axis=1) / orders
            for side in (hypothesis, reference)
        )
        squared = self.metric.beta**2
        above, below = (1 + squared) * precision * recall, squared * precision + recall
        return 100 * np.divide(above, below, out=np.zeros_like(below), where=below > 0)


class Ter(SacreBleuMetric):
    """TER (Snover et al. 2006), which always ignores case.

    A row holds the number of edits and the length of the reference.
    """

    title = "TER"
    higher_is_better = False
    max_score = np.inf
    slow = True  # a poor translation of 50 words takes 0.1 s and more, a good one 1 ms
    backend = sacrebleu.metrics.TER

    @classmethod
    def build(cls, options: MetricOptions) -> tuple[Ter, list[str]]:
        """Return TER, with Chinese characters and kana split by Tercom's rules."""
        code = language_code(options.tgt_lang)
        by_character = code in CHINESE | JAPANESE
        notes = []
        if code in OTHER_UNSPACED:
            notes = [f"TER counts edits of text between spaces, which means little for {code}"]
        return cls(normalized=by_character, asian_support=by_character), notes

    def scores(self, totals: np.ndarray) -> np.ndarray:
        """Compute TER [R] from sums [R, 2]; any edit against empty references gives 100."""
        edits, length = totals[:, 0].astype(np.float64), totals[:, 1]
        return 100 * np.divide(edits, length, out=(edits > 0).astype(np.float64), where=length > 0)

    def details(self, result: Any) -> dict[str, Any]:
        return {"edits": result.num_edits, "reference_length": result.ref_length}
