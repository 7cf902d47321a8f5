"""Candidate continuations of hypotheses: the most probable ones, or random samples.

Shapes: B sentences, K hypotheses per sentence, V vocabulary, C candidates per sentence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mt.decoding.arguments import check_integer
from mt.decoding.options import SearchOptions

# Rows of the table in which `expand_hypotheses` lays out the vocabulary. One maximum stands for a
# column of this many values, so only 1 in 16 values enters the first top-k.
TABLE_ROWS = 16


def expand_hypotheses(log_probs: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best 2K continuations: log-probability, parent hypothesis, token; each [B, 2K].

    Takes the log-probabilities of the next token [B, K, V] and of the hypotheses so far, `scores`
    [B, K]. Each hypothesis has one continuation by EOS, so at least K of the 2K do not end.
    """
    width, vocabulary = log_probs.shape[1:]
    count = min(2 * width, width * vocabulary)
    columns = vocabulary // TABLE_ROWS
    if columns < TABLE_ROWS:
        best, index = (log_probs + scores[..., None]).flatten(1).topk(count, 1)
        return best, index // vocabulary, index % vocabulary
    # A top-k over the whole vocabulary costs more than the softmax. So the vocabulary is laid out
    # as a table, and the top-k only searches the columns with the largest maxima: they contain all
    # of the best continuations.
    table = log_probs[..., : TABLE_ROWS * columns].unflatten(2, (TABLE_ROWS, columns))
    maxima = table.amax(2)
    rest = vocabulary - TABLE_ROWS * columns  # tokens of one more row, which is incomplete
    last_row = log_probs[..., TABLE_ROWS * columns :]
    maxima = torch.cat((torch.maximum(maxima[..., :rest], last_row), maxima[..., rest:]), 2)
    index = (maxima + scores[..., None]).flatten(1).topk(count, 1).indices
    parent, column = index // columns, index % columns
    rows = torch.arange(TABLE_ROWS + 1, device=index.device)
    token = column[..., None] + columns * rows  # [B, C, TABLE_ROWS + 1]
    beyond = token >= vocabulary
    # Scores may all be -inf, as for a sentence that is done. The top-k then picks anything, and the
    # model must still be able to embed it.
    token = token.clamp(max=vocabulary - 1)
    index = parent[..., None] * vocabulary + token
    values = log_probs.flatten(1).gather(1, index.flatten(1)).view(token.shape)
    values = values + scores.gather(1, parent)[..., None]
    values = values.masked_fill(beyond, -torch.inf)
    best, index = values.flatten(1).topk(count, 1)
    return best, parent.gather(1, index // (TABLE_ROWS + 1)), token.flatten(1).gather(1, index)


def build_generator(seed: int | None, device: torch.device) -> torch.Generator:
    """Return a generator of random numbers for samples; None stands for a random seed."""
    generator = torch.Generator(device)
    if seed is None:
        generator.seed()
        return generator
    return generator.manual_seed(check_seed(seed))


def check_seed(seed: int) -> int:
    """Return a seed of `torch.Generator`; raise UsageError if it is none."""
    check_integer("seed", seed, -(2**63), 2**64 - 1)
    return seed


def sample_tokens(
    log_probs: Tensor, scores: Tensor, options: SearchOptions, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sample a token per hypothesis; return log-probability, parent hypothesis, token; each [B, K].

    Takes the same tensors as `expand_hypotheses`. The returned log-probabilities are those of the
    model, before temperature, top-k, top-p and epsilon.
    """
    logits = filter_logits(
        log_probs / options.temperature, options.top_k, options.top_p, options.epsilon
    )
    # Of V exponential clocks with rates p_v, clock v rings first with probability p_v. Unlike
    # torch.multinomial, this needs no synchronisation with the host.
    clocks = torch.empty_like(logits).exponential_(generator=generator)
    clocks = clocks.clamp_min_(torch.finfo(logits.dtype).tiny)
    token = (logits.softmax(-1) / clocks).argmax(-1)
    log_prob = log_probs.gather(2, token[..., None])[..., 0]
    parent = torch.arange(scores.shape[1], device=scores.device).expand_as(token)
    return scores + log_prob, parent, token


def filter_logits(logits: Tensor, top_k: int, top_p: float, epsilon: float = 0.0) -> Tensor:
    """Set all logits to -inf that epsilon, top-k and top-p sampling exclude.

    First keeps the tokens with a probability of at least `epsilon`, or the most probable one if
    there is none; then the `top_k` largest (0: all); of those, the smallest set of the most
    probable tokens with a total probability of at least `top_p`.
    """
    if epsilon:
        probability = logits.softmax(-1)
        threshold = probability.amax(-1, keepdim=True).clamp(max=epsilon)
        logits = logits.masked_fill(probability < threshold, -torch.inf)
    if top_k == 0 and top_p == 1.0:
        return logits
    ordered, token = logits.sort(-1, descending=True)
    if top_k:
        ordered[..., top_k:] = -torch.inf
    probability = ordered.softmax(-1)
    before = probability.cumsum(-1) - probability
    excluded = before >= top_p
    excluded[..., 0] = False  # a tiny top_p may be 0 in single precision
    return logits.scatter(-1, token, ordered.masked_fill(excluded, -torch.inf))
