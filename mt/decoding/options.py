"""How to search: beam, length, sampling."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mt.errors import UsageError


@dataclass(frozen=True)
class SearchOptions:
    """How to search. Raises UsageError where values make no sense."""

    beam: int = 5  # hypotheses a sentence; 1: greedy
    nbest: int = 1  # hypotheses to return; when sampling: independent samples
    length_penalty: float = 1.0  # alpha: scores are log-probability / length**alpha
    max_ratio: float = (
        2.0  # longest output in tokens, EOS included: max_ratio * source tokens + max_extra
    )
    max_extra: int = 20
    min_length: int = 0  # shortest output in tokens, EOS not included
    sample: bool = False  # draw tokens at random instead of searching
    temperature: float = 1.0  # sampling: divides the logits
    top_k: int = 0  # sampling: only from the k likeliest tokens; 0: all
    top_p: float = 1.0  # sampling: only from the fewest tokens that hold this share of the probability (Holtzman et al. 2020)

    def __post_init__(self) -> None:
        rules = {
            "beam": self.beam >= 1,
            "nbest": self.nbest >= 1,
            "max_ratio": self.max_ratio >= 0,
            "max_extra": self.max_extra >= 1,
            "min_length": self.min_length >= 0,
            "temperature": self.temperature > 0,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
        }
        for name, holds in rules.items():
            if not holds:
                raise UsageError(f"{name} cannot be {getattr(self, name)}")
        if self.nbest > self.beam and not self.sample:
            raise UsageError(
                f"a beam of {self.beam} has no {self.nbest} best: raise beam to at least {self.nbest}, or sample"
            )
        changed = [
            f.name
            for f in fields(self)
            if f.name in ("temperature", "top_k", "top_p") and getattr(self, f.name) != f.default
        ]
        if changed and not self.sample:
            raise UsageError(f"{changed[0]} is for sampling only: ask for sampling too")

    @property
    def width(self) -> int:
        """K: rows of the model that a sentence takes."""
        return self.nbest if self.sample else self.beam
