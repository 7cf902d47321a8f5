"""The CTranslate2 engine: an exported Transformer, searched in C++ by one worker per thread.

Its beam search computes the same scores as `mt.decoding.search`, with two differences. By default
it stops as soon as K hypotheses are finished, even if others could still overtake them; it is asked
for twice as many (PATIENCE). And it excludes forbidden tokens before the softmax instead of after
it, which raises log-probabilities by the mass that the model gives to them: for special tokens
about 1e-5 per token with a trained model, below the minimum length the probability of EOS, and with
`no_repeat_ngram` that of all tokens which would repeat an n-gram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from mt.data.batching import translation_batches
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.decoding.engines.engine import Sources, Unsupported, no_attention_error
from mt.decoding.export_folder import EXPORT_AGAIN
from mt.decoding.logits_processors import FORBIDDEN_TOKENS
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis
from mt.decoding.token_budget import TokenBudget
from mt.errors import MTError, UsageError
from mt.models.seq2seq import Seq2Seq
from mt.optional import require

# Finished hypotheses to wait for, as a multiple of the beam size (Kasai et al. 2022). Of 200
# outputs, 96 % were equal to ours with 1, and all of them with 2, which is 15 % slower.
PATIENCE = 2.0
MIN_WORKER_TOKENS = 128  # source tokens, below which a batch is not divided among the workers
COMPUTE_TYPES = {"auto": "default", "fp32": "float32", "bf16": "bfloat16"}  # default: as exported


class CTranslate2Engine:
    """An exported model in `folder`.

    `longest` is the maximum length in tokens of a source or an output; 0: unlimited.
    """

    device = torch.device("cpu")  # of the outputs

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
            raise UsageError("--device must be cpu or cuda for the backend ctranslate2, got mps")
        try:
            self.translator = library.Translator(
                str(folder),
                device,
                compute_type=COMPUTE_TYPES[precision],
                inter_threads=torch.get_num_threads(),
                intra_threads=1,
            )
        except (RuntimeError, ValueError, MemoryError) as error:
            reason = " ".join(str(error).split())
            raise MTError(f"CTranslate2 cannot load {folder} ({reason}): {EXPORT_AGAIN}") from error
        self.concurrent = self.translator.num_translators

    @property
    def models(self) -> list[Seq2Seq]:
        raise no_attention_error("ctranslate2")

    def check(self, options: SearchOptions) -> None:
        if options.sample:
            raise Unsupported(
                "the backend ctranslate2 does not support sampling, because its samples cannot be "
                "reproduced with a seed"
            )

    def search(
        self,
        sources: Sources,
        options: SearchOptions,
        budget: TokenBudget,
        generator: torch.Generator,
        progress: Callable[[int], None],
        prefixes: Prefixes | None = None,
    ) -> list[list[Hypothesis]]:
        if prefixes and prefixes.has_text:
            raise Unsupported(
                "the backend ctranslate2 does not support prefixes, because it cannot continue a "
                "word in other pieces",
                "use --backend pytorch or onnx",
            )
        start = self._to_pieces(prefixes.start, "tgt") if prefixes else []
        limits = [self._max_length(len(source) + 1, options, len(start)) for source in sources]
        hypotheses: list[list[Hypothesis]] = [[] for _ in sources]
        # CTranslate2 takes one maximum length per batch: here that of the longest source.
        batches = translation_batches(sources, self._batch_tokens(sources, options, budget))
        batch_limits = [(batch, max(limits[i] for i in batch)) for batch in batches]
        too_long: dict[int, list[int]] = {}
        for batch, results in self._run(sources, batch_limits, options, start):
            for i, result in zip(batch, results, strict=True):
                hypotheses[i] = result
                if any(hypothesis.length > limits[i] for hypothesis in result):
                    too_long.setdefault(limits[i], []).append(i)
            progress(len(batch))
        # Sentences with outputs beyond their own maximum length are searched again with that: a
        # translation must not depend on the other sentences of its batch.
        repeated = [(batch, limit) for limit, batch in too_long.items()]
        for batch, results in self._run(sources, repeated, options, start):
            for i, result in zip(batch, results, strict=True):
                hypotheses[i] = result
        return [result[: options.candidates] for result in hypotheses]

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        encoded = tokenizer.encode_pairs(pairs)
        sources, targets = [pair.source for pair in encoded], [pair.target for pair in encoded]
        longest = max((len(tokens) + 1 for tokens in [*sources, *targets]), default=0)
        if 0 < self.longest < longest:
            raise Unsupported(
                f"a text has {longest} tokens, but the model was exported for up to {self.longest}"
            )
        scores = self.translator.score_batch(
            [self._to_pieces(tokens, "src") for tokens in sources],
            [self._to_pieces(tokens, "tgt") for tokens in targets],
            max_batch_size=budget.tokens,
            batch_type="tokens",
            max_input_length=0,
        )
        return [PairScore(sum(score.log_probs), len(score.log_probs)) for score in scores]

    def score_pieces(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[list[float]]:
        """Return the log-probabilities of the tokens of each target, EOS included.

        A pair is the tokens of a source and of an output of `search`, which does not give them.
        """
        sources, targets = ([self._to_pieces(pair[i], side) for pair in pairs]
                            for i, side in enumerate(("src", "tgt")))  # fmt: skip
        scores = self.translator.score_batch(sources, targets, max_input_length=0)
        return [score.log_probs for score in scores]

    def _batch_tokens(self, sources: Sources, options: SearchOptions, budget: TokenBudget) -> int:
        """Return the maximum number of source tokens of a batch, such that each worker has one."""
        share = -(-sum(len(source) + 1 for source in sources) // self.translator.num_translators)
        return max(1, min(budget.tokens // options.width, max(share, MIN_WORKER_TOKENS)))

    def _max_length(self, source_tokens: int, options: SearchOptions, start: int) -> int:
        """Return the maximum output length for a source, EOS included in both.

        At least `max_extra` tokens may follow the `start` tokens that all outputs begin with.
        """
        limit = int(source_tokens * options.max_ratio) + options.max_extra
        limit = max(limit, start + options.min_length + 1, start + options.max_extra)
        if 0 < self.longest < limit:
            raise Unsupported(
                f"the maximum output length is {limit} tokens, but the model was exported for up "
                f"to {self.longest}",
                "lower --max-ratio, --max-extra or --min-length, or use --backend pytorch",
            )
        return limit

    def _run(
        self,
        sources: Sources,
        batches: Sequence[tuple[list[int], int]],
        options: SearchOptions,
        start: list[str],
    ) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
        """Search batches, given as (indices, maximum length); yield their indices and hypotheses.

        All batches are submitted before the first result is awaited.
        """
        submitted = [
            (batch, self._submit([sources[i] for i in batch], limit, options, start))
            for batch, limit in batches
        ]
        for batch, futures in submitted:
            yield batch, [self._read_hypotheses(future.result(), options) for future in futures]

    def _submit(
        self, sources: Sources, limit: int, options: SearchOptions, start: list[str]
    ) -> Sequence[Any]:
        """Start the search of a batch and return its futures, one per sentence."""
        return self.translator.translate_batch(
            [self._to_pieces(source, "src") for source in sources],
            target_prefix=[start] * len(sources) if start else None,
            asynchronous=True,
            beam_size=options.width,
            patience=PATIENCE if options.width > 1 else 1.0,
            num_hypotheses=options.width,  # all, to see whether any exceeds its maximum length
            length_penalty=options.length_penalty,
            max_decoding_length=limit,
            min_decoding_length=options.min_length,
            repetition_penalty=options.repetition_penalty,
            no_repeat_ngram_size=options.no_repeat_ngram,
            max_input_length=0,
            suppress_sequences=[[self.pieces["tgt"][token]] for token in FORBIDDEN_TOKENS],
            return_scores=True,
            return_end_token=True,
        )

    def _read_hypotheses(self, result: Any, options: SearchOptions) -> list[Hypothesis]:
        hypotheses = []
        for pieces, score in zip(result.hypotheses, result.scores, strict=True):
            tokens = [self.ids[piece] for piece in pieces]
            complete = tokens[-1:] == [EOS]
            log_prob = score * len(tokens) ** options.length_penalty
            hypotheses.append(
                Hypothesis(tokens[:-1] if complete else tokens, score, log_prob, complete)
            )
        return hypotheses

    def _to_pieces(self, tokens: Sequence[int], side: str) -> list[str]:
        return [self.pieces[side][token] for token in tokens]
