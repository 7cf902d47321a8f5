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
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.decoding.candidates import expand_hypotheses, sample_tokens
from mt.decoding.options import SearchOptions
from mt.errors import MTError

# Tokens that are never produced. UNK is not needed: the tokenizer falls back to bytes.
FORBIDDEN_TOKENS = (PAD, UNK, BOS)


@dataclass
class Hypothesis:
    """One output of the search."""

    tokens: list[int]  # without BOS and EOS
    score: float  # log_prob / length**alpha
    log_prob: float  # natural logarithm
    complete: bool  # False if the maximum length cut it off before EOS

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
    log_prob: Tensor  # [B, K]
    length: Tensor  # [B, K]
    complete: Tensor  # [B, K] bool
    tokens: Tensor  # [B, K, T]

    @classmethod
    def empty(cls, sentences: int, width: int, device: torch.device) -> FinishedHypotheses:
        shape = (sentences, width)
        infinity = torch.full(shape, -torch.inf, device=device)
        zero = torch.zeros(shape, dtype=torch.long, device=device)
        return cls(infinity, infinity, zero, zero.bool(), zero[..., None][..., :0])

    def merge(self, new: FinishedHypotheses) -> FinishedHypotheses:
        """Return the K best of both. The tokens of `new` may be longer."""
        old_tokens = F.pad(self.tokens, (0, new.tokens.shape[2] - self.tokens.shape[2]), value=PAD)
        score, index = torch.cat([self.score, new.score], 1).topk(self.score.shape[1], 1)
        return FinishedHypotheses(
            score,
            torch.cat([self.log_prob, new.log_prob], 1).gather(1, index),
            torch.cat([self.length, new.length], 1).gather(1, index),
            torch.cat([self.complete, new.complete], 1).gather(1, index),
            gather_tokens(torch.cat([old_tokens, new.tokens], 1), index),
        )

    def select(self, sentences: Tensor) -> FinishedHypotheses:
        return FinishedHypotheses(
            *(getattr(self, field.name).index_select(0, sentences) for field in fields(self))
        )

    def hypotheses(self, nbest: int) -> list[list[Hypothesis]]:
        """Copy the `nbest` best of each sentence to the host."""
        columns = (getattr(self, field.name)[:, :nbest].tolist() for field in fields(self))
        return [
            [
                Hypothesis(tokens[: length - complete], score, log_prob, complete)
                for score, log_prob, length, complete, tokens in zip(*sentence, strict=True)
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
) -> list[list[Hypothesis]]:
    """Translate source ids [B, S] with mask [B, S]; return `nbest` hypotheses each, best first.

    `generator`, on the device of the source, makes sampling reproducible. Everything stays on the
    device: in each step the host reads one small tensor that says which sentences are done. Raises
    MTError if the model's output is NaN.
    """
    device, width = source.device, options.width
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    active = list(range(len(source)))  # sentences that are still searched, as rows of `source`
    max_length = (mask.sum(1) * options.max_ratio).long() + options.max_extra  # [B]
    max_length = max_length.clamp(min=options.min_length + 1)
    forbidden = torch.tensor(FORBIDDEN_TOKENS, device=device)
    state = model.init_state(model.encode(source, mask), width)
    tokens = torch.empty(len(source), width, 0, dtype=torch.long, device=device)
    last = torch.full((len(source) * width,), BOS, device=device)
    scores = torch.zeros(len(source), width, device=device)  # log-probability, unfinished only
    if not options.sample:
        scores[:, 1:] = -torch.inf  # all start equal, so only the first may be expanded
    finished = FinishedHypotheses.empty(len(source), width, device)

    while active:
        logits, state, _ = model.step(last, state)
        length = tokens.shape[2] + 1
        log_probs = logits.log_softmax(-1).index_fill_(1, forbidden, -torch.inf)
        has_nan = log_probs[:, EOS].isnan().any()  # one NaN or +inf logit makes the whole row NaN
        if length <= options.min_length:
            log_probs[:, EOS] = -torch.inf
        log_probs = log_probs.unflatten(0, (len(active), width))
        if options.sample:
            candidates, parent, token = sample_tokens(log_probs, scores, options, generator)
        else:
            candidates, parent, token = expand_hypotheses(log_probs, scores)
        tokens = torch.cat([gather_tokens(tokens, parent), token[..., None]], 2)  # [B, C, T]

        # Only the K best candidates may finish: by EOS, or because they reach the maximum length.
        complete = token[:, :width] == EOS
        ends = complete | (max_length <= length)[:, None]
        log_prob = candidates[:, :width].masked_fill(~ends, -torch.inf)
        score = log_prob / length**options.length_penalty
        lengths = torch.full_like(token[:, :width], length)
        finished = finished.merge(
            FinishedHypotheses(score, log_prob, lengths, complete, tokens[:, :width])
        )

        # The K best candidates that do not end with EOS are continued.
        scores, index = candidates.masked_fill(token == EOS, -torch.inf).topk(width, 1)
        parent, token = parent.gather(1, index), token.gather(1, index)
        tokens = gather_tokens(tokens, index)
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
            for row, hypotheses in zip(dropped, outputs.hypotheses(options.nbest), strict=True):
                results[active[row]] = hypotheses
            active = [active[row] for row in kept]
            keep = torch.tensor(kept, dtype=torch.long, device=device)
            state = state.select_sentences(keep, rows.view(-1, width)[keep].flatten())
            finished = finished.select(keep)
            scores, token, tokens = scores[keep], token[keep], tokens[keep]
            max_length = max_length[keep]
        elif width > 1:
            state = state.select(rows)
        last = token.flatten()
    return results


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
