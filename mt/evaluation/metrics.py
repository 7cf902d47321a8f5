"""BLEU, chrF and TER of a corpus through sacreBLEU, with signatures and bootstrap confidence intervals.

All three are functions of counts that add up over sentences. So the text is looked at once
(`SentenceStatistics`), and the score of the corpus, of any part of it (`mt.evaluation.lengths`) and
of each bootstrap resample is a function of a sum of rows.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.base import Metric

from mt.errors import MTError, UsageError

SEED = 12345  # sacreBLEU's own default: our resamples, and so our intervals, are the ones that it draws
BOOTSTRAP = 1000
TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none", "flores101", "flores200")

_CHINESE = {"zh", "zho", "chi", "cmn", "yue", "lzh"}
_JAPANESE = {"ja", "jpn"}
_KOREAN = {"ko", "kor"}
_OTHER_UNSPACED = {"th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bo", "bod", "dz", "dzo"}


@dataclass(frozen=True)
class Score:
    """One metric on one set of sentences."""

    name: str  # as sacreBLEU calls it: BLEU, chrF2, TER
    value: float  # 0 to 100; TER may exceed 100, and less is better
    ci: (
        tuple[float, float] | None
    )  # 95 % bootstrap interval; None where no resamples were asked for
    signature: str  # all that someone else needs to compute the same figure
    short_signature: str
    extra: dict[str, Any] = field(default_factory=dict)  # what the score is made of


def language_code(lang: str) -> str:
    """The bare language of a code: zh of zh-CN, zho of zho_Hans."""
    return re.split(r"[-_]", lang.strip().lower())[0]


def bleu_tokenizer(tgt_lang: str) -> str:
    """The tokeniser that is customary for BLEU in a language: WMT's 13a, unless it writes no spaces (or, Korean, has long words)."""
    code = language_code(tgt_lang)
    if code in _CHINESE:
        return "zh"
    if code in _JAPANESE:
        return "ja-mecab"
    if code in _KOREAN:
        return "ko-mecab"
    return "char" if code in _OTHER_UNSPACED else "13a"


def build_metrics(
    tgt_lang: str = "", tokenize: str = "", lowercase: bool = False
) -> tuple[dict[str, Metric], list[str]]:
    """The metrics for a target language -> {"bleu", "chrf", "ter"} and notes that the reader of the scores must see.

    `tokenize` names BLEU's tokeniser; empty: by language. Where the customary one is not installed,
    characters are used and a note says so, since a training must not die at its end for want of it;
    one that was asked for by name is an error instead. `lowercase` applies to BLEU and chrF; TER
    ignores case always.

    Raises UsageError for an unknown tokeniser and MTError for one that cannot be used here.
    """
    if tokenize and tokenize not in TOKENIZERS:
        raise UsageError(f"unknown BLEU tokeniser {tokenize!r}: use one of {', '.join(TOKENIZERS)}")
    notes = []
    name = tokenize or bleu_tokenizer(tgt_lang)
    try:
        bleu = BLEU(tokenize=name, lowercase=lowercase)
    except (RuntimeError, ImportError, OSError) as error:
        how = (
            f"pip install 'sacrebleu[{name[:2]}]'"
            if name.endswith("mecab")
            else f"it is downloaded once, which failed ({error})"
        )
        if tokenize:
            raise MTError(
                f"BLEU tokeniser {name} is not available here: {how}; or choose another, such as char"
            ) from None
        notes.append(
            f"BLEU counts characters (tok:char): tokeniser {name} is missing; for the customary figure: {how}"
        )
        bleu = BLEU(tokenize="char", lowercase=lowercase)
    code = language_code(tgt_lang)
    # Tercom splits Chinese characters and kana on request; for the others there is no splitter.
    by_character = code in _CHINESE | _JAPANESE
    if code in _OTHER_UNSPACED:
        notes.append(
            f"TER counts edits of what stands between spaces, which means little for {code}"
        )
    ter = TER(normalized=by_character, asian_support=by_character)
    return {"bleu": bleu, "chrf": CHRF(lowercase=lowercase), "ter": ter}, notes


class SentenceStatistics:
    """The counts of one metric for each sentence: N rows that add up.

    `rows` is [N, D], D as sacreBLEU has it: BLEU hypothesis and reference length, then matched and
    total n-grams of four orders; chrF three counts for each of six orders; TER edits and reference
    length.
    """

    def __init__(
        self, metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[str]] | None
    ) -> None:
        """`references` holds one or more translations of the corpus, each a list as long as `hypotheses`; None: see `holding`."""
        self.metric = metric
        self.rows = np.array(
            metric._extract_corpus_statistics(hypotheses, references), dtype=np.float64
        )

    def score(self, sentences: np.ndarray | None = None, bootstrap: int = 0) -> Score:
        """Score of the corpus, or of some of its sentences ([M] indices), with an interval from `bootstrap` resamples."""
        rows = self.rows if sentences is None else self.rows[sentences]
        result = self._compute(rows.sum(0))
        interval = None
        if bootstrap:
            values = np.sort(
                [self._compute(weights @ rows).score for weights in resamples(len(rows), bootstrap)]
            )
            cut = bootstrap // 40  # 2.5 % at each end
            interval = (float(values[cut]), float(values[-cut - 1]))
        self.metric.n_bootstrap, self.metric.seed = (bootstrap, SEED) if bootstrap else (None, None)
        signature = self.metric.get_signature()
        return Score(
            result.name,
            result.score,
            interval,
            signature.format(),
            signature.format(short=True),
            self._extra(result),
        )

    def _compute(self, total: np.ndarray) -> Any:
        return self.metric._compute_score_from_stats(total.tolist())

    def _extra(self, result: Any) -> dict[str, Any]:
        if isinstance(self.metric, BLEU):
            return {
                "precisions": list(result.precisions),
                "brevity_penalty": result.bp,
                "length_ratio": result.ratio,
                "hypothesis_length": result.sys_len,
                "reference_length": result.ref_len,
            }
        if isinstance(self.metric, TER):
            return {"edits": result.num_edits, "reference_length": result.ref_length}
        return {}


@contextlib.contextmanager
def holding(metric: Metric, references: Sequence[Sequence[str]]) -> Iterator[None]:
    """Within it, the metric knows the references: they are counted once, not for each of the systems. A third of the time."""
    metric._ref_cache = metric._cache_references(references)
    try:
        yield
    finally:
        metric._ref_cache = None


def resamples(count: int, number: int) -> Iterator[np.ndarray]:
    """`number` draws of `count` sentences with replacement -> how often each sentence was drawn, [count] a draw.

    Same random numbers as sacreBLEU, but one draw at a time: all at once, a corpus of 100,000 lines
    takes gigabytes.
    """
    generator = np.random.default_rng(SEED)
    for _ in range(number):
        yield np.bincount(generator.integers(count, size=count), minlength=count)
