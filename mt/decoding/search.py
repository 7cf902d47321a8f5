"""Beam search over any model, with greedy search as beam 1, and sampling in the same loop.

Shapes: B sentences that are still searched, K hypotheses per sentence (adjacent rows of the model's
batch), C candidates per sentence, V vocabulary, T tokens so far.

The score of a hypothesis is its log-probability divided by length**alpha, where the length includes
EOS: the convention of CTranslate2, so that outputs can be compared. Log-probabilities are those of
the model under teacher forcing.

A sentence is done once it has K finished hypotheses and no unfinished one has a better score, at
its current length, than the worst of them. For alpha = 0 nothing better can follow, because
log-probabilities only fall. For alpha > 0 a longer hypothesis could still overtake, but waiting for
it is not worth the time. The search waits for K finished hypotheses even if fewer are requested:
stopping earlier lowers BLEU and saves little time. Hypotheses that reach the maximum length are
finished there.

Constraints on the next token are in `mt.decoding.logits_processors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.data.vocabulary import BOS, EOS, PAD
from mt.decoding.candidates import expand_hypotheses, sample_tokens
from mt.decoding.logits_processors import build_processor
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes
from mt.errors import MTError


@dataclass
class Hypothesis:
    """One output of the search."""

    tokens: list[int]  # without BOS and EOS
    score: float  # log_prob / length**alpha
    log_prob: float  # natural logarithm
    complete: bool  # False if the maximum length cut it off before EOS
    # Log-probability of each token, EOS included; empty if the engine does not tell it.
    log_probs: list[float] = field(default_factory=list)

    @property
    def length(self) -> int:
        """The number of tokens that the score counts, EOS included."""
        return len(self.tokens) + self.complete


class Searchable(Protocol):
    """The interface that the search needs of a model: see `mt.models.seq2seq.Seq2Seq`."""

    def encode(self, source: Tensor, mask: Tensor) -> Any: ...

    def init_state(self, memory: Any, beam: int = 1) -> Any: ...

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any, Any]: ...


@dataclass
class FinishedHypotheses:
    """The K best finished hypotheses of each sentence, best first. Empty slots score -inf."""

    score: Tensor  # [B, K]
    length: Tensor  # [B, K]
    complete: Tensor  # [B, K] bool
    tokens: Tensor  # [B, K, T]
    totals: Tensor  # [B, K, T], log-probability of the tokens up to each

    @classmethod
    def empty(cls, sentences: int, width: int, device: torch.device) -> FinishedHypotheses:
        shape = (sentences, width)
        infinity = torch.full(shape, -torch.inf, device=device)
        zero = torch.zeros(shape, dtype=torch.long, device=device)
        no_tokens, no_totals = (each[..., None][..., :0] for each in (zero, infinity))
        return cls(infinity, zero, zero.bool(), no_tokens, no_totals)

    def merge(self, new: FinishedHypotheses) -> FinishedHypotheses:
        """Return the K best of both. The tokens of `new` may be longer."""
        longer = (0, new.tokens.shape[2] - self.tokens.shape[2])
        old_tokens, old_totals = F.pad(self.tokens, longer, value=PAD), F.pad(self.totals, longer)
        score, index = torch.cat([self.score, new.score], 1).topk(self.score.shape[1], 1)
        return FinishedHypotheses(
            score,
            torch.cat([self.length, new.length], 1).gather(1, index),
            torch.cat([self.complete, new.complete], 1).gather(1, index),
            gather_tokens(torch.cat([old_tokens, new.tokens], 1), index),
            gather_tokens(torch.cat([old_totals, new.totals], 1), index),
        )

    def select(self, sentences: Tensor) -> FinishedHypotheses:
        return FinishedHypotheses(
            *(getattr(self, field.name).index_select(0, sentences) for field in fields(self))
        )

    def hypotheses(self, count: int) -> list[list[Hypothesis]]:
        """Copy the `count` best of each sentence to the host."""
        columns = (getattr(self, field.name)[:, :count].tolist() for field in fields(self))
        return [
            [
                Hypothesis(
                    tokens[: length - complete],
                    score,
                    totals[length - 1],
                    complete,
                    [b - a for a, b in pairwise([0.0, *totals[:length]])],
                )
                for score, length, complete, tokens, totals in zip(*sentence, strict=True)
                if score > -torch.inf
            ]
            for sentence in zip(*columns, strict=True)
        ]


@torch.no_grad()
def search(
    model: Searchable,
    source: Tensor,
    mask: Tensor,
    options: SearchOptions,
    generator: torch.Generator | None = None,
    prefixes: Prefixes | None = None,
    before_step: Callable[[], None] = lambda: None,
) -> list[list[Hypothesis]]:
    """Translate source ids [B, S] with mask [B, S]; return the hypotheses of each, best first.

    Their number is `options.candidates`. `generator`, on the device of the source, makes sampling
    reproducible. `prefixes` are the beginnings of all hypotheses. `before_step` may end the search
    by an exception. Everything stays on the device: in each step the host reads one small tensor
    that says which sentences are done. Raises MTError if the model's output is NaN, or if the
    constraints exclude every output.
    """
    device, width = source.device, options.width
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    active = list(range(len(source)))  # sentences that are still searched, as rows of `source`
    max_length = length_limits(mask, options, prefixes)
    processor = build_processor(options, prefixes, device)
    state = model.init_state(model.encode(source, mask), width)
    tokens = torch.empty(len(source), width, 0, dtype=torch.long, device=device)
    totals = torch.empty(len(source), width, 0, device=device)  # log-probability up to each token
    last = torch.full((len(source) * width,), BOS, device=device)
    scores = torch.zeros(len(source), width, device=device)  # log-probability, unfinished only
    if not options.sample:
        scores[:, 1:] = -torch.inf  # all start equal, so only the first may be expanded
    finished = FinishedHypotheses.empty(len(source), width, device)

    while active:
        before_step()
        logits, state, _ = model.step(last, state)
        length = tokens.shape[2] + 1
        logits = processor.before_softmax(logits.unflatten(0, (len(active), width)), tokens)
        log_probs = logits.log_softmax(-1)
        has_nan = log_probs[..., EOS].isnan().any()  # one NaN or +inf logit makes the row NaN
        log_probs = processor.after_softmax(log_probs, tokens)
        if options.sample:
            candidates, parent, token = sample_tokens(log_probs, scores, options, generator)
        else:
            candidates, parent, token = expand_hypotheses(log_probs, scores)
        tokens = torch.cat([gather_tokens(tokens, parent), token[..., None]], 2)  # [B, C, T]
        totals = torch.cat([gather_tokens(totals, parent), candidates[..., None]], 2)

        # Only the K best candidates may finish: by EOS, or because they reach the maximum length.
        complete = token[:, :width] == EOS
        ends = complete | (max_length <= length)[:, None]
        log_prob = candidates[:, :width].masked_fill(~ends, -torch.inf)
        score = log_prob / length**options.length_penalty
        lengths = torch.full_like(token[:, :width], length)
        finished = finished.merge(
            FinishedHypotheses(score, lengths, complete, tokens[:, :width], totals[:, :width])
        )

        # The K best candidates that do not end with EOS are continued.
        scores, index = candidates.masked_fill(token == EOS, -torch.inf).topk(width, 1)
        parent, token = parent.gather(1, index), token.gather(1, index)
        tokens, totals = gather_tokens(tokens, index), gather_tokens(totals, index)
        # Empty slots score -inf, so a sentence without unfinished hypotheses is done too.
        best_unfinished = scores[:, 0] / length**options.length_penalty
        done = (finished.score[:, -1] >= best_unfinished) | (max_length <= length)
        # A sentence that is done must not change until it is dropped.
        scores = scores.masked_fill(done[:, None], -torch.inf)

        # The only transfer to the host in this step.
        *is_done, is_nan = torch.cat([done, has_nan[None]]).tolist()
        if is_nan:
            raise MTError(
                "the model's output is NaN: its weights are damaged, or training diverged; "
                "use another checkpoint"
            )
        rows = (torch.arange(len(active), device=device)[:, None] * width + parent).flatten()
        if should_drop(sum(is_done), len(active)):
            dropped, kept = partition_indices(is_done)
            outputs = finished.select(torch.tensor(dropped, device=device))
            for row, hypotheses in zip(
                dropped, outputs.hypotheses(options.candidates), strict=True
            ):
                results[active[row]] = hypotheses
            active = [active[row] for row in kept]
            keep = torch.tensor(kept, dtype=torch.long, device=device)
            state = state.select_sentences(keep, rows.view(-1, width)[keep].flatten())
            finished = finished.select(keep)
            scores, token, tokens, totals = (each[keep] for each in (scores, token, tokens, totals))
            max_length, processor = max_length[keep], processor.select(keep)
        elif width > 1:
            state = state.select(rows)
        last = token.flatten()
    if not all(results):
        raise MTError(
            f"no_repeat_ngram {options.no_repeat_ngram} leaves no token before an output has "
            f"min_length {options.min_length}: lower min_length"
        )
    return results


def length_limits(mask: Tensor, options: SearchOptions, prefixes: Prefixes | None) -> Tensor:
    """Return the maximum output length [B], EOS included, of sources with mask [B, S].

    A prefix may be longer than that; `max_extra` tokens may follow it.
    """
    limits = (mask.sum(1) * options.max_ratio).long() + options.max_extra
    given = len(prefixes.start) if prefixes else 0
    limits = limits.clamp(min=given + options.min_length + 1)
    if prefixes is None:
        return limits
    lengths = torch.tensor(prefixes.lengths(), device=mask.device)
    return limits.maximum(lengths + options.max_extra)


def partition_indices(flags: list[bool]) -> tuple[list[int], list[int]]:
    """Return the indices of the true flags and those of the false ones."""
    true = [i for i, flag in enumerate(flags) if flag]
    false = [i for i, flag in enumerate(flags) if not flag]
    return true, false


def should_drop(done: int, sentences: int) -> bool:
    """Return True if dropping the sentences that are done saves time.

    Dropping copies the memory of the other sentences once. It pays off if more than an eighth of
    the sentences are done.
    """
    return done == sentences or done * 8 > sentences


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Select hypotheses: tokens [B, N, T], index [B, M] -> [B, M, T]."""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[2]))
