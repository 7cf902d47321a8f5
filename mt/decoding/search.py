"""The one search over any model: beam search, of which greedy search is beam 1, and sampling in the same loop.

Shapes: B sentences still searched, K hypotheses of each (side by side in the model's rows), C
candidates of each, V vocabulary, T tokens so far.

The score of a hypothesis is its log-probability divided by length**alpha, EOS counted in the
length: the convention of CTranslate2, so that outputs can be compared. Log-probabilities are the
model's own (those of teacher forcing).

When a sentence is done: it has K finished hypotheses, and no unfinished one scores better at its
current length than the worst of them. For alpha = 0 nothing better can follow, because
log-probabilities only fall; for alpha > 0 a longer hypothesis could still overtake, and waiting for
it is not worth the time. K finished ones are waited for where fewer are wanted too: without that
BLEU falls, and little time is saved. What reaches the maximum length is closed there.
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

# UNK is never needed: the tokenizer spells what has no piece in bytes.
FORBIDDEN_TOKENS = (PAD, UNK, BOS)


@dataclass
class Hypothesis:
    """One output. `complete` is False where the maximum length cut it off before EOS."""

    tokens: list[int]  # without BOS and EOS
    score: float  # log_prob / length**alpha
    log_prob: float  # natural logarithm
    complete: bool

    @property
    def length(self) -> int:
        """Tokens that the score counts: EOS too."""
        return len(self.tokens) + self.complete


class Searchable(Protocol):
    """What search asks of a model; see `mt.models.seq2seq.Seq2Seq`, and `Ensemble`, which acts as one."""

    def encode(self, source: Tensor, mask: Tensor) -> Any: ...

    def init_state(self, memory: Any, beam: int = 1) -> Any: ...

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any, Any]: ...


@dataclass
class FinishedHypotheses:
    """The K best finished hypotheses of each sentence, best first; a score of -inf marks an empty place."""

    score: Tensor  # [B, K]
    log_prob: Tensor  # [B, K]
    length: Tensor  # [B, K]
    complete: Tensor  # [B, K] bool
    tokens: Tensor  # [B, K, T]

    @classmethod
    def empty(cls, sentences: int, width: int, device: torch.device) -> FinishedHypotheses:
        shape = (sentences, width)
        nothing = torch.full(shape, -torch.inf, device=device)
        zero = torch.zeros(shape, dtype=torch.long, device=device)
        return cls(nothing, nothing, zero, zero.bool(), zero[..., None][..., :0])

    def merge(self, new: FinishedHypotheses) -> FinishedHypotheses:
        """The K best of both; `new` may be one token longer."""
        old_tokens = F.pad(self.tokens, (0, new.tokens.shape[2] - self.tokens.shape[2]), value=PAD)
        score, place = torch.cat([self.score, new.score], 1).topk(self.score.shape[1], 1)
        return FinishedHypotheses(
            score,
            torch.cat([self.log_prob, new.log_prob], 1).gather(1, place),
            torch.cat([self.length, new.length], 1).gather(1, place),
            torch.cat([self.complete, new.complete], 1).gather(1, place),
            gather_tokens(torch.cat([old_tokens, new.tokens], 1), place),
        )

    def select(self, sentences: Tensor) -> FinishedHypotheses:
        return FinishedHypotheses(
            *(getattr(self, field.name).index_select(0, sentences) for field in fields(self))
        )

    def hypotheses(self, nbest: int) -> list[list[Hypothesis]]:
        """Read everything back to the host."""
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
    """Translate source ids [B, S] with mask [B, S] -> for each sentence its `nbest` hypotheses, best first.

    `generator` (on the source's device) makes sampling repeatable. Everything stays on the device;
    the host reads one small tensor a step, which tells it which sentences are done. Raises MTError
    where the model gives NaN.
    """
    device, width = source.device, options.width
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    where = list(range(len(source)))  # row in this search -> row in `source`
    limit = (mask.sum(1) * options.max_ratio).long() + options.max_extra  # [B]
    limit = limit.clamp(min=options.min_length + 1)
    never = torch.tensor(FORBIDDEN_TOKENS, device=device)
    state = model.init_state(model.encode(source, mask), width)
    tokens = torch.empty(len(source), width, 0, dtype=torch.long, device=device)
    last = torch.full((len(source) * width,), BOS, device=device)
    scores = torch.zeros(
        len(source), width, device=device
    )  # log-probability of each unfinished hypothesis
    if not options.sample:
        scores[:, 1:] = -torch.inf  # all begin alike: only the first may bring forth others
    finished = FinishedHypotheses.empty(len(source), width, device)

    while where:
        logits, state, _ = model.step(last, state)
        length = tokens.shape[2] + 1
        log_probs = logits.log_softmax(-1).index_fill_(1, never, -torch.inf)
        broken = (
            log_probs[:, EOS].isnan().any()
        )  # NaN or infinity in one logit makes the whole row NaN
        if length <= options.min_length:
            log_probs[:, EOS] = -torch.inf
        log_probs = log_probs.unflatten(0, (len(where), width))
        if options.sample:
            candidates, parent, token = sample_tokens(log_probs, scores, options, generator)
        else:
            candidates, parent, token = expand_hypotheses(log_probs, scores)
        tokens = torch.cat([gather_tokens(tokens, parent), token[..., None]], 2)  # [B, C, T]

        # Only the K best candidates may finish: by EOS, or because this is the last token that they
        # are allowed.
        at_end = token[:, :width] == EOS
        ends = at_end | (limit <= length)[:, None]
        log_prob = candidates[:, :width].masked_fill(~ends, -torch.inf)
        lengths = torch.full_like(token[:, :width], length)
        finished = finished.merge(
            FinishedHypotheses(
                log_prob / length**options.length_penalty,
                log_prob,
                lengths,
                at_end,
                tokens[:, :width],
            )
        )

        # The K best of those that have not ended go on.
        scores, kept = candidates.masked_fill(token == EOS, -torch.inf).topk(width, 1)
        parent, token, tokens = (
            parent.gather(1, kept),
            token.gather(1, kept),
            gather_tokens(tokens, kept),
        )
        # Empty places score -inf, so this also holds where nothing can go on.
        done = (finished.score[:, -1] >= scores[:, 0] / length**options.length_penalty) | (
            limit <= length
        )
        scores = scores.masked_fill(
            done[:, None], -torch.inf
        )  # what is done does not change until it is dropped

        *is_done, is_broken = torch.cat(
            [done, broken[None]]
        ).tolist()  # the one host read of this step
        if is_broken:
            raise MTError(
                "the model's output is not a number (NaN): its weights are damaged, or training diverged; use another checkpoint"
            )
        rows = (torch.arange(len(where), device=device)[:, None] * width + parent).flatten()
        if should_drop(sum(is_done), len(where)):
            gone, left = partition_indices(is_done)
            for row, best in zip(
                gone,
                finished.select(torch.tensor(gone, device=device)).hypotheses(options.nbest),
                strict=True,
            ):
                results[where[row]] = best
            where = [where[row] for row in left]
            stay = torch.tensor(left, dtype=torch.long, device=device)
            state = state.select_sentences(stay, rows.view(-1, width)[stay].flatten())
            finished = finished.select(stay)
            scores, token, tokens, limit = scores[stay], token[stay], tokens[stay], limit[stay]
        elif width > 1:
            state = state.select(rows)
        last = token.flatten()
    return results


def partition_indices(flags: list[bool]) -> tuple[list[int], list[int]]:
    """Indices of the true and of the false ones."""
    return [i for i, flag in enumerate(flags) if flag], [
        i for i, flag in enumerate(flags) if not flag
    ]


def should_drop(done: int, sentences: int) -> bool:
    """Dropping sentences copies the others' memory once; an eighth of the rows saved in every step to come pays for it."""
    return done == sentences or done * 8 > sentences


def gather_tokens(tokens: Tensor, place: Tensor) -> Tensor:
    """tokens [B, N, T], place [B, M] -> [B, M, T]."""
    return tokens.gather(1, place[..., None].expand(-1, -1, tokens.shape[2]))
