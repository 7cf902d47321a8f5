"""Validation: loss and BLEU of the model as it stands, shared out over the ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from mt.config.schema import Config
from mt.data.batch_order import validation_batches
from mt.data.collate import collate
from mt.data.prepare import PreparedData
from mt.decoding.options import SearchOptions
from mt.decoding.translator import Translator
from mt.device import autocast
from mt.evaluation.metrics import HEADLINE, build_metrics
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.training.distributed import ProcessGroup


@dataclass
class Scores:
    """What a validation found, the same on every rank."""

    loss: float  # negative log-likelihood, nats a target token, without label smoothing
    bleu: float
    samples: list[str]  # lines to show

    def line(self) -> str:
        return (
            f"BLEU {self.bleu:.2f}  loss {self.loss:.4f}  ppl {math.exp(min(self.loss, 700)):.2f}"
        )


class Validator:
    """Scores a model on the validation pairs; call it on every rank."""

    def __init__(
        self, config: Config, data: PreparedData, ranks: ProcessGroup, device: torch.device
    ) -> None:
        self.config, self.data, self.ranks, self.device = config, data, ranks, device
        self.batches = validation_batches(
            data.val, config.trainer.batch_tokens, config.data.max_pieces + 1
        )[ranks.rank :: ranks.world]
        self.pairs = data.val_pairs[ranks.rank :: ranks.world]
        left_out = int(
            (
                np.maximum(data.val.src_lengths, data.val.tgt_lengths) > config.data.max_pieces + 1
            ).sum()
        )
        metrics, self.notes = build_metrics(
            config.data.languages()[1], names=[HEADLINE]
        )  # notes: what a reader of the scores must know
        if left_out:
            self.notes.append(
                f"{left_out} validation pairs are over data.max_pieces and count in BLEU, where they are split, but not in the loss"
            )
        self.bleu = metrics[HEADLINE]

    def __call__(self, model: Seq2Seq) -> Scores:
        """The model must be in evaluation mode."""
        loss = self._loss(model)
        translator = Translator(
            [model],
            self.data.tokenizer,
            max_pieces=self.config.data.max_pieces,
            unicode=self.config.data.clean.unicode,
            precision=self.config.trainer.precision,
            options=SearchOptions(beam=self.config.trainer.val_beam),
        )
        mine = translator.translate([source for source, _ in self.pairs])
        hypotheses = [""] * len(self.data.val_pairs)
        for rank, part in enumerate(self.ranks.gather(mine)):
            hypotheses[rank :: self.ranks.world] = part
        sources, references = zip(*self.data.val_pairs, strict=True)
        bleu = self.bleu.corpus_score(hypotheses, [list(references)])
        return Scores(loss, bleu, self._samples(sources, hypotheses, references))

    @torch.no_grad()
    def _loss(self, model: Seq2Seq) -> float:
        sums = torch.zeros(2, dtype=torch.float64)
        for rows in self.batches:
            batch = collate([self.data.val], rows).to(self.device)
            with autocast(self.device, self.config.trainer.precision):
                hidden = model(batch.source, batch.source_mask, batch.target_input).hidden
                sums[0] += cross_entropy(hidden, model.output, batch.target)[1].sum().item()
            sums[1] += batch.target_tokens
        self.ranks.sum([sums])
        return float(sums[0] / sums[1])

    def _samples(
        self, sources: tuple[str, ...], hypotheses: list[str], references: tuple[str, ...]
    ) -> list[str]:
        """The same few sentences each time, spread over the set, so that one can watch them improve."""
        count = min(self.config.trainer.samples, len(sources))
        lines = []
        for index in (len(sources) * i // count for i in range(count)):
            lines += [
                f"  source     {sources[index]}",
                f"  model      {hypotheses[index]}",
                f"  reference  {references[index]}",
            ]
        return lines
