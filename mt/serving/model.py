"""One translation direction: a loaded model, its queue, and the results that requests ask for."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from mt.data.language_codes import language_code
from mt.decoding.candidates import build_generator
from mt.decoding.engines.engine import Unsupported
from mt.decoding.engines.fallback import FallbackEngine
from mt.decoding.line_encoder import EncodedLine
from mt.decoding.options import SearchOptions
from mt.decoding.outputs import Translation
from mt.decoding.prefixes import Prefixes, add_start
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.inspection.inspector import Inspector
from mt.inspection.pair_attention import PairAttention
from mt.serving.batch_queue import BatchQueue, Rows, Search, cancel
from mt.serving.metrics import Metrics
from mt.serving.parts import Part, Wanted, part_details, single_parts
from mt.serving.piece_scores import add_piece_scores

MAX_DIRECTIONS = 1000  # of a multilingual model that are kept in memory
SHORT = 2000  # characters that are encoded in less time than other requests notice

Result = TypeVar("Result")


@dataclass(frozen=True)
class ServedModel:
    """A model that translates from `source` to `target`, language codes."""

    name: str
    source: str
    target: str
    inspector: Inspector
    queue: BatchQueue
    executor: Executor  # one thread, which all models share: what PyTorch computes uses all cores
    attends: bool  # whether attention and alignments can be read from the engine
    tags: tuple[str, ...]  # from which requests may choose
    translators: dict[str, Translator] = field(default_factory=dict)  # by tags that were chosen
    # The languages of a multilingual model: the code that requests name -> that of the model. Empty
    # if there are only `source` and `target`.
    languages: dict[str, str] = field(default_factory=dict)
    # By the languages that were chosen.
    directions: dict[tuple[str, str], ServedModel] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        name: str,
        languages: tuple[str, str],
        inspector: Inspector,
        executor: Executor,
        searches: Executor,
        window_seconds: float,
        metrics: Metrics,
        tags: Sequence[str] = (),
    ) -> ServedModel:
        """Put a queue before a loaded translator, with batches of its `batch_tokens`.

        `languages` are the source and the target if the model is not multilingual. Batches are
        searched in `searches`, and everything else is computed in `executor`.
        """
        translator = inspector.translator
        engine, budget = translator.engine, translator.budget
        unused = torch.Generator(engine.device)
        names: dict[str, str] = {}
        if own := translator.tokenizer.languages:
            names = public_codes(own.codes)
            public = {code: name for name, code in names.items()}
            languages = public[own.source], public[own.target]

        def search(
            rows: Rows, how: Search, progress: Callable[[int], None]
        ) -> list[list[Hypothesis]]:
            return engine.search(
                rows, how.options, budget, how.generator or unused, progress, how.prefixes
            )

        queue = BatchQueue(
            search,
            searches,
            budget.tokens,
            window_seconds,
            lambda parts, tokens: metrics.observe_batch(name, parts, tokens),
            engine.concurrent,
        )
        try:
            attends = inspector.attends  # loads the model that it is read from
        except Unsupported:
            attends = False
        choices = tuple(tags)
        return cls(name, *languages, inspector, queue, executor, attends, choices, languages=names)

    @property
    def sources(self) -> list[str]:
        """The codes of the languages that it translates from."""
        return list(self.languages) or [self.source]

    @property
    def targets(self) -> list[str]:
        """The codes of the languages that it translates to."""
        return list(self.languages) or [self.target]

    def between(self, source: str, target: str) -> ServedModel:
        """Return the model for two of its languages, which shares its queue."""
        pair = source, target
        if pair == (self.source, self.target):
            return self
        if pair not in self.directions:
            if len(self.directions) >= MAX_DIRECTIONS:
                self.directions.clear()
            translator = self.inspector.translator.with_languages(
                self.languages[source], self.languages[target]
            )
            self.directions[pair] = replace(
                self,
                source=source,
                target=target,
                inspector=Inspector(translator),
                translators={},
            )
        return self.directions[pair]

    @property
    def max_alternatives(self) -> int:
        """The number of translations that the search finds besides the best by default."""
        return self.inspector.translator.options.width - 1

    def options(self, wanted: Wanted) -> SearchOptions:
        """Return the search options of a request. Raises UsageError if they are invalid."""
        options = wanted.steering.apply(self.inspector.translator.options, wanted.nbest)
        self.inspector.translator.engine.check(options)
        return options

    def translator(self, tag: str | None) -> Translator:
        """Return the translator of text with a tag; None stands for the tag of this model.

        Raises UsageError if requests cannot choose it.
        """
        if tag is None:
            return self.inspector.translator
        if not self.tags:
            raise UsageError(f"there is no choice of tags for {self.source}-{self.target}")
        if tag not in self.translators:  # which are few: with_tag refuses unknown ones
            self.translators[tag] = self.inspector.translator.with_tag(tag)
        return self.translators[tag]

    async def translate(
        self, lines: Sequence[str], wanted: Wanted, prefixes: Sequence[str] | None = None
    ) -> AsyncGenerator[Part]:
        """Yield the parts of lines in order, each as soon as it and those before it are there.

        A blank line is one part. If the caller stops, what still waits is dropped. `prefixes` has
        the beginning of the translation of each line.
        """
        options, translator = self.options(wanted), self.translator(wanted.steering.tag)
        encoded = await self._run(sum(map(len, lines)) > SHORT, translator.encode_lines, lines)
        parts = deque(single_parts(encoded))
        rows = [pieces for _, part in parts for _, pieces in part.parts]
        device = translator.engine.device
        generator = build_generator(wanted.steering.seed, device) if options.sample else None
        start = translator.tokenizer.starts["tgt"]
        begun = add_start(await self._begin(translator, prefixes, encoded), start, len(rows))
        futures = self.queue.submit(rows, Search(options, generator, begun))
        waiting = deque(futures)
        try:
            while parts:
                # What is there already is described together, which is faster. But the candidates
                # of minimum-Bayes-risk decoding are compared part by part, so that a request that
                # is given up costs no more than one of these comparisons.
                group: list[tuple[int, EncodedLine]] = []
                found: list[list[Hypothesis]] = []
                while parts and (
                    not group or not parts[0][1].parts or (waiting[0].done() and not options.mbr)
                ):
                    group.append(parts.popleft())
                    found += [await waiting.popleft() for _ in group[-1][1].parts]
                lines_of_parts = [part for _, part in group]
                translations = await self._run(
                    options.mbr > 0, translator.decode_lines, lines_of_parts, found, options
                )
                details = await self._describe(translations, wanted)
                for (line, _), translation, each in zip(group, translations, details, strict=True):
                    yield Part(line, translation, {"line": line, **each} if each else {})
        finally:
            cancel(futures)

    @staticmethod
    async def _run(is_long: bool, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return the result of a function, in a thread if it takes long, which costs a switch."""
        if is_long:
            return await asyncio.to_thread(function, *arguments)
        return function(*arguments)

    async def _begin(
        self,
        translator: Translator,
        prefixes: Sequence[str] | None,
        lines: Sequence[EncodedLine],
    ) -> Prefixes | None:
        """Return the encoded prefixes of the parts of lines.

        Raises UsageError if one has more pieces than the parts of lines may have: each piece is a
        step of the search, which not every engine can interrupt.
        """
        if not prefixes:
            return None
        encode = translator.prefix_encoder.encode_lines
        # In one thread, because the encoder has a memory.
        begun = await asyncio.get_running_loop().run_in_executor(
            self.executor, encode, prefixes, lines
        )
        longest, limit = max(begun.lengths(), default=0), translator.max_pieces
        if longest > limit:
            raise UsageError(f"prefix has {longest} pieces in a sentence, at most {limit}")
        return begun

    async def _describe(
        self, translations: list[Translation], wanted: Wanted
    ) -> list[dict[str, Any]]:
        if not wanted.details:
            return [{} for _ in translations]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, self.describe, translations, wanted)

    def describe(self, translations: list[Translation], wanted: Wanted) -> list[dict[str, Any]]:
        """Return the details of each translated part that are wanted, as JSON types."""
        engine = self.inspector.translator.engine
        # Attention is read from the model with which PyTorch may search in another thread.
        with engine.slow_lock if isinstance(engine, FallbackEngine) else contextlib.nullcontext():
            return self._compute_details(translations, wanted)

    def _compute_details(
        self, translations: list[Translation], wanted: Wanted
    ) -> list[dict[str, Any]]:
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


def public_codes(codes: Sequence[str]) -> dict[str, str]:
    """Return the code by which requests name each language of a model -> that of the model.

    It is the usual one, such as en for eng_Latn, unless several stand for the same language.
    """
    usual = Counter(map(language_code, codes))
    short = {code: language_code(code) for code in codes}
    return {name if usual[name] == 1 else code: code for code, name in short.items()}
