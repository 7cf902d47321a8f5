"""The training objective: what a batch costs, with the regularisers of `regularise.*`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from mt.config.schema import Config
from mt.data.batching import Batch
from mt.data.vocabulary import BOS, EOS, PAD
from mt.device import autocast
from mt.layers.input_dropout import cut_tokens, drop_words
from mt.models.consistency import r_drop, simcut, token_cutoff
from mt.models.loss import CrossEntropy, TokenLoss, sum_token_loss
from mt.models.seq2seq import Seq2Seq


def build_token_loss(config: Config) -> TokenLoss:
    """Build the loss that the settings choose: cross-entropy, or one over several passes."""
    regularise, smoothing = config.regularise, config.optim.label_smoothing
    if regularise.rdrop:
        return r_drop(smoothing, regularise.rdrop)
    if regularise.simcut:
        return simcut(smoothing, regularise.simcut)
    if regularise.token_cutoff:
        return token_cutoff(smoothing, regularise.token_cutoff, regularise.views)
    return CrossEntropy(smoothing)


class Objective:
    """The loss of a batch, with gradients.

    If the loss compares K passes, they run as one batch with K copies of each sentence, each with
    random numbers of its own. That takes no more time than K batches, and less if the model loops
    over positions.
    """

    def __init__(
        self, config: Config, device: torch.device, marks: Sequence[Iterable[int]] = ((), ())
    ) -> None:
        """Read the settings. `marks`: ids of source and target tokens that are never dropped."""
        regularise = config.regularise
        self.device, self.precision = device, config.trainer.precision
        self.token_loss = build_token_loss(config)
        self.passes = self.token_loss.passes
        # All passes but the first have cut tokens.
        self.cut = regularise.cut if regularise.simcut or regularise.token_cutoff else 0.0
        self.word_dropout = regularise.word_dropout_src, regularise.word_dropout_tgt
        self.kept = [torch.tensor([PAD, BOS, EOS, *ids], device=device) for ids in marks]

    def __call__(self, model: Seq2Seq, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and the negative log-likelihood, summed over the target tokens.

        The latter is that of the first pass, whose input is not cut. Losses that the model adds are
        averaged over the passes.
        """
        source, mask, target_input, target = (
            ids.repeat(self.passes, 1)
            for ids in (batch.source, batch.source_mask, batch.target_input, batch.target)
        )
        with autocast(self.device, self.precision):
            output = model.forward_embedded(
                self._embed(model.source_embedding, source, 0),
                mask,
                self._embed(model.target_embedding, target_input, 1),
            )
            loss, nll = sum_token_loss(output.hidden, model.output, batch.target, self.token_loss)
        for term in output.losses:
            loss = loss + term(nll, target != PAD) / self.passes
        return loss, nll[: len(batch.target)].sum()

    def _embed(self, embedding: nn.Module, ids: Tensor, side: int) -> Tensor:
        """Embed ids [K * B, L] of a side (0: source, 1: target), and drop some of them."""
        embedded, word_dropout, kept = embedding(ids), self.word_dropout[side], self.kept[side]
        if word_dropout:
            embedded = embedded * drop_words(ids, word_dropout, kept)[..., None]
        if self.cut:
            factors = cut_tokens(ids, self.cut, kept)
            factors[: len(ids) // self.passes] = 1.0
            embedded = embedded * factors[..., None]
        return embedded
