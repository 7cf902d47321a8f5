"""Validation: loss and BLEU of a model, computed in parallel by all ranks."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field

import numpy as np
import torch

from mt.config.schema import Config
from mt.data.batch_order import validation_batches
from mt.data.collate import collate
from mt.data.normalisation import Normaliser
from mt.data.prepare import PreparedData
from mt.data.validation_set import ValidationSet
from mt.decoding.options import SearchOptions
from mt.decoding.tagged_lines import translate_tagged
from mt.decoding.text_settings import TextRules
from mt.decoding.translator import Translator
from mt.device import autocast
from mt.evaluation.metric import MetricOptions
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.evaluation.sentence_statistics import SentenceStatistics
from mt.evaluation.text_form import reference_notes, tokenised_notes
from mt.evaluation.tokenizers import scored_language
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.progress_display import Progress
from mt.training.distributed import ProcessGroup
from mt.training.untrained import is_untrained, sample_pairs


@dataclass
class ValidationScores:
    """Scores of a validation, the same on all ranks."""

    loss: float  # negative log-likelihood in nats per target token, without label smoothing
    bleu: float | None  # None if the time did not suffice to translate
    matches: int  # 4-grams of the translations that are in their references; 0: BLEU does not count
    samples: list[str]  # lines that show some translations
    remark: str = ""  # what the user should know about BLEU
    others: dict[str, ValidationScores] = field(default_factory=dict)  # of the other sets, by name

    @property
    def comparable_bleu(self) -> float | None:
        """BLEU of the same pairs as in other validations; None if the time was too short."""
        return None if self.remark else self.bleu

    def summary(self) -> str:
        """Return the scores in one line."""
        bleu = "no BLEU" if self.bleu is None else f"BLEU {self.bleu:.2f}"
        remark = self.remark and f" ({self.remark}: the loss decides)"
        return f"{bleu}{remark}  loss {self.loss:.4f}  ppl {math.exp(min(self.loss, 700)):.2f}"


class OutOfTime(Exception):
    """The time of a validation is over."""


class Validator:
    """Score models on all validation sets; all ranks must call it."""

    def __init__(
        self, config: Config, data: PreparedData, group: ProcessGroup, device: torch.device
    ) -> None:
        self.sets = {
            each.name: SetValidator(config, data, each, group, device) for each in data.val_sets
        }
        self.deciding = config.trainer.val_set
        # Limitations of the scores that the user should know.
        self.notes = self.sets[self.deciding].notes + [
            f"{name}: {note}" for name, part in self._others() for note in part.notes
        ]

    def __call__(self, model: Seq2Seq, minutes: float = math.inf) -> ValidationScores:
        """Return the scores on the set that decides, and with them those on the others.

        The model must be in evaluation mode. The sets share the time, see `SetValidator`; the one
        that decides comes first.
        """
        deadline = time.monotonic() + 60 * minutes
        scores = self.sets[self.deciding](model, deadline)
        scores.others = {name: part(model, deadline) for name, part in self._others()}
        return scores

    def _others(self) -> list[tuple[str, SetValidator]]:
        return [(name, part) for name, part in self.sets.items() if name != self.deciding]


class SetValidator:
    """Score models on one validation set.

    The loss is that of all pairs, BLEU that of a sample if there are many.
    """

    def __init__(
        self,
        config: Config,
        data: PreparedData,
        val: ValidationSet,
        group: ProcessGroup,
        device: torch.device,
    ) -> None:
        self.config, self.data, self.val = config, data, val
        self.group, self.device = group, device
        max_length = config.data.max_pieces + 1  # with end of sentence
        self.batches = validation_batches(val.table, config.trainer.batch_tokens, max_length)[
            group.rank :: group.world_size
        ]
        self.sample, self.probe = sample_pairs(len(val.pairs))
        references = [target for _, target in val.pairs]
        language, self.notes = scored_language(config.data.languages()[1], references)
        self.bleu, bleu_notes = Bleu.build(MetricOptions(language))
        self.notes += bleu_notes
        self.notes += reference_notes([references], config.data.clean.unicode)
        self.notes += tokenised_notes([], [references])
        lengths = np.maximum(val.table.src_lengths, val.table.tgt_lengths)
        # A model at its beginning repeats itself up to the longest output that is allowed.
        ratio = float(val.table.tgt_lengths.sum() / val.table.src_lengths.sum())
        self.options = SearchOptions(config.trainer.val_beam, max_ratio=1.5 * ratio, max_extra=10)
        if too_long := int((lengths > max_length).sum()):
            self.notes.append(
                f"{too_long} validation pairs are longer than data.max_pieces: they count in BLEU, "
                "for which they are split, but not in the loss"
            )
        if (count := len(self.probe) + len(self.sample)) < len(val.pairs):
            self.notes.append(
                f"BLEU in validation is that of {count:,} of {len(val.pairs):,} pairs"
            )

    def __call__(self, model: Seq2Seq, deadline: float) -> ValidationScores:
        """Return the scores of a model, which must be in evaluation mode.

        At the deadline, a time of time.monotonic(), it stops translating: BLEU is then that of the
        pairs that are translated first, or unknown, and does not count for the choice of a model,
        because it is that of other pairs than in other validations.
        """
        rank, ranks = self.group.rank, self.group.world_size
        own = len(self.probe[rank::ranks]) + len(self.sample[rank::ranks])
        with Progress("validating", own, silent=not self.group.is_main) as progress:
            return self._score(model, deadline, progress)

    def _score(self, model: Seq2Seq, deadline: float, progress: Progress) -> ValidationScores:
        loss = self._loss(model, progress)
        translator = Translator(
            [model],
            self.data.tokenizer,
            max_pieces=self.config.data.max_pieces,
            normaliser=Normaliser.from_config(self.config.data.clean),
            text_rules=TextRules(self.config, self.data.tokenizer, [self.data.text], None),
            precision=self.config.trainer.precision,
            options=self.options,
        )
        outputs, endless = self._translate(translator, self.probe, deadline, progress)
        if outputs is None:
            return ValidationScores(loss, None, 0, [], "out of time")
        remark = ""
        if not is_untrained(endless, len(self.probe)):
            more, _ = self._translate(translator, self.sample, deadline, progress)
            if more is None:
                remark = f"out of time, of {len(outputs):,} pairs only"
            outputs |= more or {}
        indices = sorted(outputs)
        hypotheses = [outputs[index] for index in indices]
        references = [self.val.pairs[index][1] for index in indices]
        total = SentenceStatistics(self.bleu, hypotheses, [references]).rows.sum(0)
        bleu, matches = self.bleu.score(total)[0], self.bleu.matches(total)
        return ValidationScores(
            loss, bleu, 0 if remark else matches, self._samples(outputs), remark
        )

    def _translate(
        self, translator: Translator, indices: list[int], deadline: float, progress: Progress
    ) -> tuple[dict[int, str] | None, int]:
        """Return translations of pairs by index, and how many did not end, over all ranks.

        The translations are None if a rank has stopped at the deadline, that is, after the batch in
        which the time has come.
        """
        rank, ranks = self.group.rank, self.group.world_size
        before = translator.counts["cut off"]
        own = indices[rank::ranks]
        left = len(own)

        def count(sentences: int) -> None:
            nonlocal left
            progress.add(sentences)
            left -= sentences
            if left > 0 and time.monotonic() > deadline:
                raise OutOfTime

        own_outputs: dict[int, str] | None = None
        with contextlib.suppress(OutOfTime):
            sources = [self.val.pairs[index][0] for index in own]
            tags = [self.val.tags[index] for index in own]
            own_outputs = dict(
                zip(own, translate_tagged(translator, sources, tags, count), strict=True)
            )
        outputs: dict[int, str] = {}
        endless, in_time = 0, True
        part = (own_outputs, translator.counts["cut off"] - before)
        for translations, cut_off in self.group.all_gather(part):
            outputs |= translations or {}
            endless += cut_off
            in_time = in_time and translations is not None
        return outputs if in_time else None, endless

    @torch.no_grad()
    def _loss(self, model: Seq2Seq, progress: Progress) -> float:
        sums = torch.zeros(2, dtype=torch.float64)
        for rows in self.batches:
            batch = collate([self.val.table], rows).to(self.device)
            with autocast(self.device, self.config.trainer.precision):
                hidden = model(batch.source, batch.source_mask, batch.target_input).hidden
                sums[0] += cross_entropy(hidden, model.output, batch.target)[1].sum().item()
            sums[1] += batch.target_tokens
            progress.add(0)
        self.group.all_reduce_sum([sums])
        return float(sums[0] / sums[1])

    def _samples(self, outputs: dict[int, str]) -> list[str]:
        """Return lines that show the same sentences at each validation, spread over the set."""
        count = min(self.config.trainer.samples, len(self.probe))
        lines = []
        for index in (self.probe[len(self.probe) * i // count] for i in range(count)):
            source, reference = self.val.pairs[index]
            lines += [
                f"  source     {source}",
                f"  model      {outputs[index]}",
                f"  reference  {reference}",
            ]
        return lines
