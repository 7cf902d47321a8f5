"""The output of a translator: a line with its translations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from mt.data.cleaning import normalise
from mt.data.links import Links
from mt.data.tokenizer import Tokenizer
from mt.decoding.output_warnings import find_warnings
from mt.decoding.search import Hypothesis
from mt.decoding.splitting import join_parts

Result = TypeVar("Result")


@dataclass
class Output:
    """One translation of a line, or of one part of it.

    If the line was split, numbers are sums over its parts, and warnings those of all parts.
    """

    text: str  # without line separators of any kind
    score: float  # log_prob / tokens**length_penalty
    log_prob: float  # natural logarithm
    tokens: int  # EOS included
    complete: bool  # False if the maximum length cut it off
    # Alignment of the words of the source and of `text`; None if it was not requested.
    links: Links | None = None
    warnings: list[str] = field(default_factory=list)  # see `mt.decoding.output_warnings`
    parts: list[Output] = field(default_factory=list)  # of a line that was split, in order


@dataclass
class TranslatedPart:
    """A line, or one part of a line that was split, with its hypotheses."""

    source: str
    pieces: list[int]  # of the source
    hypotheses: list[Hypothesis]  # best first


@dataclass
class Translation:
    """A line with its translations, best first. There is at least one."""

    source: str  # normalised
    outputs: list[Output]
    # One, or several if the line was split; none if the line has no visible character.
    parts: list[TranslatedPart]

    @property
    def text(self) -> str:
        """The best translation."""
        return self.outputs[0].text


def select_rank(parts: list[list[Result]], rank: int) -> list[Result]:
    """Return the result of this rank for each part of a line, or its last if it has fewer."""
    return [results[min(rank, len(results) - 1)] for results in parts]


def build_outputs(
    source: str,
    parts: list[TranslatedPart],
    tokenizer: Tokenizer,
    length_penalty: float,
    length_ratio: float,
) -> list[Output]:
    """Join the hypotheses of a line's parts: the best of each part, the second best, ...

    A line without parts has nothing to translate and stays as it is.
    """
    if not parts:
        return [Output(source, 0.0, 0.0, 0, True)]
    outputs = []
    for rank in range(max(len(part.hypotheses) for part in parts)):
        hypotheses = select_rank([part.hypotheses for part in parts], rank)
        texts = tokenizer.decode_many([h.tokens for h in hypotheses], "tgt")
        part_outputs = []
        for part, hypothesis, text in zip(parts, hypotheses, texts, strict=True):
            # Byte pieces can produce control characters and line separators. Normalisation removes
            # them, as in training text.
            text = normalise(text, "none")
            warnings = find_warnings(
                part.source, part.pieces, text, hypothesis.tokens, length_ratio
            )
            score = hypothesis.log_prob / hypothesis.length**length_penalty
            part_outputs.append(
                Output(
                    text,
                    score,
                    hypothesis.log_prob,
                    hypothesis.length,
                    hypothesis.complete,
                    warnings=warnings,
                )
            )
        outputs.append(join_outputs(part_outputs, length_penalty))
    return outputs


def join_outputs(parts: list[Output], length_penalty: float) -> Output:
    """Join the outputs of the parts of a line, of which there is at least one."""
    if len(parts) == 1:
        return parts[0]
    log_prob = sum(part.log_prob for part in parts)
    tokens = sum(part.tokens for part in parts)
    return Output(
        normalise(join_parts([part.text for part in parts]), "none"),
        log_prob / tokens**length_penalty,
        log_prob,
        tokens,
        all(part.complete for part in parts),
        warnings=sorted({warning for part in parts for warning in part.warnings}),
        parts=parts,
    )
