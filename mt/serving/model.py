"""One translation direction: a loaded model, its queue, and the results that requests ask for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from mt.decoding.engines.engine import Unsupported
from mt.decoding.line_encoder import EncodedLine
from mt.decoding.outputs import Output, Translation, join_outputs, select_rank
from mt.decoding.search import Hypothesis
from mt.inspection.attention_kinds import alignment_layer
from mt.inspection.inspector import Inspector
from mt.inspection.maps.sentence_map import sentence_map
from mt.inspection.pair_attention import PairAttention
from mt.serving.batch_queue import BatchQueue, Rows, cancel
from mt.serving.metrics import Metrics
from mt.serving.piece_scores import add_piece_scores

WEIGHT_DIGITS = 3


@dataclass(frozen=True)
class Wanted:
    """The parts of the answer that a request wants besides the translation."""

    alternatives: int = 0  # further translations
    scores: bool = False
    alignments: bool = False
    attention: bool = False

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


@dataclass(frozen=True)
class ServedModel:
    """A model that translates from `source` to `target`, language codes."""

    name: str
    source: str
    target: str
    inspector: Inspector
    queue: BatchQueue
    attends: bool  # whether attention and alignments can be read from the engine

    @classmethod
    def create(
        cls,
        name: str,
        languages: tuple[str, str],
        inspector: Inspector,
        executor: Executor,
        window_seconds: float,
        metrics: Metrics,
    ) -> ServedModel:
        """Put a queue before a loaded translator, with batches of its `batch_tokens`."""
        translator = inspector.translator
        generator = torch.Generator(translator.engine.device)  # unused: there is no sampling
        pair = f"{languages[0]}-{languages[1]}"

        def search(rows: Rows, nbest: int) -> list[list[Hypothesis]]:
            options = replace(translator.options, nbest=nbest)
            return translator.engine.search(
                rows, options, translator.budget, generator, lambda count: None
            )

        queue = BatchQueue(
            search,
            executor,
            max(1, translator.budget.tokens // translator.options.width),
            window_seconds,
            lambda parts, tokens: metrics.observe_batch(pair, parts, tokens),
        )
        try:
            attends = inspector.attends  # loads the model that it is read from
        except Unsupported:
            attends = False
        return cls(name, *languages, inspector, queue, attends)

    @property
    def max_alternatives(self) -> int:
        """The number of translations that the search finds besides the best."""
        return self.inspector.translator.options.beam - 1

    async def translate(self, lines: Sequence[str], wanted: Wanted) -> AsyncGenerator[Part]:
        """Yield the parts of lines in order, each as soon as it and those before it are there.

        A blank line is one part. If the caller stops, what still waits is dropped.
        """
        translator = self.inspector.translator
        options = replace(translator.options, nbest=wanted.nbest)
        encoded = await asyncio.to_thread(translator.encode_lines, lines)
        parts = deque(single_parts(encoded))
        rows = [pieces for _, part in parts for _, pieces in part.parts]
        futures = self.queue.submit(rows, wanted.nbest)
        waiting = deque(futures)
        try:
            while parts:
                # What is there already is described together, which is faster.
                group: list[tuple[int, EncodedLine]] = []
                found: list[list[Hypothesis]] = []
                while parts and (not group or not parts[0][1].parts or waiting[0].done()):
                    group.append(parts.popleft())
                    found += [await waiting.popleft() for _ in group[-1][1].parts]
                translations = translator.decode_lines([part for _, part in group], found, options)
                details = await self._describe(translations, wanted)
                for (line, _), translation, each in zip(group, translations, details, strict=True):
                    yield Part(line, translation, {"line": line, **each} if each else {})
        finally:
            cancel(futures)

    async def _describe(
        self, translations: list[Translation], wanted: Wanted
    ) -> list[dict[str, Any]]:
        if not wanted.details:
            return [{} for _ in translations]
        # In the thread of the searches, so that both do not compete for the cores.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.queue.executor, self.describe, translations, wanted)

    def describe(self, translations: list[Translation], wanted: Wanted) -> list[dict[str, Any]]:
        """Return the details of each translated part that are wanted, as JSON types."""
        inspector = self.inspector
        if wanted.scores:
            translations = add_piece_scores(translations, inspector.translator)
        linked = inspector.add_links(translations) if wanted.alignments else translations
        attention: Iterable[list[PairAttention]] = (
            inspector.translation_attention(translations)
            if wanted.attention
            else [[] for _ in translations]
        )
        return [
            part_details(translation, pairs, wanted)
            for translation, pairs in zip(linked, attention, strict=True)
        ]


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
