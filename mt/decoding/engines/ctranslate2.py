"""CTranslate2 under the translator: a Transformer that mt-export wrote, searched in C++ by as many workers as there are threads.

Its beam search scores as ours does. Left to itself it stops earlier, once K hypotheses are
finished, whatever could still overtake them; it is asked for twice as many (PATIENCE). What may not
be produced is left out before its softmax and not after, which raises log-probabilities: by what a
trained model gives to special pieces, about 1e-5 a token, and with a shortest output (`min_length`)
by what EOS would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mt.data.batching import translation_batches
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.decoding.engines.engine import Sources, no_attention_error
from mt.decoding.options import SearchOptions
from mt.decoding.scoring import PairScore
from mt.decoding.search import FORBIDDEN_TOKENS, Hypothesis
from mt.decoding.token_budget import TokenBudget
from mt.errors import MTError, UsageError
from mt.models.seq2seq import Seq2Seq
from mt.optional import require

PATIENCE = 2.0  # finished hypotheses over the beam (Kasai et al. 2022): with 1, 96 % of 200 outputs were ours; with 2 all, 15 % slower
COMPUTE_TYPES = {
    "auto": "default",
    "fp32": "float32",
    "bf16": "bfloat16",
}  # default: as it was exported


class CTranslate2Engine:
    """An exported model in `folder`. `longest`: tokens that a source or an output may have; 0: any number."""

    device = torch.device("cpu")  # of what comes out of it

    def __init__(
        self,
        folder: Path,
        tokenizer: Tokenizer,
        longest: int,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        library = require("ctranslate2", "ctranslate2")
        self.longest = longest
        self.pieces = {
            side: tokenizer.pieces(range(tokenizer.vocab_size(side)), side)
            for side in ("src", "tgt")
        }
        self.ids = {piece: number for number, piece in enumerate(self.pieces["tgt"])}
        if device == "mps":
            raise UsageError("the backend ctranslate2 runs on cpu and cuda: set --device")
        try:
            self.translator = library.Translator(
                str(folder),
                device,
                compute_type=COMPUTE_TYPES[precision],
                inter_threads=torch.get_num_threads(),
                intra_threads=1,
            )
        except (RuntimeError, ValueError) as error:
            raise MTError(f"CTranslate2 cannot use {folder}: {error}") from error

    @property
    def models(self) -> list[Seq2Seq]:
        raise no_attention_error("ctranslate2")

    def check(self, options: SearchOptions) -> None:
        if options.sample:
            raise UsageError(
                "the backend ctranslate2 does not sample: its samples do not repeat with a seed; use --backend pytorch"
            )

    def search(
        self,
        rows: Sources,
        options: SearchOptions,
        budget: TokenBudget,
        generator: torch.Generator,
        progress: Callable[[int], None],
    ) -> list[list[Hypothesis]]:
        limits = [self._limit(len(row) + 1, options) for row in rows]
        batches = translation_batches(rows, max(1, budget.tokens // options.width))
        found: list[list[Hypothesis]] = [[] for _ in rows]
        # All batches wait for workers at once. A call has one longest output: that of the batch's
        # longest source.
        again: dict[int, list[int]] = {}
        for batch, results in [
            (batch, self._start(rows, batch, max(limits[row] for row in batch), options))
            for batch in batches
        ]:
            for row, result in zip(batch, results, strict=True):
                found[row] = self._hypotheses(result.result(), options)
                if any(hypothesis.length > limits[row] for hypothesis in found[row]):
                    again.setdefault(limits[row], []).append(row)
            progress(len(batch))
        # What went on beyond its own limit is searched once more with that: a translation must not
        # depend on its company.
        for batch, results in [
            (batch, self._start(rows, batch, limit, options)) for limit, batch in again.items()
        ]:
            for row, result in zip(batch, results, strict=True):
                found[row] = self._hypotheses(result.result(), options)
        return [hypotheses[: options.nbest] for hypotheses in found]

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        sides = [
            tokenizer.encode_many([pair[side] for pair in pairs], name)
            for side, name in enumerate(("src", "tgt"))
        ]
        if (
            0
            < self.longest
            < (most := max((len(row) + 1 for side in sides for row in side), default=0))
        ):
            raise MTError(
                f"a text of {most} tokens is longer than the {self.longest} that this model was exported for: use --backend pytorch"
            )
        sources, targets = (
            [self._spell(row, name) for row in side]
            for side, name in zip(sides, ("src", "tgt"), strict=True)
        )
        scores = self.translator.score_batch(
            sources, targets, max_batch_size=budget.tokens, batch_type="tokens", max_input_length=0
        )
        return [PairScore(sum(score.log_probs), len(score.log_probs)) for score in scores]

    def _limit(self, source_tokens: int, options: SearchOptions) -> int:
        """The longest output of a source, EOS included in both."""
        limit = max(
            int(source_tokens * options.max_ratio) + options.max_extra, options.min_length + 1
        )
        if 0 < self.longest < limit:
            raise UsageError(
                f"an output of up to {limit} tokens is asked for, and this model was exported for {self.longest}: "
                "lower --max-ratio, --max-extra or --min-length, or use --backend pytorch"
            )
        return limit

    def _start(
        self, rows: Sources, batch: Sequence[int], limit: int, options: SearchOptions
    ) -> Sequence[Any]:
        """Futures of the results of a batch."""
        return self.translator.translate_batch(
            [self._spell(rows[row], "src") for row in batch],
            asynchronous=True,
            beam_size=options.beam,
            patience=PATIENCE if options.beam > 1 else 1.0,
            num_hypotheses=options.beam,  # all that were finished, to see how far the search went
            length_penalty=options.length_penalty,
            max_decoding_length=limit,
            min_decoding_length=options.min_length,
            max_input_length=0,
            suppress_sequences=[[self.pieces["tgt"][piece]] for piece in FORBIDDEN_TOKENS],
            return_scores=True,
            return_end_token=True,
        )

    def _hypotheses(self, result: Any, options: SearchOptions) -> list[Hypothesis]:
        found = []
        for pieces, score in zip(result.hypotheses, result.scores, strict=True):
            tokens = [self.ids[piece] for piece in pieces]
            complete = tokens[-1:] == [EOS]
            found.append(
                Hypothesis(
                    tokens[:-1] if complete else tokens,
                    score,
                    score * len(tokens) ** options.length_penalty,
                    complete,
                )
            )
        return found

    def _spell(self, row: Sequence[int], side: str) -> list[str]:
        return [self.pieces[side][piece] for piece in row]
