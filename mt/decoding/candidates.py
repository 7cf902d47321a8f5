"""From log-probabilities to the tokens that hypotheses may go on with: the best of them, or drawn at random.

Shapes: B sentences, K hypotheses of each, V vocabulary, C candidates of a sentence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mt.decoding.options import SearchOptions

TABLE_ROWS = 16  # numbers whose maximum stands for all of them: 15 in 16 of a vocabulary are then looked at once


def expand_hypotheses(log_probs: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log_probs [B, K, V], scores [B, K] -> the best 2K continuations: log-probability, parent row, token; each [B, 2K].

    A hypothesis has one continuation by EOS, so at least K of 2K do not end.
    """
    width, vocabulary = log_probs.shape[1:]
    count = min(2 * width, width * vocabulary)
    columns = vocabulary // TABLE_ROWS
    if columns < TABLE_ROWS:
        best, place = (log_probs + scores[..., None]).flatten(1).topk(count, 1)
        return best, place // vocabulary, place % vocabulary
    # Sorting through a whole vocabulary costs more than the softmax over it. So it is laid out as a
    # table of TABLE_ROWS rows, and of its columns only those with the best maxima are looked at: every
    # one of the best stands in such a column.
    table = log_probs[..., : TABLE_ROWS * columns].unflatten(2, (TABLE_ROWS, columns))
    most = table.amax(2)
    rest = vocabulary - TABLE_ROWS * columns  # they stand in one more row, which is not full
    most = torch.cat(
        (torch.maximum(most[..., :rest], log_probs[..., TABLE_ROWS * columns :]), most[..., rest:]),
        2,
    )
    place = (most + scores[..., None]).flatten(1).topk(count, 1).indices
    parent, column = place // columns, place % columns
    token = column[..., None] + columns * torch.arange(
        TABLE_ROWS + 1, device=place.device
    )  # [B, C, TABLE_ROWS + 1]
    index = parent[..., None] * vocabulary + token.clamp(max=vocabulary - 1)
    found = (
        log_probs.flatten(1).gather(1, index.flatten(1)).view(token.shape)
        + scores.gather(1, parent)[..., None]
    )
    best, place = found.masked_fill(token >= vocabulary, -torch.inf).flatten(1).topk(count, 1)
    return best, parent.gather(1, place // (TABLE_ROWS + 1)), token.flatten(1).gather(1, place)


def sample_tokens(
    log_probs: Tensor, scores: Tensor, options: SearchOptions, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """One token at random for each hypothesis: log-probability (before temperature and limits), parent row, token; [B, K]."""
    logits = filter_logits(log_probs / options.temperature, options.top_k, options.top_p)
    # The first of V exponential clocks to ring is token v with probability p_v: no host check as in
    # torch.multinomial.
    clocks = (
        torch.empty_like(logits)
        .exponential_(generator=generator)
        .clamp_min_(torch.finfo(logits.dtype).tiny)
    )
    token = (logits.softmax(-1) / clocks).argmax(-1)
    chosen = log_probs.gather(2, token[..., None])[..., 0]
    parent = torch.arange(scores.shape[1], device=scores.device).expand_as(token)
    return scores + chosen, parent, token


def filter_logits(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set to -inf all but the `top_k` likeliest (0: all), and of those all but the fewest that hold `top_p` of the probability."""
    if top_k == 0 and top_p == 1.0:
        return logits
    ordered, token = logits.sort(-1, descending=True)
    if top_k:
        ordered[..., top_k:] = -torch.inf
    probability = ordered.softmax(-1)
    before = probability.cumsum(-1) - probability
    return logits.scatter(-1, token, ordered.masked_fill(before >= top_p, -torch.inf))
