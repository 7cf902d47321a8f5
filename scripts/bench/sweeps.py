"""Sweeps: the cost of training by sentence length, model, vocabulary and corpus size.

They measure mt alone, on synthetic text.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.contest import Entry, parse_variant, run_contest
from bench.report import contestants, format_spread, record, table
from bench.texts import write_synthetic
from bench.training import Job, TokenCost, padding, speed
from mt.config.compose import load_config
from mt.data.prepare import prepare_run

# Vocabulary of the length sweep: so few words that each becomes one piece.
LENGTH_SWEEP_WORDS = 2_000
LENGTH_SWEEP_PIECES = 3_000
# Minimum text size of the length sweep, in words: its rare words must occur in the text.
MIN_LENGTH_SWEEP_TEXT = 400_000
TEXT_PAIRS = 60_000  # enough for a vocabulary of 64,000


@dataclass(frozen=True)
class Sweep:
    """A property to vary, its values, and the text and the overrides for each value."""

    heading: str
    values: tuple[str, ...]
    prepare_value: Callable[[str, Job], tuple[tuple[Path, Path], list[str]]]
    prepares: bool = False  # the preparation of the corpus is measured too
    batch_tokens: int = 0  # 0: the value of --batch-tokens


def by_length(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    """Prepare sentences of one length."""
    length = int(value)
    tokens = 2 * (job.warm_up + job.steps) * job.batch_tokens
    pairs = max(MIN_LENGTH_SWEEP_TEXT // length, tokens // length)
    text = write_synthetic(job.folder / "text", pairs, length - 1, words=LENGTH_SWEEP_WORDS)
    return text, [
        f"data.tokenizer.vocab_size={LENGTH_SWEEP_PIECES}",
        f"data.max_pieces={2 * length}",
        "data.clean.max_words=0",
        "data.clean.max_chars=0",
    ]


def by_model(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    """Prepare a model of one size."""
    return write_synthetic(job.folder / "text", TEXT_PAIRS), [f"model/size={value}"]


def by_vocabulary(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    """Prepare a vocabulary of one size."""
    return write_synthetic(job.folder / "text", TEXT_PAIRS), [f"data.tokenizer.vocab_size={value}"]


def by_corpus(value: str, job: Job) -> tuple[tuple[Path, Path], list[str]]:
    """Prepare a corpus of one size."""
    return write_synthetic(job.folder / "text", int(value)), [
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
    """Measure mt for each value and family, in turns; return a Markdown table."""
    chosen = SWEEPS[name]
    job = replace(job, batch_tokens=chosen.batch_tokens or job.batch_tokens)
    works: dict[str, dict[str, Any]] = {}
    costs: dict[str, TokenCost] = {}
    entries: list[Entry] = []
    for family in options.families:
        for value in options.values or chosen.values:
            (src, tgt), value_overrides = chosen.prepare_value(value, job)
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
            run_overrides = [*text, f"model={family}", *sized, *vocab, *value_overrides, *overrides]
            contestant = replace(parse_variant("mt="), name=f"{family} {value}")
            entries.append(Entry(contestant, precision))
            config = load_config(["auto=false", *job.overrides(run_overrides, precision)])
            mt_overrides = job.overrides(run_overrides, precision)
            if chosen.prepares:
                mt_overrides.append(f"data.cache='{job.folder}/cache-{family}-{value}'")
            else:
                costs[contestant.name] = TokenCost(config, prepare_run(config, lambda line: None))
            works[contestant.name] = job.common(config, precision) | {"overrides": mt_overrides}
    run_contest(
        entries,
        lambda entry: works[entry.contestant.name],
        1 if chosen.prepares else options.repeats,
    )
    record(options.record, f"sweep {name}", entries, peaks=peaks)
    rows = [
        format_row(entry, costs.get(entry.contestant.name), peaks[precision]) for entry in entries
    ]
    columns = (
        "target tokens per sentence|target tokens/s|MFU|padding|preparing, s|first step, s|peak MiB"
    )
    header = ["family", chosen.heading, *columns.split("|")]
    setting = f"{precision}, batches of {job.batch_tokens:,} tokens; {contestants(entries[:1])}."
    return f"{table(header, rows)}\n\n{setting}"


def format_row(entry: Entry, cost: TokenCost | None, peak: float) -> list[str]:
    """Return the cells of an entry."""
    results, (family, value) = entry.results, entry.contestant.name.split()
    speeds, last = [speed(each) for each in results], results[-1]
    return [
        family,
        f"{int(value):,}" if value.isdigit() else value,
        f"{last['target_tokens'] / last['sentences']:,.1f}",
        format_spread(speeds),
        f"{statistics.median(speeds) * cost.flops / peak:.1%}" if cost else "",
        f"{padding(last):.1%}",
        f"{last['preparing']:.1f}",
        format_spread([each["first_step"] for each in results], ".1f"),
        format_spread([each["memory"] / 2**20 for each in results]),
    ]
