"""How the cost of training grows with the work: sentence length, model, vocabulary, corpus. mt alone, on made-up text."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.contest import Entry, contest, variant
from bench.report import contestants, record, spread, table
from bench.texts import write_made
from bench.training import Job, TokenCost, padding, speed
from mt.config.compose import load_config
from mt.data.prepare import prepare_run

COMMON_WORDS, COMMON_PIECES = (
    2_000,
    3_000,
)  # of the length sweep: so few words that each is one piece
LENGTH_WORDS = 400_000  # that the length sweep's text has at least: its rare words must be there for the vocabulary
TEXT_PAIRS = 60_000  # enough for a vocabulary of 64,000


@dataclass(frozen=True)
class Sweep:
    """What is varied, over which values, and the text and overrides of a value."""

    heading: str
    values: tuple[str, ...]
    of_value: Callable[[str, Job], tuple[tuple[Path, Path], list[str]]]
    prepares: bool = False  # each measurement prepares the corpus itself, and that is measured too
    batch_tokens: int = 0  # 0: as asked for


def by_length(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    pairs = max(
        LENGTH_WORDS // int(value), 2 * (job.warm_up + job.steps) * job.batch_tokens // int(value)
    )
    text = write_made(job.folder / "text", pairs, int(value) - 1, words=COMMON_WORDS)
    vocab = f"data.tokenizer.vocab_size={COMMON_PIECES}"
    return text, [
        vocab,
        f"data.max_pieces={2 * int(value)}",
        "data.clean.max_words=0",
        "data.clean.max_chars=0",
    ]


def by_model(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    return write_made(job.folder / "text", TEXT_PAIRS), [f"model/size={value}"]


def by_vocabulary(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    return write_made(job.folder / "text", TEXT_PAIRS), [f"data.tokenizer.vocab_size={value}"]


def by_corpus(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    return write_made(job.folder / "text", int(value)), [
        f"data.tokenizer.train_lines={min(int(value), 200_000)}"
    ]


SWEEPS = {
    "length": Sweep(
        "source words, with EOS", ("16", "64", "256", "1024", "2048"), by_length, batch_tokens=8192
    ),
    "model": Sweep("size", ("tiny", "small", "base"), by_model),
    "vocab": Sweep("vocabulary", ("8000", "16000", "32000", "64000"), by_vocabulary),
    "corpus": Sweep("pairs", ("10000", "100000", "1000000"), by_corpus, prepares=True),
}


def sweep(
    name: str,
    options: argparse.Namespace,
    job: Job,
    precision: str,
    peaks: dict[str, float],
    overrides: Sequence[str],
) -> str:
    """Measure mt for each value and family; a Markdown table. Values take turns as contestants do."""
    chosen = SWEEPS[name]
    job = replace(job, batch_tokens=chosen.batch_tokens or job.batch_tokens)
    works: dict[str, dict[str, Any]] = {}
    costs: dict[str, TokenCost] = {}
    entries: list[Entry] = []
    for family in options.families:
        for value in options.values or chosen.values:
            (src, tgt), own = chosen.of_value(value, job)
            text = [
                "data=files",
                f"data.train.src='{src}'",
                f"data.train.tgt='{tgt}'",
                "data.holdout=20",
            ]
            sized = [] if name == "model" else [f"model/size={options.size}"]
            vocab = (
                [f"data.tokenizer.vocab_size={options.vocab}"]
                if options.vocab and name != "vocab"
                else []
            )
            all_own = [*text, f"model={family}", *sized, *vocab, *own, *overrides]
            contestant = replace(variant("mt="), name=f"{family} {value}")
            entries.append(Entry(contestant, precision))
            config = load_config(job.overrides(all_own, precision))
            told = job.overrides(all_own, precision)
            if chosen.prepares:
                told.append(f"data.cache='{job.folder}/cache-{family}-{value}'")
            else:
                costs[contestant.name] = TokenCost(config, prepare_run(config, lambda line: None))
            works[contestant.name] = job.common(config, precision) | {"overrides": told}
    contest(
        entries,
        lambda entry: works[entry.contestant.name],
        1 if chosen.prepares else options.repeats,
    )
    record(options.record, f"sweep {name}", entries, peaks=peaks)
    rows = [row(entry, costs.get(entry.contestant.name), peaks[precision]) for entry in entries]
    header = ["family", chosen.heading, "target tokens a sentence", "target tokens/s", "MFU", "padding", "preparing, s", "first step, s",
              "peak MiB"]  # fmt: skip
    return f"{table(header, rows)}\n\n{precision}, batches of {job.batch_tokens:,} tokens; {contestants(entries[:1])}."


def row(entry: Entry, cost: TokenCost | None, peak: float) -> list[str]:
    results, (family, value) = entry.results, entry.contestant.name.split()
    speeds, last = [speed(each) for each in results], results[-1]
    return [
        family,
        f"{int(value):,}" if value.isdigit() else value,
        f"{last['target_tokens'] / last['sentences']:,.1f}",
        spread(speeds),
        f"{statistics.median(speeds) * cost.flops / peak:.1%}" if cost else "",
        f"{padding(last):.1%}",
        f"{last['preparing']:.1f}",
        spread([each["first_step"] for each in results], ".1f"),
        spread([each["memory"] / 2**20 for each in results]),
    ]
