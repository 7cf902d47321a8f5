"""The training loop: read `Trainer.fit` from top to bottom.

An interrupted run continues exactly, because the order of the data and all random numbers are
functions of (seed, epoch, batch).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import NoReturn

import torch

from mt.cli import CONTINUES
from mt.config.schema import Config
from mt.data.batch_stream import Position, Step
from mt.data.batching import Batch
from mt.data.prepare import PreparedData
from mt.errors import MTError
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder
from mt.signals import note_signals
from mt.training.budget import TrainingBudget, TrainingClock
from mt.training.checkpoint import TrainingState, load_checkpoint, replace_model, save_checkpoint
from mt.training.compilation import compile_layers, eager_mode, explain_compiler_errors
from mt.training.cost import peak_memory
from mt.training.distributed import ProcessGroup
from mt.training.flops import FlopsEstimator
from mt.training.guards import explain_out_of_memory
from mt.training.kept_models import keep_model
from mt.training.objective import Objective
from mt.training.optim import WeightAverage, apply_gradients, build_optimizer, freeze_others
from mt.training.parallel import choose_parallel
from mt.training.progress import ProgressReporter
from mt.training.run_log import RunLog
from mt.training.schedules import learning_rate
from mt.training.seeding import seed_everything
from mt.training.selection import describe_criterion, update_best
from mt.training.steps import keep_step_size, load_steps, order_batches
from mt.training.stopping import StoppingRule
from mt.training.validation import Validator

SHARED = "runs_dir must be on a file system that all machines share"


class Trainer:
    """Train `model` in place and write the best weights and checkpoints to the run directory."""

    def __init__(
        self,
        config: Config,
        model: Seq2Seq,
        data: PreparedData,
        folder: RunFolder,
        log: RunLog,
        group: ProcessGroup,
        device: torch.device,
    ):
        self.config, self.model, self.data, self.folder = config, model, data, folder
        self.log, self.group, self.device = log, group, device
        self.budget = TrainingBudget.from_config(config.trainer)
        self.stopping = StoppingRule(config, self.budget)
        self.order = order_batches(config, data)
        self.objective = Objective(config, device, data.tokenizer.marks)
        if config.optim.lora:  # before the ranks share the gradients of what is trained
            freeze_others(config.optim, model)
        self.flops = FlopsEstimator(model)
        self.parallel = choose_parallel(config.trainer.parallel, model, self.objective, group)
        weights, map_matrices = self.parallel.weights, self.parallel.map_matrices
        self.optimizer = build_optimizer(config.optim, model, weights, map_matrices)
        self.average = WeightAverage(weights, config.optim.ema)
        self.validator = Validator(config, data, group, device)
        micro_batches = group.launched * config.trainer.micro_batches()
        self.state = TrainingState(data_hash=data.hash, micro_batches=micro_batches)

    def resume(self) -> bool:
        """Load the last checkpoint if there is one; return whether there was. All ranks call it."""
        has_checkpoint = self.folder.checkpoint.exists()
        if len(set(self.group.all_gather(has_checkpoint))) > 1:
            raise MTError(f"only some of the processes see {self.folder.checkpoint}: {SHARED}")
        if has_checkpoint:
            state = load_checkpoint(
                self.folder, self.parallel, self.optimizer, self.average.shadow, self.data.hash
            )
            if self.budget.flops and math.isnan(state.flops):
                raise MTError(
                    f"{self.folder} was started by a version of mt that did not count "
                    "floating-point operations: use another limit than trainer.max_flops"
                )
            self.state = state
            # All ranks look before one writes.
            if any(self.group.all_gather(state.validated >= 0 and not self.folder.model.exists())):
                with self.parallel.averaged(self.average) as model:
                    self.log.say(replace_model(self.folder, model, state, self.group.is_main))
                self._save()
        note = keep_step_size(self.state, self.config.trainer, self.group.launched)
        if note:
            self.log.say(note)
        if len(set(self.group.all_gather(self.state.step))) > 1:
            raise MTError(f"the processes have different checkpoints: {SHARED}")
        return has_checkpoint

    def fit(self) -> TrainingState:
        """Train until the stopping rule ends it, and return the final state.

        Validates and saves checkpoints on the way. SIGINT and SIGTERM save a checkpoint and raise
        SystemExit.
        """
        state, config = self.state, self.config.trainer
        self.clock = TrainingClock(state.minutes)
        self.reporter = ProgressReporter(self.log, self.stopping, state)
        self.log.start_metrics(self.config, state.step, state.validated)
        self.model.train()
        if config.compile:
            compile_layers(self.model)
        self._report_start()
        last_save = last_validation = state.minutes
        position = Position(state.epoch, state.batch)
        steps = load_steps(
            self.config, self.data, self.order, self.group, position, state.micro_batches
        )
        with (
            note_signals(self.log.say) as self.signals,
            contextlib.closing(steps),
            self.reporter.shown(),
        ):
            while True:
                # At the top, so that a run that stopped between a step and its validation
                # continues with that validation.
                if self._should_validate(last_validation):
                    interrupted = True
                    with contextlib.suppress(KeyboardInterrupt):
                        self._validate()
                        interrupted = False
                    if interrupted:
                        state.minutes = self.clock.minutes
                        self._stop(is_saved=not self.parallel.saves_alone)
                    last_save = last_validation = state.minutes
                if self.stopping.is_over(state):
                    if self.signals:
                        self._stop()
                    break
                step, batches = next(steps)
                minutes_before = state.minutes
                with (
                    explain_out_of_memory(batches, config.batch_tokens),
                    explain_compiler_errors(config.compile),
                ):
                    self._train_step(step, batches)
                stop = self._synchronise(bool(self.signals), batches)
                state.training_minutes += state.minutes - minutes_before
                save = state.minutes - last_save >= config.save_minutes
                if save or stop or self._at_interval(config.log_every) or state.step == 1:
                    self.reporter.report()
                if stop:
                    self._stop()
                if save:
                    self._save()
                    last_save = state.minutes
        if self.stopping.note_pause(state):
            self._save()
        self.log.say(f"training ends: {self.stopping.reason(state)}")
        return state

    def _train_step(self, step: Step, batches: list[Batch]) -> None:
        """Accumulate gradients over the micro-batches of all ranks, then update the weights once.

        Nothing here waits for a GPU.
        """
        state, optim = self.state, self.config.optim
        if self.stopping.note_decay(state):
            self.reporter.report_decay()
        decayed, spent = self.stopping.decay_progress(state), self.budget.fraction_spent(state)
        rate = learning_rate(optim, state.step + 1, spent, decayed)
        for parameter in self.model.parameters():
            parameter.grad = None  # so that backward stores a new tensor instead of adding to zeros
        sums = torch.zeros(3, device=self.device)  # loss, negative log-likelihood, target tokens
        numbered = zip(step.numbers, batches, strict=True)
        for number, batch in self.parallel.micro_batches(list(numbered), step.rounds):
            seed_everything(self.config.seed, step.epoch, number)
            loss, nll = self.parallel.loss(batch.to(self.device))
            loss.backward()
            sums[0] += loss.detach()
            sums[1] += nll
            sums[2] += batch.target_tokens
        gradients = self.parallel.sum_gradients(sums)
        norm = self.parallel.norm(gradients)
        norm, skipped = apply_gradients(self.optimizer, gradients, sums[2], optim.clip, rate, norm)
        state.step += 1
        state.epoch, state.batch = step.position.epoch, step.position.batch
        state.epochs = step.progress
        self.average.update(state.step)
        self.reporter.add(sums, norm, skipped, rate)

    def _stop(self, is_saved: bool = False) -> NoReturn:
        """Save, unless that is done, and end the process after a signal."""
        if not is_saved:
            self._save()
        self.log.say(f"stopped by a signal and saved after step {self.state.step:,}: {CONTINUES}")
        raise SystemExit(self.signals.exit_code)

    def _validate(self) -> None:
        """Validate the averaged weights, save them if they are the best so far, and checkpoint.

        Raises KeyboardInterrupt at a signal, before anything is noted in the state.
        """
        self.reporter.report()
        state = self.state
        if not self.parallel.saves_alone:  # a signal may interrupt the validation of one rank only
            self._save()
        with (
            self.parallel.averaged(self.average) as model,
            eager_mode(self.config.trainer.compile),
        ):
            with self.signals.raised():
                scores = self.validator(model, self.budget.validation_minutes(state))
            metric, warmup = self.config.trainer.val_metric, self.config.optim.warmup
            improved = update_best(state, scores, metric, warmup)
            sees_plateau = self.stopping.note_validation(state, scores)
            peaks = self.group.all_gather(peak_memory(self.device))
            state.peak_memory = max(state.peak_memory, sum(peaks))
            is_last, before = self.stopping.is_over(state), state.minutes
            self._synchronise()
            if not is_last:  # else the budget, which keeps this time, would no longer be spent
                state.validation_minutes = state.minutes - before
            if not state.step:  # what precedes the first step takes nothing from the budget
                self.clock, state.minutes = TrainingClock(), 0.0
            verdict = f"best so far by {describe_criterion(state, metric)}" if improved else ""
            self.reporter.report_validation(scores, verdict, model.monitored_values())
            if sees_plateau:
                self.reporter.report_plateau(scores)
            if self.group.is_main:
                facts = {**asdict(state), "bleu": scores.comparable_bleu, "loss": scores.loss}
                tensors = model_tensors(model)
                if improved:
                    self.folder.write_tensors(self.folder.model, tensors, facts)
                keep_model(self.folder, tensors, facts, self.config.trainer.keep)
        self._save()
        self._synchronise()
        self.reporter.restart()

    def _save(self) -> None:
        """Save a checkpoint. All ranks call it, unless `parallel.saves_alone`."""
        save_checkpoint(self.folder, self.parallel, self.optimizer, self.average.shadow, self.state)

    def _synchronise(self, stop: bool = False, batches: Sequence[Batch] = ()) -> bool:
        """Exchange one message between ranks per step, and return whether any of them must stop.

        All ranks take the time of rank 0, and count the target tokens and operations of all.
        """
        state = self.state
        tokens = sum(batch.target_tokens for batch in batches)
        flops = sum(
            self.flops(
                self.objective.passes * len(batch.source),
                batch.source.shape[1],
                batch.target.shape[1],
            )
            for batch in batches
        )
        minutes = self.clock.minutes if self.group.is_main else 0.0
        message = torch.tensor([float(stop), minutes, tokens, flops], dtype=torch.float64)
        self.group.all_reduce_sum([message])
        stops, state.minutes, tokens, flops = message.tolist()
        state.target_tokens += int(tokens)
        state.flops += flops
        return stops > 0

    def _report_start(self) -> None:
        epoch = self.state.epoch
        count, padding = len(self.order.epoch(epoch)), self.order.padding(epoch)
        self.log.say(f"{count:,} batches per epoch; {padding:.1%} of their positions are padding")
        if concatenation := self.order.concatenation:
            self.log.say(concatenation.describe(epoch, self.order.epoch(epoch)))
        for note in self.validator.notes:
            self.log.say(f"note: {note}")

    def _should_validate(self, last_validation: float) -> bool:
        """Return whether a validation is due; `last_validation` is in minutes of training."""
        state, config = self.state, self.config.trainer
        late = config.val_minutes and state.minutes - last_validation >= config.val_minutes
        due = self.stopping.is_over(state) or late or self._at_interval(config.val_every)
        if not state.step:  # the weights that fine-tuning starts from are a candidate
            due = bool(config.init_from)
        return bool(due and state.validated != state.step)

    def _at_interval(self, interval: int) -> bool:
        return interval > 0 and self.state.step % interval == 0
