"""Translation from text to text.

Each line is normalised like the training text and encoded as subword pieces, in parts if it has
several sentences or is too long. The parts are searched in batches of similar length, decoded and
joined. N lines give N translations, in the same order.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Unpack, overload

import torch

from mt.data.normalisation import SURROGATE, Normaliser, is_blank
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.decoding.arguments import (
    SearchArguments,
    check_end,
    check_integer,
    check_lines,
    check_pairs,
    merge_options,
    take_prefixes,
)
from mt.decoding.engines.engine import Engine
from mt.decoding.engines.pytorch import PyTorchEngine
from mt.decoding.line_chunks import CHUNK_LINES, split_into_chunks
from mt.decoding.line_encoder import EncodedLine, LineEncoder
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.decoding.output_warnings import COPY, INVENTED, LOST, REPETITION, SHORT
from mt.decoding.outputs import TranslatedPart, Translation, build_outputs, decode_hypotheses
from mt.decoding.prefixes import PrefixEncoder
from mt.decoding.ranking import rank
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis
from mt.decoding.token_budget import TokenBudget
from mt.errors import UsageError
from mt.models.seq2seq import Seq2Seq


class Translator:
    """One model, or an ensemble of several, with the tokenizer.

    Up to floating-point tolerance, a translation does not depend on the other lines of the input
    (except when sampling). `counts` holds the numbers of lines that needed special treatment.
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        tokenizer: Tokenizer,
        *,
        max_pieces: int = 256,
        normaliser: Normaliser | None = None,
        language: str = "",
        target_language: str = "",
        split_sentences: bool = False,
        length_ratio: float = 0.0,
        tag: str = "",
        tag_settings: Callable[[str | None], dict[str, Any]] | None = None,
        precision: str = "auto",
        batch_tokens: int = BATCH_TOKENS,
        options: SearchOptions | None = None,
        warn: Callable[[str], None] | None = None,
        workers: int = 1,
        engine: Engine | None = None,
    ) -> None:
        """Initialise the translator. The caller must have called `eval()` on the models.

        Args:
            models: PyTorch models.
            tokenizer: the tokenizer of the models.
            max_pieces: maximum length of a source, data.max_pieces of the training.
            normaliser: normalisation of the training text (default: NFC only).
            language: code of the source language, for the rules that split sentences.
            target_language: code of the target language, for `mbr_metric` and the sentences of
                prefixes.
            split_sentences: translate each sentence of a line by itself.
            length_ratio: characters of target / source in the training text; 0: unknown.
            tag: tag of the vocabulary in front of every source; "": none.
            tag_settings: returns language, split_sentences, length_ratio and tag for another tag.
            precision: auto, fp32 or bf16.
            batch_tokens: maximum number of source tokens in a batch, each hypothesis counted.
            options: defaults of the search options.
            warn: function that receives warnings of one line (default: print to standard error).
            workers: processes that search in parallel if there are several batches; 0: one per
                thread (see `mt.decoding.engines.workers`).
            engine: engine to use in place of the models.
        """
        check_integer("batch_tokens", batch_tokens, 1)
        check_integer("max_pieces", max_pieces, 1)
        self.engine: Engine = engine or PyTorchEngine(models, precision, workers)
        self.tokenizer = tokenizer
        self.max_pieces, self.precision = max_pieces, precision
        self.normaliser = normaliser or Normaliser()
        self.tag_settings = tag_settings
        self._set_text(language, target_language, split_sentences, length_ratio, tag)
        self.options = options or SearchOptions()
        self.budget = TokenBudget(
            batch_tokens, warn or (lambda message: print(f"warning: {message}", file=sys.stderr))
        )
        self.counts: Counter[str] = Counter()

    def _set_text(
        self,
        language: str,
        target_language: str,
        split_sentences: bool,
        length_ratio: float,
        tag: str,
    ) -> None:
        self.encoder = LineEncoder(self.tokenizer, self.max_pieces, language, split_sentences, tag)
        self.target_language, self.length_ratio, self.tag = target_language, length_ratio, tag
        self.__dict__.pop("prefix_encoder", None)  # it has rules of the target language

    def with_tag(self, tag: str | None) -> Translator:
        """Return a translator of text with another tag, which shares the model and the counts.

        "" is text without a tag; None stands for the default, as in `mt.load`. Raises UsageError if
        the model does not know the tag.
        """
        if tag == self.tag:
            return self
        if self.tag_settings is None:
            raise UsageError(f"this translator has no other tag than its own, got {tag!r}")
        other = copy.copy(self)
        other._set_text(**self.tag_settings(tag))
        return other

    @cached_property
    def prefix_encoder(self) -> PrefixEncoder:
        """The encoder of prefixes, which sorts the vocabulary."""
        return PrefixEncoder(self.tokenizer, self.target_language, self.normaliser)

    @property
    def models(self) -> list[Seq2Seq]:
        """The PyTorch models, from which attention is read. Raises UsageError if there are none."""
        return self.engine.models

    @overload
    def translate(  # type: ignore[overload-overlap]
        self,
        lines: str,
        chunk_size: int = ...,
        seed: int | None = ...,
        progress: Callable[[int], None] | None = ...,
        prefixes: str | None = ...,
        **options: Unpack[SearchArguments],
    ) -> str: ...
    @overload
    def translate(
        self,
        lines: Iterable[str],
        chunk_size: int = ...,
        seed: int | None = ...,
        progress: Callable[[int], None] | None = ...,
        prefixes: Iterable[str] | None = ...,
        **options: Unpack[SearchArguments],
    ) -> list[str]: ...
    def translate(
        self,
        lines: str | Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        prefixes: str | Iterable[str] | None = None,
        **options: Unpack[SearchArguments],
    ) -> str | list[str]:
        """Translate lines, or one line given as a string, whose prefix is a string, too.

        The arguments are those of `translate_chunks`. Raises UsageError if `nbest` > 1, because
        this method returns one string for each line: call `translate_nbest`.
        """
        if (nbest := merge_options(self.options, options).nbest) > 1:
            raise UsageError(
                f"translate returns one translation of each line, but nbest is {nbest}: call "
                f"translate_nbest(lines, {nbest}), which returns several with their scores"
            )
        texts = [lines] if isinstance(lines, str) else lines
        starts = [prefixes] if isinstance(lines, str) and isinstance(prefixes, str) else prefixes
        stream = self.translate_stream(texts, chunk_size, seed, progress, starts, **options)
        outputs = [translation.text for translation in stream]
        return outputs[0] if isinstance(lines, str) else outputs

    def translate_nbest(  # type: ignore[misc]
        self,
        lines: Iterable[str],
        nbest: int,
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        prefixes: Iterable[str] | None = None,
        **options: Unpack[SearchArguments],
    ) -> list[Translation]:
        """Return up to `nbest` translations of each line with their scores.

        The other arguments are those of `translate_chunks`.
        """
        options["nbest"] = nbest
        return list(self.translate_stream(lines, chunk_size, seed, progress, prefixes, **options))

    def translate_stream(
        self,
        lines: Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        prefixes: Iterable[str] | None = None,
        **options: Unpack[SearchArguments],
    ) -> Iterator[Translation]:
        """Yield the translations of any number of lines, one by one, in bounded memory.

        The arguments are those of `translate_chunks`.
        """
        for translations in self.translate_chunks(
            lines, chunk_size, seed, progress, prefixes, **options
        ):
            yield from translations

    def translate_chunks(
        self,
        lines: Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        prefixes: Iterable[str] | None = None,
        **options: Unpack[SearchArguments],
    ) -> Iterator[list[Translation]]:
        """Yield the translations of any number of lines in chunks of `chunk_size` lines.

        With a chunk size of 1, each line is translated before the next one is read. `seed` makes
        sampling reproducible. After each batch, `progress` is called with its number of lines.
        `prefixes` has a text for each line with which its translation must begin, "" for none; see
        `mt.decoding.prefixes`. `options` are fields of SearchOptions. Raises UsageError for wrong
        arguments.
        """
        search_options = merge_options(self.options, options)
        check_integer("chunk_size", chunk_size, 1)
        if seed is not None:
            check_integer("seed", seed, -(2**63), 2**64 - 1)  # the seeds of torch.Generator
        checked = check_lines(lines)
        starts = None if prefixes is None else check_lines(prefixes, "prefixes", "prefix")
        self.engine.check(search_options)
        generator = torch.Generator(self.engine.device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        for chunk in split_into_chunks(checked, chunk_size):
            yield self._translate_chunk(
                chunk,
                take_prefixes(starts, len(chunk)) if starts else None,
                search_options,
                generator,
                progress or (lambda _: None),
            )
        if starts:
            check_end(starts)

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[PairScore]:
        """Return the log-probability of each target text given its source text."""
        return self.engine.score(self.tokenizer, self.normalise_pairs(pairs), self.budget)

    def report(self) -> list[str]:
        """Return one line of text for each count in `counts` that is not zero."""
        descriptions = {
            "invalid": "with invalid UTF-8 (replaced by U+FFFD)",
            "prefix": "that are blank but have a prefix (not used)",
            "nul": "with NUL characters (removed)",
            "sentences": "of several sentences (translated one by one, joined)",
            "split": f"longer than {self.max_pieces} pieces (split, translated in parts, joined)",
            "cut off": "whose translation was cut off at the maximum length (--max-ratio, "
            "--max-extra)",
            "empty": "that are not blank but have an empty translation",
            REPETITION: "whose translation repeats itself (several times in a row)",
            SHORT: "whose translation, or that of a part, is much shorter than expected",
            COPY: "whose translation, or that of a part, is a copy of the source",
            LOST: "whose translation lacks a placeholder of the source",
            INVENTED: "whose translation has a placeholder that the source does not have",
        }
        return [
            f"lines {description}: {self.counts[name]:,}"
            for name, description in descriptions.items()
            if self.counts[name]
        ]

    def _translate_chunk(
        self,
        lines: list[str],
        prefixes: list[str] | None,
        options: SearchOptions,
        generator: torch.Generator,
        progress: Callable[[int], None],
    ) -> list[Translation]:
        encoded = self.encode_lines(lines)
        rows = [pieces for line in encoded for _, pieces in line.parts]
        starts = None
        if prefixes:
            starts = self.prefix_encoder.encode_lines(prefixes, encoded)
            lost = zip(prefixes, encoded, strict=True)
            self.counts["prefix"] += sum(not (is_blank(text) or line.parts) for text, line in lost)
        count = count_lines(progress, len(lines), len(rows))
        found = self.engine.search(rows, options, self.budget, generator, count, starts)
        return self.decode_lines(encoded, found, options)

    def encode_lines(self, lines: Sequence[str]) -> list[EncodedLine]:
        """Normalise and split lines as `translate_chunks` does, and encode them for the engine."""
        return self.encoder.encode(self._normalise(lines), self.counts)

    def decode_lines(
        self,
        lines: Sequence[EncodedLine],
        hypotheses: Sequence[Sequence[Hypothesis]],
        options: SearchOptions,
    ) -> list[Translation]:
        """Return the translations of lines, given what the engine found for each of their parts.

        `options` are those of the search.
        """
        sources = [text for line in lines for text, _ in line.parts]
        candidates = iter(decode_hypotheses(sources, hypotheses, self.tokenizer))
        translations = []
        for line in lines:
            parts = []
            for text, pieces in line.parts:
                ranked = rank(next(candidates), options, self.target_language)
                texts, best = [text for text, _ in ranked], [each for _, each in ranked]
                parts.append(TranslatedPart(text, pieces, best, texts))
            outputs = build_outputs(line.source, parts, self.tokenizer, options, self.length_ratio)
            self.counts["cut off"] += not outputs[0].complete
            self.counts["empty"] += bool(parts) and is_blank(outputs[0].text)
            self.counts.update(outputs[0].warnings)
            translations.append(Translation(line.source, outputs, parts))
        return translations

    def _normalise(self, lines: Sequence[str]) -> list[str]:
        # Invalid bytes were decoded as surrogates (`surrogateescape`).
        self.counts["invalid"] += sum(SURROGATE.search(line) is not None for line in lines)
        self.counts["nul"] += sum("\0" in line for line in lines)
        return list(map(self.normaliser, lines))

    def normalise_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Normalise (source, target) texts like the training text; sources get the tag.

        A text without a visible character becomes "".
        """
        pairs = check_pairs(pairs)
        sources, targets = (
            ["" if is_blank(text) else text for text in self._normalise(texts)]
            for texts in ([pair[side] for pair in pairs] for side in (0, 1))
        )
        return [
            (add_tag(source, self.tag), target)
            for source, target in zip(sources, targets, strict=True)
        ]


def count_lines(progress: Callable[[int], None], lines: int, parts: int) -> Callable[[int], None]:
    """Return a function that counts parts of lines, and calls `progress` with a number of lines.

    Batches mix the parts of all lines: a line counts as done in proportion to the parts.
    """
    done = 0

    def add(count: int) -> None:
        nonlocal done
        before, done = done * lines // parts, done + count
        progress(done * lines // parts - before)

    return add
