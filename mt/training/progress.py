"""Progress lines and metric records of training."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.errors import MTError
from mt.progress_display import LiveLine, display, format_duration
from mt.training.checkpoint import TrainingState
from mt.training.run_log import RunLog
from mt.training.stopping import StoppingRule
from mt.training.validation import ValidationScores

MAX_SKIPPED_STEPS = 20  # in a row; more mean that training has diverged


class ProgressReporter:
    """Accumulate the metrics of training steps and report them, and those of validations."""

    def __init__(self, log: RunLog, stopping: StoppingRule, state: TrainingState) -> None:
        self.log, self.stopping, self.state = log, stopping, state
        self.skipped_in_a_row = 0
        self.bar, self.details = LiveLine("training"), LiveLine("")
        self.loss = self.speed = self.bleu = ""  # for the display
        if state.curve:
            self.bleu = f"BLEU {state.curve[-1][1]:.2f}"
        self.restart()

    def shown(self) -> contextlib.AbstractContextManager[None]:
        """Show the progress on a terminal, in two live lines, until the end of a `with` block."""
        return self.log.show(self.bar, self.details)

    def restart(self) -> None:
        """Begin a new interval now; time until now does not count in its tokens per second."""
        self.accumulator = MetricAccumulator(self.state.minutes)

    def add(self, sums: Tensor, norm: Tensor, skipped: Tensor, rate: float) -> None:
        """Add the metrics of a step; see `MetricAccumulator.add`."""
        self.accumulator.add(sums, norm, skipped, rate)
        if display.live:
            self._update_display()

    def _update_display(self) -> None:
        state = self.state
        left = self.stopping.time_left(state)
        self.bar.share = left.share_done(state.minutes)
        self.bar.fields = [left.describe(), f"after {format_duration(state.minutes)}"]
        numbers = [f"step {state.step:,}", self.loss, self.bleu, self.speed]
        self.details.fields = [*numbers, f"epoch {state.epochs:.2f}"]
        display.refresh()

    def report(self) -> None:
        """Log and record the means since the last report, and count the skipped steps.

        Raises MTError if too many steps in a row were skipped.
        """
        state = self.state
        metrics = self.accumulator.pop(state.minutes)
        if not metrics.steps:
            return
        self._count_skipped(metrics)
        left = self.stopping.time_left(state)
        self.loss = f"loss {metrics.loss:.3f}"
        self.speed = f"{metrics.tokens_per_second:,.0f} tok/s"
        self.log.say_progress(
            f"step {state.step:,}  epoch {state.epochs:.2f}  {self.loss}  "
            f"ppl {metrics.perplexity:.2f}  lr {metrics.rate:.2e}  norm {metrics.norm:.2f}  "
            f"{self.speed}  {format_duration(state.minutes)}, "
            f"{left.describe()}"
        )
        self.log.record(
            "train",
            state.step,
            epoch=state.epochs,
            minutes=state.minutes,
            **left._asdict(),
            loss=metrics.loss,
            nll=metrics.nll,
            lr=metrics.rate,
            gradient_norm=metrics.norm,
            tokens_per_second=metrics.tokens_per_second,
            target_tokens=state.target_tokens,
            skipped=state.skipped,
        )

    def _count_skipped(self, metrics: IntervalMetrics) -> None:
        self.state.skipped += metrics.skipped
        all_skipped = metrics.skipped == metrics.steps
        self.skipped_in_a_row = self.skipped_in_a_row + metrics.steps if all_skipped else 0
        if metrics.skipped:
            self.log.say(
                f"warning: {metrics.skipped} of the last {metrics.steps} steps were skipped, "
                "because their gradients were not finite"
            )
        if self.skipped_in_a_row >= MAX_SKIPPED_STEPS:
            reason = (
                f"the gradients of the last {self.skipped_in_a_row} steps were not finite: "
                "lower optim.lr, raise optim.warmup, or set trainer.precision=fp32"
            )
            self.log.record("diverged", self.state.step, reason=reason)
            raise MTError(reason)

    def report_validation(
        self, scores: ValidationScores, verdict: str, monitored: dict[str, float]
    ) -> None:
        """Log and record the scores of a validation, and the values that the model monitors.

        `verdict` says that the model is the best so far; empty if it is not. Scores of sets that
        do not decide are recorded as NAME/bleu and NAME/loss.
        """
        state = self.state
        if scores.bleu is not None:
            self.bleu = f"BLEU {scores.bleu:.2f}"
        for line in scores.samples:
            self.log.say(line)
        best = verdict and f"  ({verdict})"
        when = f"validation at step {state.step:,}" if state.step else "before the first step"
        self.log.say(f"{when}: {scores.summary()}{best}")
        others: dict[str, float | None] = {}
        for name, other in scores.others.items():
            self.log.say(f"  {name}: {other.summary()}")
            others |= {f"{name}/bleu": other.comparable_bleu, f"{name}/loss": other.loss}
        if monitored:
            values = (f"{name} {value:.2f}" for name, value in monitored.items())
            self.log.say("  " + ", ".join(values))
        self.log.record(
            "val",
            state.step,
            minutes=state.minutes,
            training_minutes=state.training_minutes,
            target_tokens=state.target_tokens,
            flops=state.flops,
            bleu=scores.comparable_bleu,
            loss=scores.loss,
            **others,
            **monitored,
        )

    def report_plateau(self, scores: ValidationScores) -> None:
        """Log and record that this validation has seen the plateau."""
        step = self.state.step
        self.log.say(
            f"plateau at step {step:,}: since step {step // 2:,}, BLEU and loss have improved by "
            "less than the thresholds of trainer.until=plateau"
        )
        self.log.record("plateau", step, bleu=scores.bleu, loss=scores.loss)

    def report_decay(self) -> None:
        """Log and record that the final decay of the learning rate begins with the next step."""
        step = self.state.decay_step
        has_plateau = self.stopping.has_plateau(self.state)
        reason = "after the plateau" if has_plateau else "before the budget is spent"
        self.log.say(f"the learning rate decays from step {step:,} on, {reason} (optim.decay)")
        self.log.record("decay", step, minutes=self.state.minutes)


class MetricAccumulator:
    """Sums over training steps, kept on the device until they are read."""

    def __init__(self, minutes: float) -> None:
        self.start, self.steps, self.rate = minutes, 0, 0.0
        self.sums: Tensor | None = None

    def add(self, sums: Tensor, norm: Tensor, skipped: Tensor, rate: float) -> None:
        """Add a step: sums [3] (loss, nll, target tokens), gradient norm, 1.0 if it was skipped.

        Loss, tokens and norm of a skipped step do not count.
        """
        parts = torch.cat((sums, norm[None], 1 - skipped[None]))
        parts = torch.where(skipped.bool(), 0.0, parts)
        self.sums = parts if self.sums is None else self.sums + parts
        self.steps, self.rate = self.steps + 1, rate

    def pop(self, minutes: float) -> IntervalMetrics:
        """Return the means since the last call, and begin a new interval at `minutes`."""
        sums = self.sums if self.sums is not None else torch.zeros(5)
        loss, nll, tokens, norm, applied = sums.tolist()
        seconds = max(1e-9, (minutes - self.start) * 60)
        metrics = IntervalMetrics(
            loss=loss / max(1, tokens),
            nll=nll / max(1, tokens),
            norm=norm / max(1, applied),
            rate=self.rate,
            tokens_per_second=tokens / seconds,
            steps=self.steps,
            skipped=self.steps - int(applied),
        )
        self.start, self.steps, self.sums = minutes, 0, None
        return metrics


@dataclass
class IntervalMetrics:
    """Means over the training steps since the last report."""

    loss: float  # training loss, in nats per target token
    nll: float  # negative log-likelihood, in nats per target token
    norm: float  # of the gradient before clipping
    rate: float  # learning rate of the last step
    tokens_per_second: float  # target tokens
    steps: int
    skipped: int

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nll, 700))
