"""Measure the speed of translation, of mt and of other toolkits with the same weights.

    python scripts/bench_translate.py                    # trains a small model first
    python scripts/bench_translate.py --run runs/multi30k --peer ct2=ct2/bin/python
    python scripts/bench_translate.py --run runs/demo --variant large=batch_tokens=16384
    python scripts/bench_translate.py --run runs/demo --variant before=checkout=../old

All contestants translate the same lines with the same weights, beam size, length penalty, and
batches of `--batch` sentences (for mt: the same number of tokens). Each measurement runs in a
process of its own, after one batch as warm-up. The contestants take turns, `--repeats` times. The
table has median and range of sentences per second, the speed of mt relative to each contestant
(round by round), BLEU, the share of outputs that are equal to those of mt, time from the start of
the process until the model is loaded, and peak memory. For mt, the measurement includes the
conversion between text and pieces; for peers it does not.

Peers need a Transformer with pre-norm layers, sinusoidal positions, queries and keys that are not
normalised, and a shared vocabulary, such as `model=transformer position=sinusoidal
model.transformer.qk_norm=false` or `experiment=multi30k`. Without --run, a model is trained on the
embedded corpus for `--train-steps` steps. All other arguments are overrides for that training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.contest import build_entries, run_contest
from bench.options import add_shared_flags, prepare
from bench.report import command_line, describe_setting, matrix_peak, record
from bench.training import PLAIN_TRANSFORMER
from bench.translation import Text, Translation, train_model
from mt.cli import run_command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", type=Path, help="run directory (default: train a model)")
    steps = "without --run: number of training steps (default: 300)"
    add("--train-steps", type=int, default=300, help=steps)
    add("--src", default="", help="text to translate (default: the run's test set)")
    add("--ref", default="", help="reference translations of --src")
    add("--lines", type=int, default=0, help="translate the first N lines; 0: all (default)")
    add("--beams", nargs="+", type=int, default=[1, 5], help="beam sizes (default: 1 5)")
    add("--batch", type=int, default=64, help="sentences per batch (default: 64)")
    add_shared_flags(parser, "NAME=SETTING,...", "arguments of mt.load")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, overrides = parser.parse_known_args(arguments)
    run_command(lambda: bench(options, overrides, command_line(__file__, arguments)))


def bench(options: argparse.Namespace, overrides: list[str], command_line: str) -> None:
    """Measure, and print a table for each beam size.

    Raises MTError if mt fails; the failure of a peer is a line below the table.
    """
    with prepare(options) as (device, precisions, folder):
        run = options.run or train_model(folder, [*demo(options), *overrides])
        text = Text.load(run, options.src, options.ref, options.lines)
        work = Translation(
            folder, run, text, device, torch.get_num_threads(), options.batch, options.cpu_time
        )
        peaks = {
            precision: matrix_peak(device, precision, options.cpu_time) for precision in precisions
        }
        hardware = describe_setting(device, work.threads, peaks, options.cpu_time)
        print(f"{command_line}\n\n{hardware}\n", flush=True)
        for beam in options.beams:
            entries = build_entries(options.peer, options.variant, precisions)
            run_contest(entries, lambda entry: work.work(entry, beam), options.repeats)  # noqa: B023
            model = f"{work.config.model.encoder} to {work.config.model.decoder}"
            title = f"{model}, beam {beam}, {len(text.sources):,} lines, batches of {work.batch}"
            print(f"{title}\n\n{work.table(entries)}\n", flush=True)
            record(options.record, title, entries, command=command_line)


def demo(options: argparse.Namespace) -> list[str]:
    """Return the overrides that train a model of usual size that peers support.

    It is trained until it ends its sentences.
    """
    return [
        "data=demo",
        "data.train.subset=core",
        *PLAIN_TRANSFORMER,
        "model.dropout=0",
        "optim=muon",
        "optim.lr=5e-3",
        "optim.warmup=100",
        "trainer.batch_tokens=1024",
        "trainer.max_minutes=0",
        f"trainer.max_steps={options.train_steps}",
        "trainer.val_every=0",
        "trainer.test_beam=1",
        f"trainer.threads={options.threads}",
        f"trainer.device={options.device}",
    ]


if __name__ == "__main__":
    main()
