"""Text in, text out: everything between a line of text and its translation.

A line is normalised as the training text was, split where it is too long, cut into pieces, searched
together with lines of about its length, put together again, and given back at its place. N lines
give N translations.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, overload

import torch

from mt.data.cleaning import SURROGATE, normalise
from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.engine import Engine
from mt.decoding.engines.pytorch import PyTorchEngine
from mt.decoding.line_chunks import CHUNK_LINES, split_into_chunks
from mt.decoding.options import SearchOptions
from mt.decoding.outputs import Output, TranslatedPart, Translation, select_rank
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis
from mt.decoding.splitting import join_parts, split_text
from mt.decoding.token_budget import TokenBudget
from mt.errors import UsageError
from mt.models.seq2seq import Seq2Seq

BATCH_TOKENS = 8192


class Translator:
    """One model, or several as an ensemble, with the tokenizer. `counts` sums up what needed special treatment.

    The same line gives the same translation, to float tolerance, whatever stands beside it (samples
    aside).
    """

    def __init__(
        self,
        models: Sequence[Seq2Seq],
        tokenizer: Tokenizer,
        *,
        max_pieces: int = 256,
        unicode: str = "NFC",
        precision: str = "auto",
        batch_tokens: int = BATCH_TOKENS,
        options: SearchOptions | None = None,
        warn: Callable[[str], None] | None = None,
        workers: int = 1,
        engine: Engine | None = None,
    ) -> None:
        """`max_pieces` and `unicode`: as in training (data.max_pieces, data.clean.unicode). Models as they are: call `eval()`.

        `batch_tokens` limits the source tokens of a batch, each hypothesis counted; `options` are
        the defaults of all calls; `warn` gets one-line warnings, by default on standard error.
        `workers`: processes that search side by side where there are several batches
        (`mt.decoding.engines.workers`; 0: one for each thread). `engine` takes the place of the
        models.
        """
        if batch_tokens < 1:
            raise UsageError(f"batch_tokens cannot be {batch_tokens}")
        self.engine: Engine = engine or PyTorchEngine(models, precision, workers)
        self.tokenizer = tokenizer
        self.max_pieces, self.unicode, self.precision = max_pieces, unicode, precision
        self.options = options or SearchOptions()
        self.budget = TokenBudget(
            batch_tokens, warn or (lambda message: print(f"warning: {message}", file=sys.stderr))
        )
        self.counts: Counter[str] = Counter()

    @property
    def models(self) -> list[Seq2Seq]:
        """The PyTorch models, which attention is asked of. UsageError from a backend that has none."""
        return self.engine.models

    @overload
    def translate(self, lines: str, **options: Any) -> str: ...
    @overload
    def translate(self, lines: Iterable[str], **options: Any) -> list[str]: ...
    def translate(self, lines: str | Iterable[str], **options: Any) -> str | list[str]:
        """Translate lines, or one line given as a string. `options`: fields of SearchOptions, or `seed`, for this call."""
        if isinstance(lines, str):
            return self.translate([lines], **options)[0]
        return [translation.text for translation in self.translate_stream(lines, **options)]

    def translate_nbest(
        self, lines: Iterable[str], nbest: int, **options: Any
    ) -> list[Translation]:
        """Return the `nbest` best translations of each line with their scores; fewer if there are no more."""
        return list(self.translate_stream(lines, nbest=nbest, **options))

    def translate_stream(
        self,
        lines: Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        **options: Any,
    ) -> Iterator[Translation]:
        """Translate any number of lines in bounded memory, as `translate_chunks` does; yield them one by one."""
        for translations in self.translate_chunks(lines, chunk_size, seed, progress, **options):
            yield from translations

    def translate_chunks(
        self,
        lines: Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        **options: Any,
    ) -> Iterator[list[Translation]]:
        """Translate any number of lines, reading `chunk_size` lines ahead (1: each is answered at once).

        `seed` makes sampling repeatable; `progress` is told how many sentences each batch finished.
        """
        chosen = replace(self.options, **options)
        self.engine.check(chosen)
        generator = torch.Generator(self.engine.device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        for chunk in split_into_chunks(lines, chunk_size):
            yield self._translate_chunk(chunk, chosen, generator, progress or (lambda _: None))

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[PairScore]:
        """Log-probability of each target text given its source text."""
        return self.engine.score(self.tokenizer, self.normalise_pairs(pairs), self.budget)

    def report(self) -> list[str]:
        """What was counted, one line each; nothing where nothing happened."""
        meaning = {
            "invalid": "with invalid UTF-8: replaced by U+FFFD",
            "nul": "with NUL characters: removed",
            "split": f"longer than {self.max_pieces} pieces: split, translated in parts, and joined",
            "cut off": "whose translation reached the maximum length: cut off there (--max-ratio, --max-extra)",
            "empty": "not blank, but translated as nothing",
        }
        return [
            f"lines {text}: {self.counts[name]:,}"
            for name, text in meaning.items()
            if self.counts[name]
        ]

    def _translate_chunk(
        self,
        lines: list[str],
        options: SearchOptions,
        generator: torch.Generator,
        progress: Callable[[int], None],
    ) -> list[Translation]:
        sources = self._normalise(lines)
        counts, rows = self._parts(sources)
        found = self.engine.search(rows, options, self.budget, generator, progress)
        parts = [
            TranslatedPart(pieces, hypotheses)
            for pieces, hypotheses in zip(rows, found, strict=True)
        ]
        translations = []
        end = 0
        for source, count in zip(sources, counts, strict=True):
            start, end = end, end + count
            outputs = self._outputs(found[start:end], options)
            self.counts["cut off"] += not outputs[0].complete
            self.counts["empty"] += bool(source) and not outputs[0].text
            translations.append(Translation(source, outputs, parts[start:end]))
        return translations

    def _normalise(self, lines: Sequence[str]) -> list[str]:
        # Surrogates are what Python makes of invalid bytes decoded with `surrogateescape`.
        self.counts["invalid"] += sum(SURROGATE.search(line) is not None for line in lines)
        self.counts["nul"] += sum("\0" in line for line in lines)
        return [normalise(line, self.unicode) for line in lines]

    def normalise_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        pairs = list(pairs)
        sources, targets = (self._normalise([pair[side] for pair in pairs]) for side in (0, 1))
        return list(zip(sources, targets, strict=True))

    def _parts(self, sources: list[str]) -> tuple[list[int], list[list[int]]]:
        """How many parts each source has (none where it is blank), and the pieces of all parts."""
        counts, rows = [], []
        for source, pieces in zip(sources, self.tokenizer.encode_many(sources, "src"), strict=True):
            parts = [pieces] if source else []
            if len(pieces) > self.max_pieces:
                texts = split_text(
                    source, lambda text: len(self.tokenizer.encode(text, "src")), self.max_pieces
                )
                parts = self.tokenizer.encode_many(texts, "src")
                self.counts["split"] += 1
            counts.append(len(parts))
            rows += parts
        return counts, rows

    def _outputs(self, parts: list[list[Hypothesis]], options: SearchOptions) -> list[Output]:
        """The hypotheses of a line's parts -> its translations: the best of each part, the second best of each, ..."""
        if not parts:
            return [Output("", 0.0, 0.0, 0, True)]
        outputs = []
        for rank in range(max(map(len, parts))):
            chosen = select_rank(parts, rank)
            texts = self.tokenizer.decode_many([hypothesis.tokens for hypothesis in chosen], "tgt")
            log_prob, tokens = sum(h.log_prob for h in chosen), sum(h.length for h in chosen)
            # Bytes may spell control characters and line separators: the same rule as for training
            # text takes them out.
            text = normalise(join_parts([normalise(text, "none") for text in texts]), "none")
            complete = all(hypothesis.complete for hypothesis in chosen)
            outputs.append(
                Output(text, log_prob / tokens**options.length_penalty, log_prob, tokens, complete)
            )
        return outputs
