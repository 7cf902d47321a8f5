"""Log-probabilities of given translations, by teacher forcing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import PAD
from mt.decoding.ensemble import mean_log_probs
from mt.decoding.token_budget import TokenBudget
from mt.device import autocast
from mt.models.seq2seq import Seq2Seq


@dataclass
class PairScore:
    """The score of a target given its source."""

    log_prob: float  # natural logarithm, EOS included
    tokens: int  # target tokens, EOS included


@torch.no_grad()
def score_pairs(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    budget: TokenBudget,
    precision: str = "fp32",
) -> list[PairScore]:
    """Score (source, target) texts with one model, or with an ensemble of several.

    An ensemble averages probabilities at every step. The caller must have called `eval()` on the
    models. `budget` counts the longer side of each pair. Long texts are neither split nor cut.
    """
    encoded = tokenizer.encode_pairs(pairs)
    sources, targets = [pair.source for pair in encoded], [pair.target for pair in encoded]
    device = models[0].device

    def score_batch(rows: list[int]) -> list[PairScore]:
        batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows])
        batch = batch.to(device)
        inputs = (batch.source, batch.source_mask, batch.target_input)
        with autocast(device, precision):
            hidden = [model(*inputs).hidden for model in models]
            logits = [
                model.output(states).float() for model, states in zip(models, hidden, strict=True)
            ]
        log_probs = mean_log_probs(logits).gather(2, batch.target[..., None])[..., 0]
        mask = batch.target != PAD
        totals = log_probs.masked_fill(~mask, 0).sum(1)
        return [
            PairScore(total, tokens)
            for total, tokens in zip(totals.tolist(), mask.sum(1).tolist(), strict=True)
        ]

    longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
    return budget.map(longer, 1, score_batch)
