"""The output of a translator: a line with its translations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from mt.data.alignment_words import piece_words
from mt.data.links import Links
from mt.data.normalisation import normalise
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.decoding.line_encoder import EncodedLine
from mt.decoding.options import SearchOptions
from mt.decoding.output_warnings import INVENTED, LOST, find_warnings
from mt.decoding.ranking import TextHypothesis, rank
from mt.decoding.search import Hypothesis
from mt.decoding.splitting import join_parts
from mt.decoding.text_settings import TextSettings

Result = TypeVar("Result")


@dataclass
class Output:
    """One translation of a line, or of one part of it.

    If the line was split, numbers are sums over its parts, and warnings those of all parts.
    """

    text: str  # without line separators of any kind
    score: float  # log_prob / tokens**length_penalty, or the expected utility (mbr)
    log_prob: float  # natural logarithm
    tokens: int  # EOS included
    complete: bool  # False if the maximum length cut it off
    # Alignment of the words of the source and of `text`; None if it was not requested.
    links: Links | None = None
    warnings: list[str] = field(default_factory=list)  # see `mt.decoding.output_warnings`
    parts: list[Output] = field(default_factory=list)  # of a line that was split, in order
    # Subword pieces with their log-probabilities, EOS included; none if the engine does not tell.
    pieces: list[tuple[str, float]] = field(default_factory=list)

    @property
    def words(self) -> list[tuple[str, float]]:
        """The words between spaces with their log-probabilities, each the sum over its pieces.

        They are those of the parts if the line was split. There are none if the words cannot be
        recovered from the pieces.
        """
        if self.parts:
            return [word for part in self.parts for word in part.words]
        words = [word for word in self.text.split(" ") if word]
        pieces = self.pieces[:-1] if self.complete else self.pieces
        indices = piece_words([piece for piece, _ in pieces])
        if max(indices, default=-1) + 1 != len(words):
            return []
        totals = [0.0] * len(words)
        for index, (_, log_prob) in zip(indices, pieces, strict=True):
            if index >= 0:  # else a blank between words
                totals[index] += log_prob
        return list(zip(words, totals, strict=True))


@dataclass
class TranslatedPart:
    """A line, or one part of a line that was split, with its hypotheses."""

    source: str
    pieces: list[int]  # of the source
    hypotheses: list[Hypothesis]  # best first
    texts: list[str]  # of the hypotheses, without line separators of any kind


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


def select_rank(parts: list[list[Result]], place: int) -> list[Result]:
    """Return the result at this place for each part of a line, or its last if it has fewer."""
    return [results[min(place, len(results) - 1)] for results in parts]


def build_translations(
    lines: Sequence[EncodedLine],
    found: Sequence[Sequence[Hypothesis]],
    tokenizer: Tokenizer,
    options: SearchOptions,
    settings: TextSettings,
) -> list[Translation]:
    """Return the translations of lines, given what the engine found for each of their parts.

    `options` are those of the search.
    """
    sources = [text for line in lines for text, _ in line.parts]
    candidates = iter(decode_hypotheses(sources, found, tokenizer))
    translations = []
    for line in lines:
        parts = []
        for text, pieces in line.parts:
            ranked = rank(next(candidates), options, settings.target_language)
            texts, best = [text for text, _ in ranked], [each for _, each in ranked]
            parts.append(TranslatedPart(text, pieces, best, texts))
        outputs = build_outputs(line.source, parts, tokenizer, options, settings.length_ratio)
        translations.append(Translation(line.source, outputs, parts))
    return translations


def decode_hypotheses(
    sources: Sequence[str], found: Sequence[Sequence[Hypothesis]], tokenizer: Tokenizer
) -> list[list[TextHypothesis]]:
    """Return the hypotheses of each sentence with their texts, given the sources.

    Byte pieces can produce control characters and line separators. Normalisation removes them, as
    in training text.
    """
    tokens = [hypothesis.tokens for hypotheses in found for hypothesis in hypotheses]
    contents = [
        known
        for source, hypotheses in zip(sources, found, strict=True)
        for known in [tokenizer.symbols.contents(source)] * len(hypotheses)
    ]
    texts = (normalise(text, "none") for text in tokenizer.decode_many(tokens, "tgt", contents))
    return [[(next(texts), hypothesis) for hypothesis in hypotheses] for hypotheses in found]


def build_outputs(
    source: str,
    parts: list[TranslatedPart],
    tokenizer: Tokenizer,
    options: SearchOptions,
    length_ratio: float,
) -> list[Output]:
    """Join the hypotheses of a line's parts: the best of each part, the second best, ...

    A line without parts has nothing to translate and stays as it is.
    """
    if not parts:
        return [Output(source, 0.0, 0.0, 0, True)]
    outputs = []
    for place in range(max(len(part.hypotheses) for part in parts)):
        texts = select_rank([part.texts for part in parts], place)
        hypotheses = select_rank([part.hypotheses for part in parts], place)
        part_outputs = [
            Output(
                text,
                hypothesis.score,
                hypothesis.log_prob,
                hypothesis.length,
                hypothesis.complete,
                warnings=find_warnings(
                    part.source, part.pieces, text, hypothesis.tokens, length_ratio
                )
                + find_placeholder_warnings(part.source, text, hypothesis, tokenizer),
                pieces=name_pieces(part.source, hypothesis, tokenizer),
            )
            for part, text, hypothesis in zip(parts, texts, hypotheses, strict=True)
        ]
        # A utility is a mean, like a log-probability that is divided by the length.
        outputs.append(join_outputs(part_outputs, 1.0 if options.mbr else options.length_penalty))
    return outputs


def find_placeholder_warnings(
    source: str, text: str, hypothesis: Hypothesis, tokenizer: Tokenizer
) -> list[str]:
    """Return the warnings on placeholders of the translation of one part of a line."""
    symbols = tokenizer.symbols
    lost, invented = symbols.compare(source, text)
    invented += tokenizer.count_unknown(hypothesis.tokens, symbols.contents(source))
    return [name for name, count in ((LOST, lost), (INVENTED, invented)) if count]


def name_pieces(
    source: str, hypothesis: Hypothesis, tokenizer: Tokenizer
) -> list[tuple[str, float]]:
    """Return the pieces of a hypothesis with their log-probabilities, if these are known."""
    if not hypothesis.log_probs:
        return []
    tokens = [*hypothesis.tokens, EOS][: hypothesis.length]
    pieces = tokenizer.shown_pieces(tokens, "tgt", tokenizer.symbols.contents(source))
    return list(zip(pieces, hypothesis.log_probs, strict=True))


def join_outputs(parts: list[Output], length_penalty: float) -> Output:
    """Join the outputs of the parts of a line, of which there is at least one."""
    if len(parts) == 1:
        return parts[0]
    tokens = sum(part.tokens for part in parts)
    total = sum(part.score * part.tokens**length_penalty for part in parts)
    return Output(
        normalise(join_parts([part.text for part in parts]), "none"),
        total / tokens**length_penalty,
        sum(part.log_prob for part in parts),
        tokens,
        all(part.complete for part in parts),
        warnings=sorted({warning for part in parts for warning in part.warnings}),
        parts=parts,
        pieces=[piece for part in parts for piece in part.pieces],
    )
