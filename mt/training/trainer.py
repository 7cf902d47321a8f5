"""The training loop. `Trainer.fit` reads top to bottom; everything it decides is a function of the step, so that an
interrupted run continues exactly: the order of the data and all random numbers come from (seed,
epoch, batch)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from mt.cli import format_duration
from mt.config.schema import Config
from mt.data.batch_order import BatchOrder
from mt.data.batch_stream import BatchStream, Position, Step
from mt.data.batching import Batch
from mt.data.collate import collate
from mt.data.prefetch import prefetch
from mt.data.prepare import PreparedData
from mt.data.tokenizer import Segmenter
from mt.data.vocabulary import PAD
from mt.device import autocast
from mt.errors import MTError
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder, write_tensors
from mt.training.budget import Budget, Clock
from mt.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from mt.training.compiled import compile_layers, compiler_advice, uncompiled
from mt.training.cost import peak_memory
from mt.training.distributed import ProcessGroup
from mt.training.flops import FlopsEstimator
from mt.training.guards import memory_advice, stop_signals
from mt.training.meter import Meter
from mt.training.optim import Average, build_optimizer, update
from mt.training.run_log import RunLog
from mt.training.schedules import learning_rate
from mt.training.validation import Validator

MAX_SKIPPED = 20  # non-finite steps in a row after which training has evidently failed


class Trainer:
    """Trains `model` in place on `data` as `config` says and leaves the best weights in the run directory."""

    def __init__(
        self,
        config: Config,
        model: Seq2Seq,
        data: PreparedData,
        folder: RunFolder,
        log: RunLog,
        ranks: ProcessGroup,
        device: torch.device,
    ):
        self.config, self.model, self.data, self.folder, self.log, self.ranks, self.device = (
            config,
            model,
            data,
            folder,
            log,
            ranks,
            device,
        )
        trainer = config.trainer
        self.budget = Budget.of(trainer)
        self.order = BatchOrder(data.train, trainer.batch_tokens, config.seed)
        self.optimizer = build_optimizer(config.optim, model)
        self.average = Average(model, config.optim.ema)
        self.cost = FlopsEstimator(model)
        self.validator = Validator(config, data, ranks, device)
        self.state = TrainingState(data_hash=data.hash)
        self.skipped_in_a_row = 0

    def resume(self) -> bool:
        """Continue from the last save, if there is one. Says whether there was."""
        found = self.folder.checkpoint.exists()
        if found:
            state = load_checkpoint(self.folder, self.model, self.optimizer, self.average.shadow)
            if state.data_hash != self.data.hash:
                raise MTError(
                    f"the prepared text is not what {self.folder} was trained on: its files, or the versions of sentencepiece or Python, "
                    "have changed; restore them, or choose another name=..."
                )
            if self.budget.flops and math.isnan(state.flops):
                raise MTError(
                    f"{self.folder} began with a version of mt that did not count operations: limit it by something else"
                )
            self.state = state
        if len(set(self.ranks.gather((self.state.step, self.data.hash)))) > 1:
            raise MTError(
                "the processes see different runs or different text: they need one shared folder for runs_dir and data.cache"
            )
        return found

    def fit(self) -> TrainingState:
        """Train until the budget is spent or patience runs out; validate and save on the way. A signal saves and leaves."""
        state, config = self.state, self.config.trainer
        self.clock = Clock(state.minutes)
        self.meter = Meter(state.minutes)
        self.log.start_metrics(state.step)
        self.model.train()
        if config.compile:
            compile_layers(self.model)
        self._introduce()
        saved = validated = state.minutes
        with stop_signals() as asked, contextlib.closing(self._steps()) as steps:
            while True:
                # At the top, so that a run that stopped between a step and its validation goes on
                # with that validation.
                late = config.val_minutes and state.minutes - validated >= config.val_minutes
                due = self._over() or late or self._at(config.val_every)
                if due and state.step and state.validated != state.step:
                    self._validate()
                    saved = validated = state.minutes
                if self._over():
                    break
                step, batches = next(steps)
                before = state.minutes
                with memory_advice(batches, config.batch_tokens), compiler_advice(config.compile):
                    self._train_step(step, batches)
                stop = self._synchronise(bool(asked), batches)
                state.training_minutes += state.minutes - before
                saving = stop or state.minutes - saved >= config.save_minutes
                if saving or self._at(config.log_every) or state.step == 1:
                    self._report()
                if saving:
                    self._save()
                    saved = state.minutes
                if stop:
                    self.log.say(
                        f"stopped by a signal and saved after step {state.step:,}: the same command continues"
                    )
                    raise SystemExit(130)
        self.log.say(f"training ends: {self._reason()}")
        return state

    def _introduce(self) -> None:
        count, padding = (
            len(self.order.epoch(self.state.epoch)),
            self.order.padding(self.state.epoch),
        )
        self.log.say(
            f"an epoch has {count:,} batches; {padding:.1%} of their positions are padding"
        )
        for note in self.validator.notes:
            self.log.say(f"note: {note}")

    def _at(self, every: int) -> bool:
        return every > 0 and self.state.step % every == 0

    def _over(self) -> bool:
        """Whether the budget is spent or validation has not improved for too long."""
        patience = self.config.trainer.patience
        return self._spent() >= 1 or bool(patience and self.state.bad >= patience)

    def _spent(self) -> float:
        return self.budget.progress(self.state)

    def _reason(self) -> str:
        state = self.state
        if self._spent() < 1:
            return f"no better validation {state.bad} times in a row (trainer.patience)"
        return self.budget.reached(state)

    def _synchronise(self, asked: bool = False, batches: Sequence[Batch] = ()) -> bool:
        """One message a step between ranks: whether any was asked to stop, rank 0's clock for all, what their batches cost."""
        state = self.state
        tokens = sum(batch.target_tokens for batch in batches)
        flops = sum(
            self.cost(len(batch.source), batch.source.shape[1], batch.target.shape[1])
            for batch in batches
        )
        message = torch.tensor(
            [float(asked), self.clock.minutes if self.ranks.first else 0.0, tokens, flops],
            dtype=torch.float64,
        )
        self.ranks.sum([message])
        stop, state.minutes, tokens, flops = message.tolist()
        state.target_tokens += int(tokens)
        state.flops += flops
        return stop > 0

    def _steps(self) -> Generator[tuple[Step, list[Batch]], None, None]:
        """Optimizer steps with this rank's batches as tensors, made ahead by another thread."""
        group = self.ranks.world * self.config.trainer.accumulate
        start = Position(self.state.epoch, self.state.batch)
        sampling = self.config.data.tokenizer.sampling
        stream = BatchStream(self.order, group, self.ranks.rank, self.ranks.world, start)

        def load(step: Step) -> tuple[Step, list[Batch]]:
            segment = (
                Segmenter(
                    self.data.tokenizer,
                    sampling,
                    self.config.seed,
                    step.epoch,
                    self.config.data.max_pieces,
                )
                if sampling
                else None
            )
            return step, [collate(self.data.train, rows, segment) for _, rows in step.micro_batches]

        return prefetch(map(load, stream))

    def _train_step(self, step: Step, batches: list[Batch]) -> None:
        """Accumulate gradients over the micro-batches of all ranks, then update once. Nothing here waits for a GPU."""
        state, optim = self.state, self.config.optim
        rate = learning_rate(optim, state.step + 1, self._spent())
        for parameter in self.model.parameters():
            parameter.grad = None  # the first backward pass then hands over its own: nothing to fill with zeros and to add to
        sums = torch.zeros(3, device=self.device)  # loss, negative log-likelihood, target tokens
        for (index, _), batch in zip(step.micro_batches, batches, strict=True):
            seed_everything(self.config.seed, step.epoch, index)
            loss, nll = self._loss(batch.to(self.device))
            loss.backward()
            sums[0] += loss.detach()
            sums[1] += nll
            sums[2] += batch.target_tokens
        gradients = all_gradients(self.model)
        self.ranks.sum([*gradients, sums])
        norm, skipped = update(self.optimizer, gradients, sums[2], optim.clip, rate)
        state.step += 1
        state.epoch, state.batch, state.epochs = (
            step.position.epoch,
            step.position.batch,
            step.progress,
        )
        self.average.update(state.step)
        self.meter.add(sums, norm, skipped, rate)

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is minimised, and the negative log-likelihood: sums over the batch's target tokens."""
        with autocast(self.device, self.config.trainer.precision):
            output = self.model(batch.source, batch.source_mask, batch.target_input)
            loss, nll = cross_entropy(
                output.hidden, self.model.output, batch.target, self.config.optim.label_smoothing
            )
        for term in output.losses:
            loss = loss + term(nll, batch.target != PAD)
        return loss, nll.sum()

    def _report(self) -> None:
        """A progress line and a record, with what was summed up since the last one."""
        state = self.state
        m = self.meter.read(state.minutes)
        if not m.steps:
            return
        state.skipped += m.skipped
        self.skipped_in_a_row = self.skipped_in_a_row + m.steps if m.skipped == m.steps else 0
        if m.skipped:
            self.log.say(
                f"warning: {m.skipped} of the last {m.steps} steps had gradients that are not finite and changed nothing"
            )
        if self.skipped_in_a_row >= MAX_SKIPPED:
            raise MTError(
                f"the last {self.skipped_in_a_row} gradients were not finite: "
                "lower optim.lr, raise optim.warmup, or set trainer.precision=fp32"
            )
        spent = self._spent()
        left = (
            f"{format_duration(state.minutes * (1 - spent) / spent)} left" if spent < 1 else "done"
        )
        self.log.say(
            f"step {state.step:,}  epoch {state.epochs:.2f}  loss {m.loss:.3f}  ppl {m.perplexity:.2f}  lr {m.rate:.2e}  "
            f"norm {m.norm:.2f}  {m.tokens_per_second:,.0f} tok/s  {format_duration(state.minutes)}, {left}"
        )
        self.log.record(
            "train",
            state.step,
            epoch=state.epochs,
            minutes=state.minutes,
            loss=m.loss,
            nll=m.nll,
            lr=m.rate,
            gradient_norm=m.norm,
            tokens_per_second=m.tokens_per_second,
            target_tokens=state.target_tokens,
            skipped=state.skipped,
        )

    def _validate(self) -> None:
        """Validate the averaged weights, keep them if they are the best so far, save."""
        self._report()
        state, metric = self.state, self.config.trainer.val_metric
        with self.average.applied(), uncompiled(self.config.trainer.compile):
            self.model.eval()
            scores = self.validator(self.model)
            self.model.train()
            better = state.best is None or (
                scores.bleu > state.best if metric == "bleu" else scores.loss < state.best
            )
            state.bad = 0 if better else state.bad + 1
            state.validated = state.step
            if better:
                state.best, state.best_step = getattr(scores, metric), state.step
            self._synchronise()
            for sample in scores.samples:
                self.log.say(sample)
            self.log.say(
                f"validation at step {state.step:,}: {scores.line()}{'  (best so far)' if better else ''}"
            )
            monitored = self.model.monitored_values()
            if monitored:
                self.log.say(
                    "  " + ", ".join(f"{name} {value:.2f}" for name, value in monitored.items())
                )
            spent = {
                name: getattr(state, name)
                for name in ("minutes", "training_minutes", "target_tokens", "flops")
            }
            self.log.record(
                "val", state.step, **spent, bleu=scores.bleu, loss=scores.loss, **monitored
            )
            if better and self.ranks.first:
                write_tensors(
                    self.folder.model,
                    model_tensors(self.model),
                    {**asdict(state), "bleu": scores.bleu, "loss": scores.loss},
                )
        self._save()
        self._synchronise()
        self.meter = Meter(state.minutes)

    def _save(self) -> None:
        self.state.peak_memory = max(self.state.peak_memory, peak_memory(self.device))
        if self.ranks.first:
            save_checkpoint(
                self.folder, self.model, self.optimizer, self.average.shadow, self.state
            )


def all_gradients(model: torch.nn.Module) -> list[Tensor]:
    """One for each parameter: zeros where no batch reached it, as on a rank that had none."""
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def seed_everything(*numbers: int) -> None:
    """Make what follows a function of these numbers: dropout is then the same on any rank and after any restart."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    torch.manual_seed(seed)
