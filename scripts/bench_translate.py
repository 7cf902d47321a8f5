"""How fast it translates, against itself and against others, with the same weights.

    python scripts/bench_translate.py                                        # trains a small model first
    python scripts/bench_translate.py --run runs/multi30k --peer ct2=ct2/bin/python --peer ct2+int8=ct2/bin/python
    python scripts/bench_translate.py --run runs/demo --variant large=batch_tokens=16384 --variant before=checkout=../old

All contestants translate the same lines with the same weights, beam, length penalty, and batches of
`--batch` sentences (mt: as many tokens as these have). Each measurement is a process of its own, in
which one batch goes before; the contestants take turns, `--repeats` times. Printed are median and
range of sentences a second, how many times as fast mt is (round by round), BLEU, the share of
outputs that are mt's to the letter, the time from the start of the process until the model is
there, and peak memory. mt goes from text to text; peers get pieces, and theirs become text outside
the measurement.

Peers take Transformers with pre-norm layers, sinusoidal positions and one vocabulary, as
`model=transformer` is. Without --run a model is trained on the embedded corpus, `--train-steps`
steps; further arguments are overrides of that training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from bench.contest import contest, line_up
from bench.options import add_shared, prepared
from bench.report import command, matrix_peak, record, setting
from bench.translation import Text, Translation, train_model
from mt.cli import run_command


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--run", type=Path, help="trained run directory (default: one is trained)")
    add(
        "--train-steps",
        type=int,
        default=300,
        help="without --run: how long it is trained (default: 300)",
    )
    add("--src", default="", help="text to translate (default: the run's test set)")
    add("--ref", default="", help="its reference translation")
    add("--lines", type=int, default=0, help="translate only the first so many; 0: all (default)")
    add("--beams", nargs="+", type=int, default=[1, 5], help="beam sizes (default: 1 5)")
    add("--batch", type=int, default=64, help="sentences translated together (default: 64)")
    add_shared(parser, "NAME=SETTING,...", "arguments of mt.load")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, overrides = parser.parse_known_args(arguments)
    run_command(lambda: bench(options, overrides, command(__file__, arguments)))


def bench(options: argparse.Namespace, overrides: list[str], called: str) -> None:
    with prepared(options) as (device, precisions, folder):
        run = options.run or train_model(folder, [*demo(options), *overrides])
        text = Text.of(run, options.src, options.ref, options.lines)
        work = Translation(
            folder, run, text, device, torch.get_num_threads(), options.batch, options.cpu_time
        )
        peaks = {
            precision: matrix_peak(device, precision, options.cpu_time) for precision in precisions
        }
        print(f"{called}\n\n{setting(device, work.threads, peaks, options.cpu_time)}\n", flush=True)
        for beam in options.beams:
            entries = line_up(options.peer, options.variant, precisions)
            contest(entries, lambda entry: work.work(entry, beam), options.repeats)  # noqa: B023 - used at once
            model = f"{work.config.model.encoder} to {work.config.model.decoder}"
            title = f"{model}, beam {beam}, {len(text.sources):,} lines, batches of {work.batch}"
            print(f"{title}\n\n{work.table(entries)}\n", flush=True)
            record(options.record, title, entries, command=called)


def demo(options: argparse.Namespace) -> list[str]:
    """A model of usual size that has learned enough to end its sentences, of the kind that peers take."""
    return [
        "data=demo",
        "data.train.subset=core",
        "model=transformer",
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
