"""Translation from text to text.

The parts of lines (`mt.decoding.line_coder`) are searched in batches of similar length. N lines
give N translations, in the same order.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Unpack, overload

import torch

from mt.cli import say
from mt.data.normalisation import Normaliser
from mt.data.tokenizer import Tokenizer
from mt.decoding.arguments import (
    SearchArguments,
    add_prefixes,
    check_integer,
    check_lines,
    merge_options,
)
from mt.decoding.candidates import build_generator
from mt.decoding.engines.engine import Engine
from mt.decoding.engines.pytorch import PyTorchEngine
from mt.decoding.line_chunks import CHUNK_LINES, count_parts, split_into_chunks
from mt.decoding.line_coder import LineCoder
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.decoding.outputs import Translation
from mt.decoding.prefixes import Prefixes, add_start
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis
from mt.decoding.text_settings import TextRules, TextSettings
from mt.decoding.token_budget import TokenBudget
from mt.errors import UsageError
from mt.models.seq2seq import Seq2Seq


class Translator(LineCoder):
    """One model, or an ensemble of several, with the tokenizer.

    Up to floating-point tolerance, a translation does not depend on the other lines of the input
    (except when sampling).
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        tokenizer: Tokenizer,
        *,
        max_pieces: int = 256,
        normaliser: Normaliser | None = None,
        text_rules: TextRules | None = None,
        tag: str | None = "",
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
            text_rules: what the settings for text with a tag, or without, follow from.
            tag: tag in front of every source, "" for none; None: the default, as in `mt.load`.
            precision: auto, fp32 or bf16.
            batch_tokens: maximum number of source tokens in a batch, each hypothesis counted.
            options: defaults of the search options.
            warn: function that receives warnings of one line (default: print to standard error).
            workers: processes that search in parallel if there are several batches; 0: one per
                thread (see `mt.decoding.engines.workers`).
            engine: engine to use in place of the models.
        """
        check_integer("batch_tokens", batch_tokens, 1)
        text = text_rules.settings(tag) if text_rules else TextSettings()
        super().__init__(tokenizer, max_pieces, normaliser, text)
        self.engine: Engine = engine or PyTorchEngine(models, precision, workers)
        self.precision, self.text_rules = precision, text_rules
        self.options = options or SearchOptions()
        self.budget = TokenBudget(batch_tokens, warn or (lambda text: say(f"warning: {text}")))

    def with_tag(self, tag: str | None) -> Translator:
        """Return a translator of text with another tag, which shares the model and the counts.

        "" is text without a tag; None stands for the default, as in `mt.load`. Raises UsageError if
        the model does not know the tag.
        """
        if tag == self.tag:
            return self
        if self.text_rules is None:
            raise UsageError(f"this translator has no other tag than its own, got {tag!r}")
        other = copy.copy(self)
        other.set_text(self.text_rules.settings(tag))
        return other

    def with_languages(self, source: str, target: str) -> Translator:
        """Return a translator between other languages, which shares the model and the counts.

        Raises UsageError if the model is not multilingual, or does not have a language.
        """
        if self.text_rules is None:
            raise UsageError("this translator has no other languages than its own")
        other = copy.copy(self)
        other.text_rules = self.text_rules.in_languages(source, target)
        other.tokenizer = other.text_rules.tokenizer
        other.set_text(other.text_rules.settings(self.tag))
        return other

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
        checked = check_lines(lines)
        starts = None if prefixes is None else check_lines(prefixes, "prefixes", "prefix")
        generator = build_generator(seed, self.engine.device)
        self.engine.check(search_options)
        for chunk, beginnings in add_prefixes(split_into_chunks(checked, chunk_size), starts):
            yield self._translate_chunk(
                chunk, beginnings, search_options, generator, progress or (lambda _: None)
            )

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[PairScore]:
        """Return the log-probability of each target text given its source text."""
        return self.engine.score(self.tokenizer, self.normalise_pairs(pairs), self.budget)

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
        beginnings = None
        if prefixes:
            beginnings = self.prefix_encoder.encode_lines(prefixes, encoded)
            self.counts.add_prefixes(prefixes, encoded)
        count = count_parts(progress, len(lines), len(rows))
        found = self.search(rows, options, generator, count, beginnings)
        return self.decode_lines(encoded, found, options)

    def search(
        self,
        rows: Sequence[Sequence[int]],
        options: SearchOptions,
        generator: torch.Generator,
        progress: Callable[[int], None],
        prefixes: Prefixes | None = None,
    ) -> list[list[Hypothesis]]:
        """Return the hypotheses of encoded sources, as `Engine.search` does.

        Those of a multilingual vocabulary begin with the target language.
        """
        prefixes = add_start(prefixes, self.tokenizer.starts["tgt"], len(rows))
        return self.engine.search(rows, options, self.budget, generator, progress, prefixes)
