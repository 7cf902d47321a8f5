"""The parts of texts that are translated one by one: what requests want of them, and get."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mt.decoding.line_encoder import EncodedLine
from mt.decoding.outputs import Output, Translation, join_outputs, select_rank
from mt.inspection.attention_kinds import alignment_layer
from mt.inspection.maps.sentence_map import sentence_map
from mt.inspection.pair_attention import PairAttention
from mt.serving.steering import Steering

WEIGHT_DIGITS = 3


@dataclass(frozen=True)
class Wanted:
    """The parts of the answer that a request wants besides the translation."""

    alternatives: int = 0  # further translations
    scores: bool = False
    alignments: bool = False
    attention: bool = False
    steering: Steering = Steering()

    @property
    def nbest(self) -> int:
        """The number of translations of each part."""
        return 1 + self.alternatives

    @property
    def details(self) -> bool:
        """True if the response describes each part."""
        return self.scores or self.alignments or self.attention


@dataclass(frozen=True)
class Part:
    """A translated part of a text: a line, or a sentence of it."""

    line: int  # of the text, from 0
    translation: Translation
    details: dict[str, Any] = field(default_factory=dict)


def part_details(
    translation: Translation, attention: Sequence[PairAttention], wanted: Wanted
) -> dict[str, Any]:
    """Return the details of one part; `attention` is empty if it is blank or not wanted."""
    output = translation.outputs[0]
    details: dict[str, Any] = {"source": translation.source, "text": output.text}
    if wanted.alternatives:
        details["alternatives"] = [other.text for other in translation.outputs[1:]]
    if wanted.scores:
        details |= {
            "score": output.score,
            "logProb": output.log_prob,
            "tokens": output.tokens,
            "complete": output.complete,
            "warnings": output.warnings,
            "words": [
                {"text": word, "logProb": round(log_prob, 5)} for word, log_prob in output.words
            ],
        }
    if wanted.alignments:
        details["alignment"] = sorted(output.links.sure) if output.links else []
    if wanted.attention:
        details["attention"] = word_attention(attention[0]) if attention else None
    return details


def word_attention(pair: PairAttention) -> dict[str, Any]:
    """Return the cross-attention between words, of the layer that alignments are read from.

    It is the mean of the heads: `weights[target word][source word]`.
    """
    shown = sentence_map(pair, "")
    cross = shown.weights["cross"]
    weights = cross[alignment_layer(len(cross))].mean(0).astype(float).round(WEIGHT_DIGITS)
    return {"source": shown.source, "target": shown.target, "weights": weights.tolist()}


def single_parts(lines: Sequence[EncodedLine]) -> Iterator[tuple[int, EncodedLine]]:
    """Yield the parts of lines as lines of their own, with the number of the line they are from.

    A blank line is one part.
    """
    for number, line in enumerate(lines):
        if len(line.parts) < 2:
            yield number, line
        else:
            for text, pieces in line.parts:
                yield number, EncodedLine(text, [(text, pieces)])


def join_line(parts: Sequence[Part], rank: int, length_penalty: float) -> Output:
    """Return the translation of a line, given its parts; `rank` counts from 0, the best.

    Where a part has fewer translations, its last one is taken.
    """
    outputs = select_rank([part.translation.outputs for part in parts], rank)
    return join_outputs(outputs, length_penalty)
