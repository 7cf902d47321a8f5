"""The probability that a model gives to a given translation, by teacher forcing."""

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
    """Of one pair."""

    log_prob: float  # natural logarithm of the target's probability given the source, EOS included
    tokens: int  # target tokens that it counts, EOS included


@torch.no_grad()
def score_pairs(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    budget: TokenBudget,
    precision: str = "fp32",
) -> list[PairScore]:
    """Score (source, target) texts with one model or, averaging probabilities at every step, with several.

    Models as they are: call `eval()` before. `budget` counts the longer side. Nothing is split or
    cut.
    """
    sources = tokenizer.encode_many([source for source, _ in pairs], "src")
    targets = tokenizer.encode_many([target for _, target in pairs], "tgt")
    device = models[0].device

    def score(rows: list[int]) -> list[PairScore]:
        batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows]).to(
            device
        )
        with autocast(device, precision):
            hidden = [
                model(batch.source, batch.source_mask, batch.target_input).hidden
                for model in models
            ]
            logits = [
                model.output(each).float() for model, each in zip(models, hidden, strict=True)
            ]
        log_probs = mean_log_probs(logits).gather(2, batch.target[..., None])[..., 0]
        real = batch.target != PAD
        totals = log_probs.masked_fill(~real, 0).sum(1)
        return [
            PairScore(*each) for each in zip(totals.tolist(), real.sum(1).tolist(), strict=True)
        ]

    longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
    return budget.map(longer, 1, score)
