"""Text in, text out: everything between a line of text and its translation.

A line is normalised as the training text was, split where it is too long, cut into pieces, searched together with lines
of about its length, put together again, and given back at its place. N lines give N translations.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, overload

import torch

from mt.data.cleaning import SURROGATE, normalise
from mt.data.tokenizer import Tokenizer
from mt.decoding.attention import (
    PairAttention,
    PairLinks,
    Text,
    attention_shapes,
    attention_weights,
    in_groups,
    join_links,
    link_pairs,
    require_attention,
    require_kinds,
)
from mt.decoding.batches import Budget
from mt.decoding.engine import Engine, PyTorchEngine
from mt.decoding.outputs import Output, Translation, at_rank
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis, SearchOptions
from mt.decoding.splitting import join_parts, split_text
from mt.decoding.windows import WINDOW_LINES, windows
from mt.errors import MTError, UsageError
from mt.evaluation.alignment import Links
from mt.exporting.folder import backend_of
from mt.models.packed import can_pack, pack
from mt.models.seq2seq import Seq2Seq
from mt.training.checkpoint import Run, load_run
from mt.training.device import pick_device, resolve_precision

BATCH_TOKENS = 8192


class Translator:
    """One model, or several as an ensemble, with the tokenizer. `counts` sums up what needed special treatment.

    The same line gives the same translation, to float tolerance, whatever stands beside it (samples aside).
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

        `batch_tokens` limits the source tokens of a batch, each hypothesis counted; `options` are the defaults of all
        calls; `warn` gets one-line warnings, by default on standard error. `workers`: processes that search side by side
        where there are several batches (`mt.decoding.workers`; 0: one for each thread). `engine` takes the place of the models.
        """
        if batch_tokens < 1:
            raise UsageError(f"batch_tokens cannot be {batch_tokens}")
        self.engine: Engine = engine or PyTorchEngine(models, precision, workers)
        self.tokenizer = tokenizer
        self.max_pieces, self.unicode, self.precision = max_pieces, unicode, precision
        self.options = options or SearchOptions()
        self.budget = Budget(batch_tokens, warn or (lambda message: print(f"warning: {message}", file=sys.stderr)))
        self.counts: Counter[str] = Counter()

    @classmethod
    def from_runs(cls, runs: Sequence[Run], **settings: Any) -> Translator:
        """A Translator of one run, or an ensemble of several with the same vocabulary; `settings` as above."""
        if not runs:
            raise UsageError("no run directory given")
        first = runs[0]
        for other in runs[1:]:
            if other.tokenizer.serialized() != first.tokenizer.serialized():
                raise MTError(f"{first.path} and {other.path} have different vocabularies: an ensemble needs runs with the same tokenizer")
            if other.config.data.clean.unicode != first.config.data.clean.unicode:
                raise MTError(f"{first.path} and {other.path} differ in data.clean.unicode: they need different input")
        max_pieces = min(run.config.data.max_pieces for run in runs)
        return cls([run.model for run in runs], first.tokenizer, max_pieces=max_pieces, unicode=first.config.data.clean.unicode, **settings)

    @property
    def models(self) -> list[Seq2Seq]:
        """The PyTorch models, which attention is asked of. UsageError from a backend that has none."""
        return self.engine.models

    @overload
    def translate(self, lines: str, *, return_attention: Literal[True], **options: Any) -> Translation: ...
    @overload
    def translate(self, lines: Iterable[str], *, return_attention: Literal[True], **options: Any) -> list[Translation]: ...
    @overload
    def translate(self, lines: str, **options: Any) -> str: ...
    @overload
    def translate(self, lines: Iterable[str], **options: Any) -> list[str]: ...
    def translate(self, lines: str | Iterable[str], return_attention: bool = False, **options: Any) -> Any:
        """Translate lines, or one line given as a string. `options`: fields of SearchOptions, or `seed`, for this call.

        With `return_attention` the translations are `Translation` objects, whose `text` is the same as otherwise and whose
        `attention` has all weights that the model has (of an ensemble: its first member). UsageError where it has none.
        """
        if isinstance(lines, str):
            return self.translate([lines], return_attention=return_attention, **options)[0]
        if return_attention:
            return list(self.translate_stream(lines, attention=tuple(self.attention_shapes()), **options))
        return [translation.text for translation in self.translate_stream(lines, **options)]

    def translate_nbest(self, lines: Iterable[str], nbest: int, **options: Any) -> list[Translation]:
        """The `nbest` best translations of each line with their scores; fewer where there are no more."""
        return list(self.translate_stream(lines, nbest=nbest, **options))

    def translate_stream(
        self,
        lines: Iterable[str],
        window: int = WINDOW_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        alignments: bool = False,
        attention: Sequence[str] | None = None,
        **options: Any,
    ) -> Iterator[Translation]:
        """Translate any number of lines in bounded memory, reading `window` lines ahead (1: each is answered at once).

        `seed` makes sampling repeatable; `progress` is told how many sentences each batch finished. `alignments`: outputs
        carry links, which cost a pass of the model over each pair. `attention`: translations carry weights of these kinds.
        """
        if alignments:
            require_attention(self.models)  # before the search, which takes its time
        if attention is not None:
            require_kinds(self.models[:1], attention)
        chosen = replace(self.options, **options)
        self.engine.check(chosen)
        generator = torch.Generator(self.engine.device)
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        for chunk in windows(lines, window):
            yield from self._translate_window(chunk, chosen, generator, progress or (lambda _: None), alignments, attention)

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[PairScore]:
        """Log-probability of each target text given its source text."""
        return self.engine.score(self.tokenizer, self._normalise_pairs(pairs), self.budget)

    @property
    def attends(self) -> bool:
        """Whether there is attention to the source to look at."""
        return all(model.decoder.attends for model in self.models)

    def attention_shapes(self) -> dict[str, tuple[int, int]]:
        """The kinds of attention that the model (of an ensemble: its first member) has, with their (layers, heads)."""
        return attention_shapes(self.models[0])

    def attention(self, pairs: Iterable[tuple[str, str]], kinds: Sequence[str] = ("cross",)) -> list[PairAttention]:
        """The attention of the model (of an ensemble: of its first member) in each pair of a source and its translation."""
        return list(self.attention_stream(pairs, kinds))

    def attention_stream(self, pairs: Iterable[tuple[str, str]], kinds: Sequence[str] = ("cross",)) -> Iterator[PairAttention]:
        """`attention` for those who look at one pair at a time: the weights of a few are in memory."""
        cleaned = self._normalise_pairs(pairs)
        sides = [self.tokenizer.encode_many([pair[side] for pair in cleaned], name) for side, name in enumerate(("src", "tgt"))]
        return self._attend(list(zip(*sides, strict=True)), kinds)

    def align(self, pairs: Iterable[tuple[str, str]]) -> list[Links]:
        """Links between the words of each source text and those of its translation, from attention. Nothing is split or cut.

        Indices count the words of the normalised texts, as `mt.data.words` does. A blank text has no links.
        """
        cleaned = self._normalise_pairs(pairs)
        found = self._link(cleaned)
        return [self._line_links([[links]], source, [target])[0] for links, (source, target) in zip(found, cleaned, strict=True)]

    def report(self) -> list[str]:
        """What was counted, one line each; nothing where nothing happened."""
        meaning = {
            "invalid": "with invalid UTF-8: replaced by U+FFFD",
            "nul": "with NUL characters: removed",
            "split": f"longer than {self.max_pieces} pieces: split, translated in parts, and joined",
            "cut off": "whose translation reached the maximum length: cut off there (--max-ratio, --max-extra)",
            "empty": "not blank, but translated as nothing",
            "unaligned": "without links, because their words are not those of their pieces (as where a word was split)",
        }
        return [f"lines {text}: {self.counts[name]:,}" for name, text in meaning.items() if self.counts[name]]

    def _translate_window(
        self,
        lines: list[str],
        options: SearchOptions,
        generator: torch.Generator,
        progress: Callable[[int], None],
        alignments: bool,
        attention: Sequence[str] | None,
    ) -> Iterator[Translation]:
        sources = self._normalise(lines)
        parts, rows = self._parts(sources)
        found = self.engine.search(rows, options, self.budget, generator, progress)
        linked = self._link_found(rows, found) if alignments else []
        best = [(row, hypotheses[0].tokens) for row, hypotheses in zip(rows, found, strict=True)]
        attended = self._attend(best, attention or ())  # as it is asked for
        end = 0
        for source, count in zip(sources, parts, strict=True):
            start, end = end, end + count
            outputs = self._outputs(found[start:end], options)
            if alignments:
                links = self._line_links(linked[start:end], source, [output.text for output in outputs])
                outputs = [replace(output, links=each) for output, each in zip(outputs, links, strict=True)]
            self.counts["cut off"] += not outputs[0].complete
            self.counts["empty"] += bool(source) and not outputs[0].text
            yield Translation(source, outputs, None if attention is None else list(islice(attended, count)))

    def _normalise(self, lines: Sequence[str]) -> list[str]:
        # Surrogates are what Python makes of invalid bytes decoded with `surrogateescape`.
        self.counts["invalid"] += sum(SURROGATE.search(line) is not None for line in lines)
        self.counts["nul"] += sum("\0" in line for line in lines)
        return [normalise(line, self.unicode) for line in lines]

    def _normalise_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        pairs = list(pairs)
        sources, targets = (self._normalise([pair[side] for pair in pairs]) for side in (0, 1))
        return list(zip(sources, targets, strict=True))

    def _parts(self, sources: list[str]) -> tuple[list[int], list[list[int]]]:
        """How many parts each source has (none where it is blank), and the pieces of all parts."""
        counts, rows = [], []
        for source, pieces in zip(sources, self.tokenizer.encode_many(sources, "src"), strict=True):
            parts = [pieces] if source else []
            if len(pieces) > self.max_pieces:
                texts = split_text(source, lambda text: len(self.tokenizer.encode(text, "src")), self.max_pieces)
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
            chosen = at_rank(parts, rank)
            texts = self.tokenizer.decode_many([hypothesis.tokens for hypothesis in chosen], "tgt")
            log_prob, tokens = sum(h.log_prob for h in chosen), sum(h.length for h in chosen)
            # Bytes may spell control characters and line separators: the same rule as for training text takes them out.
            text = normalise(join_parts([normalise(text, "none") for text in texts]), "none")
            complete = all(hypothesis.complete for hypothesis in chosen)
            outputs.append(Output(text, log_prob / tokens**options.length_penalty, log_prob, tokens, complete))
        return outputs

    def _attend(self, pairs: Sequence[tuple[Text, Text]], kinds: Sequence[str]) -> Iterator[PairAttention]:
        for group in in_groups(pairs, self.models[0], kinds):
            yield from attention_weights(self.models[0], self.tokenizer, group, self.budget, self.precision, kinds)

    def _link(self, pairs: Sequence[tuple[Text, Text]]) -> list[PairLinks]:
        return link_pairs(self.models, self.tokenizer, pairs, self.budget, self.precision)

    def _link_found(self, rows: list[list[int]], found: list[list[Hypothesis]]) -> list[list[PairLinks]]:
        """Links of each hypothesis of each row."""
        links = iter(self._link([(row, each.tokens) for row, hypotheses in zip(rows, found, strict=True) for each in hypotheses]))
        return [[next(links) for _ in hypotheses] for hypotheses in found]

    def _line_links(self, parts: list[list[PairLinks]], source: str, texts: list[str]) -> list[Links]:
        """Links of each translation of a line, of whose parts `parts` has those of each hypothesis."""
        found = [join_links(at_rank(parts, rank), source, text) for rank, text in enumerate(texts)]
        self.counts["unaligned"] += None in found
        return [links or Links() for links in found]


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    workers: int = 1,
    **settings: Any,
) -> Translator:
    """A Translator from a run directory, or from several with the same vocabulary as an ensemble; or from what mt-export made of one.

    `device`: auto, cpu, cuda, mps; `precision`: auto, fp32, bf16; `backend`: auto, pytorch, ctranslate2, onnx; `workers`: processes in
    which pytorch searches side by side on a CPU, forked from this one (0: one for each thread); `settings`: batch_tokens, options,
    warn of Translator. Raises MTError where a run directory is missing or damaged.
    """
    folders = [Path(path).expanduser() for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if (backend := backend_of(folders, backend)) != "pytorch":
        from mt.exporting.load import load_export  # which imports this module

        return load_export(folders, backend, device, precision, **settings)
    place = pick_device(device)
    runs = [load_run(folder, place) for folder in folders]
    if can_pack(place):
        for run in runs:
            pack(run.model, torch.bfloat16 if resolve_precision(place, precision) == "bf16" else torch.float32)
    return Translator.from_runs(runs, precision=precision, workers=workers, **settings)
