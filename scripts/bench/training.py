"""The training benchmark: the same text, vocabulary, architecture and batches for all."""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.contest import Entry, Result
from bench.report import contestants, failures, format_spread, ratios, table
from mt.config.compose import load_config
from mt.config.schema import Config
from mt.data.batch_order import BatchOrder
from mt.data.prepare import PreparedData, prepare_run
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.models.build import build_model
from mt.training.flops import FlopsEstimator

SAMPLE_PAIRS = 2000  # over which the cost of a token is averaged
# The Transformer that peers have, too (`require_plain` in scripts/peers/protocol.py).
PLAIN_TRANSFORMER = [
    *("model=transformer", "position=sinusoidal", "model.transformer.qk_norm=false"),
]


@dataclass
class Job:
    """The amount of work to measure, and where it runs."""

    folder: Path
    device: torch.device
    threads: int
    batch_tokens: int
    warm_up: int
    steps: int
    cpu_time: bool = False

    def overrides(self, text: Sequence[str], precision: str) -> list[str]:
        """Return overrides of mt-train: the given ones, and those of this job and precision."""
        return [
            *text,
            f"data.cache='{self.folder / 'cache'}'",
            f"trainer.batch_tokens={self.batch_tokens}",
            f"trainer.device={self.device.type}",
            f"trainer.threads={self.threads}",
            f"trainer.precision={precision}",
            "trainer.max_minutes=0",
            f"trainer.max_steps={self.warm_up + self.steps + 1}",
            "trainer.val_every=0",
            "trainer.save_minutes=1000",
        ]

    def common(self, config: Config, precision: str) -> dict[str, Any]:
        """Return the keys that every work has (scripts/peers/protocol.py)."""
        return {
            "task": "train",
            "folder": str(self.folder),
            "device": self.device.type,
            "precision": precision,
            "threads": self.threads,
            "cpu_time": self.cpu_time,
            "warm_up": self.warm_up,
            "steps": self.steps,
            "batch_tokens": self.batch_tokens,
            "model": dataclasses.asdict(config.model),
            "pad": PAD,
            "unk": UNK,
            "bos": BOS,
            "eos": EOS,
        }


class Training:
    """The training of one model family: the work for each contestant, and the table of results."""

    def __init__(self, job: Job, family: str, overrides: Sequence[str], for_peers: bool) -> None:
        """Prepare the data.

        Args:
            job: the amount of work.
            family: model family.
            overrides: overrides of mt-train that select model and text.
            for_peers: whether to write the pairs and batches that peers read.
        """
        self.job, self.family, self.run_overrides = job, family, list(overrides)
        self.config = load_config(["auto=false", *job.overrides(self.run_overrides, "fp32")])
        self.data = prepare_run(self.config, lambda line: None)
        self.vocab = self.data.tokenizer.vocab_size("tgt")
        self.cost = TokenCost(self.config, self.data)
        if for_peers:
            self._write()

    def work(self, entry: Entry) -> dict[str, Any]:
        config, optim = self.config, self.config.optim
        return self.job.common(config, entry.precision) | {
            "family": self.family,
            "vocab": self.vocab,
            "pairs": str(self.job.folder / "pairs.jsonl"),
            "batches": str(self.job.folder / "batches.json"),
            "dropout": config.model.dropout,
            "label_smoothing": optim.label_smoothing,
            "lr": optim.lr,
            "lr_warmup": optim.warmup,
            "betas": optim.betas,
            "eps": optim.eps,
            "weight_decay": optim.weight_decay,
            "clip": optim.clip,
            "seed": config.seed,
            "overrides": [
                *self.job.overrides(self.run_overrides, entry.precision),
                *entry.contestant.overrides,
            ],
        }

    def _write(self) -> None:
        """Write the pieces of all pairs, and the batches that mt makes of them."""
        order = BatchOrder(self.data.train, self.job.batch_tokens, self.config.seed)
        sources, targets = self.data.train[0].pieces(np.arange(len(self.data.train[0])))
        with open(self.job.folder / "pairs.jsonl", "w", encoding="utf-8") as file:
            for source, target in zip(sources, targets, strict=True):
                file.write(json.dumps([source.tolist(), target.tolist()]) + "\n")
        epochs = (order.epoch(number) for number in itertools.count())
        wanted = itertools.islice(
            itertools.chain.from_iterable(epochs), self.job.warm_up + self.job.steps
        )
        (self.job.folder / "batches.json").write_text(
            json.dumps([rows.tolist() for rows in wanted]), encoding="utf-8"
        )

    def table(self, entries: Sequence[Entry], peaks: dict[str, float]) -> str:
        """Return the results as Markdown."""
        header = (
            "contestant|target tokens/s|speed-up of mt|sentences/s|MFU|padding|tokens per step|"
            "first step, s|peak MiB|weights"
        )
        rows = []
        for entry in entries:
            if not entry.results:
                continue
            speeds, last = [speed(each) for each in entry.results], entry.results[-1]
            sentence_speeds = [each["sentences"] / each["seconds"] for each in entry.results]
            share = statistics.median(speeds) * self.cost.flops / peaks[entry.precision]
            rows.append(
                [
                    entry.name,
                    format_spread(speeds),
                    format_spread(ratios(entry, entries, speed), ".2f"),
                    f"{statistics.median(sentence_speeds):,.0f}",
                    f"{share:.1%}",
                    f"{padding(last):.1%}",
                    f"{last['target_tokens'] / last['steps']:,.0f}",
                    format_spread([each["first_step"] for each in entry.results], ".1f"),
                    format_spread([each["memory"] / 2**20 for each in entry.results]),
                    f"{last['weights'] / 1e6:.1f} M",
                ]
            )
        found = table(header.split("|"), rows)
        return f"{found}\n{failures(entries)}\n\n{self.cost.describe()} {contestants(entries)}."


def speed(result: Result) -> float:
    """Return target tokens per second, with EOS and without padding."""
    return result["target_tokens"] / result["seconds"]


def padding(result: Result) -> float:
    """Return the share of source and target positions that are padding."""
    return result["padding"] if "padding" in result else 1 - result["real"] / result["padded"]


class TokenCost:
    """Floating-point operations of training per target token, forward and backward.

    The average over a sample of the text, without padding.
    """

    def __init__(self, config: Config, data: PreparedData) -> None:
        self.cost = FlopsEstimator(build_model(config.model, *data.tokenizer.sizes))
        pairs = data.train[0]
        rows = np.random.default_rng(0).permutation(len(pairs))[:SAMPLE_PAIRS]
        self.source, self.target = pairs.src_lengths[rows], pairs.tgt_lengths[rows]
        total = sum(
            self.cost(1, int(s), int(t)) for s, t in zip(self.source, self.target, strict=True)
        )
        self.flops = total / int(self.target.sum())

    def describe(self) -> str:
        """Return the cost as a sentence."""
        terms = zip(self.cost.coefficients, ("", " S", " T", " S²", " ST", " T²"), strict=True)
        # Smaller coefficients are rounding errors of the fit.
        parts = " + ".join(f"{value / 1e6:.3g}{term}" for value, term in terms if abs(value) > 1)
        return (
            f"A pair of S source and T target pieces costs {parts} MFLOP, forward and backward "
            "(matrix products, counted by mt/training/flops.py): with "
            f"{self.source.mean():.1f} and {self.target.mean():.1f} pieces on average, "
            f"{self.flops / 1e6:.1f} MFLOP per target token."
        )
