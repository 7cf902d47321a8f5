"""Search options: beam size, output length, constraints, sampling, minimum-Bayes-risk decoding."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from mt.errors import UsageError

SAMPLING_OPTIONS = ("temperature", "top_k", "top_p", "epsilon")
MBR_METRICS = ("chrf", "bleu")
# With more extreme values, single-precision numbers would overflow.
MAX_EXPONENT = 10  # of lengths
MIN_FACTOR, MAX_FACTOR = 1e-6, 1e6  # of logits
FACTORS = f"from {MIN_FACTOR:g} to {MAX_FACTOR:g}"
BATCH_TOKENS = 8192  # default batch size in source tokens, each hypothesis counted


@dataclass(frozen=True)
class SearchOptions:
    """Options of the search. Raises UsageError for invalid values."""

    beam: int = 5  # hypotheses per sentence; 1: greedy search
    nbest: int = 1  # hypotheses to return; for sampling: independent samples
    length_penalty: float = 1.0  # alpha: scores are log-probability / length**alpha
    # The maximum output length in tokens, EOS included, is max_ratio * source tokens + max_extra.
    max_ratio: float = 2.0
    max_extra: int = 20
    min_length: int = 0  # minimum output length in tokens, EOS not included
    no_repeat_ngram: int = 0  # no n-gram of this many tokens twice in an output; 0: no limit
    # Logits of tokens that the output already has are divided by it, or multiplied if they are
    # below 0; 1: no penalty.
    repetition_penalty: float = 1.0
    sample: bool = False  # sample tokens at random instead of searching
    temperature: float = 1.0  # sampling: divides the logits
    top_k: int = 0  # sampling: only from the k most probable tokens; 0: all
    # Sampling: only from the smallest set of most probable tokens whose total probability is at
    # least top_p (Holtzman et al. 2020).
    top_p: float = 1.0
    # Sampling: only from tokens with a probability of at least epsilon (Hewitt et al. 2022).
    epsilon: float = 0.0
    # Minimum-Bayes-risk decoding: number of candidates among which to choose; 0: none.
    mbr: int = 0
    mbr_metric: str = "chrf"  # utility in minimum-Bayes-risk decoding: one of MBR_METRICS

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            accepted = (int, float) if kind is float else kind
            is_truth = isinstance(value, bool)
            if is_truth != (kind is bool) or not isinstance(value, accepted):
                raise UsageError(
                    f"{field.name} must be of type {kind.__name__}, got {value!r} "
                    f"({type(value).__name__})"
                )
            if kind is float and not -math.inf < getattr(self, field.name) < math.inf:
                raise UsageError(f"{field.name} must be finite, got {value}")
        rules = {
            "beam": ("must be >= 1", self.beam >= 1),
            "nbest": ("must be >= 1", self.nbest >= 1),
            "max_ratio": ("must be >= 0", self.max_ratio >= 0),
            "max_extra": ("must be >= 1", self.max_extra >= 1),
            "min_length": ("must be >= 0", self.min_length >= 0),
            "no_repeat_ngram": ("must be >= 0", self.no_repeat_ngram >= 0),
            "length_penalty": (
                f"must be from -{MAX_EXPONENT} to {MAX_EXPONENT}",
                abs(self.length_penalty) <= MAX_EXPONENT,
            ),
            "repetition_penalty": (f"must be {FACTORS}", is_factor(self.repetition_penalty)),
            "temperature": (f"must be {FACTORS}", is_factor(self.temperature)),
            "top_k": ("must be >= 0", self.top_k >= 0),
            "top_p": ("must be > 0 and <= 1", 0 < self.top_p <= 1),
            "epsilon": ("must be >= 0 and < 1", 0 <= self.epsilon < 1),
            "mbr": ("must be 0 or >= 2", self.mbr == 0 or self.mbr >= 2),
            "mbr_metric": (f"must be {' or '.join(MBR_METRICS)}", self.mbr_metric in MBR_METRICS),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise UsageError(f"{name} {rule}, got {getattr(self, name)}")
        if self.mbr and self.nbest > self.mbr:
            raise UsageError(
                f"nbest must be <= mbr, got nbest {self.nbest} and mbr {self.mbr}: raise mbr"
            )
        if self.nbest > self.beam and not self.sample and not self.mbr:
            raise UsageError(
                f"nbest must be <= beam, got nbest {self.nbest} and beam {self.beam}: "
                f"raise beam to at least {self.nbest}, or sample"
            )
        for field in fields(self):
            changed = getattr(self, field.name) != field.default
            if field.name in SAMPLING_OPTIONS and changed and not self.sample:
                raise UsageError(f"{field.name} is only used for sampling: enable sampling too")

    @property
    def width(self) -> int:
        """The number of hypotheses per sentence, K."""
        if self.sample:
            return self.mbr or self.nbest
        return max(self.beam, self.mbr)

    @property
    def candidates(self) -> int:
        """The number of hypotheses that the search returns for each sentence.

        It may be more than `nbest`, because several can have the same text.
        """
        return self.mbr or (1 if self.nbest == 1 else self.width)


def is_factor(value: float) -> bool:
    """Return whether logits may be multiplied or divided by a value."""
    return MIN_FACTOR <= value <= MAX_FACTOR
