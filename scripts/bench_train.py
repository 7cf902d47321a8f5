"""How fast it trains, against itself and against others, on the same work.

    python scripts/bench_train.py                                              # both families, bf16 and fp32, on the embedded corpus
    python scripts/bench_train.py --src train.en.gz --tgt train.de.gz --families transformer --peer hf=hf/bin/python
    python scripts/bench_train.py --variant muon=optim=muon --variant before=checkout=../old
    python scripts/bench_train.py --sweep length

All contestants get the same text, SentencePiece model, architecture, batch tokens, precision and
dropout. Each measurement is a process of its own: `--warm-up` steps, then `--steps` measured ones;
the contestants take turns, `--repeats` times. Printed are median and range of target tokens a
second (real ones, padding not counted), how many times as fast mt is (round by round), sentences a
second, the share of the hardware's measured matrix-product peak that the model's operations are
(MFU; what padding costs is not counted), time from the start of the process to the end of the first
step, peak memory.

Peers run under the interpreter that is named with them; the files in scripts/peers say how to make
one. `+malloc` after a peer's name gives it the allocator settings that mt makes by itself. Further
arguments are overrides for mt-train.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from bench import texts
from bench.contest import contest, line_up
from bench.options import add_shared, prepared
from bench.report import command, matrix_peak, record, setting
from bench.sweeps import SWEEPS, sweep
from bench.training import Job, Training
from mt.cli import run_command


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--text",
        choices=("demo", "made"),
        default="demo",
        help="the embedded corpus, or made-up words (default: demo)",
    )
    add("--src", default="", help="source side of the text, instead")
    add("--tgt", default="", help="target side of it")
    add("--pairs", type=int, default=20_000, help="use the first so many (default: 20000)")
    add(
        "--families",
        nargs="+",
        choices=("transformer", "rnn"),
        default=["transformer", "rnn"],
        help="default: both",
    )
    add("--size", default="small", help="one of configs/model/size (default: small)")
    add(
        "--vocab",
        type=int,
        default=0,
        help="pieces of the vocabulary (default: of the text's preset)",
    )
    add(
        "--batch-tokens",
        type=int,
        default=4096,
        help="padding included, on the longer side (default: 4096)",
    )
    add("--steps", type=int, default=20, help="measured steps (default: 20)")
    add("--warm-up", type=int, default=5, help="steps before them (default: 5)")
    add("--sweep", choices=SWEEPS, help="instead: mt alone as the work grows")
    add("--values", nargs="+", help="what the sweep goes through")
    add_shared(parser, "NAME=OVERRIDE,...", "settings")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, overrides = parser.parse_known_args(arguments)
    run_command(lambda: bench(options, overrides, command(__file__, arguments)))


def bench(options: argparse.Namespace, overrides: list[str], called: str) -> None:
    with prepared(options) as (device, precisions, folder):
        job = Job(
            folder,
            device,
            torch.get_num_threads(),
            options.batch_tokens,
            options.warm_up,
            options.steps,
            options.cpu_time,
        )
        peaks = {
            precision: matrix_peak(device, precision, options.cpu_time) for precision in precisions
        }
        print(f"{called}\n", flush=True)
        if options.sweep:
            found = sweep(options.sweep, options, job, precisions[0], peaks, overrides)
            print(f"{setting(device, job.threads, peaks, options.cpu_time)}\n\n{found}", flush=True)
            return
        text = texts.overrides(
            options.text, options.src, options.tgt, folder / "text", options.pairs
        )
        for family in options.families:
            entries = line_up(options.peer, options.variant, precisions)
            own = [*text, *model(family, options.size, options.vocab), *overrides]
            training = Training(job, family, own, for_peers=bool(options.peer))
            contest(entries, training.work, options.repeats)
            # Again, for the higher of both: something else may have run beside the first.
            peaks = {
                precision: max(peak, matrix_peak(device, precision, options.cpu_time))
                for precision, peak in peaks.items()
            }
            title = f"{family}, {options.size}, vocabulary of {training.vocab:,}, batches of {options.batch_tokens:,} tokens"
            print(
                f"{title}\n\n{training.table(entries, peaks)}\n\n{setting(device, job.threads, peaks, options.cpu_time)}\n",
                flush=True,
            )
            record(
                options.record,
                title,
                entries,
                command=called,
                peaks=peaks,
                flops=training.cost.flops,
            )


def model(family: str, size: str, vocab: int) -> list[str]:
    """Overrides of mt-train."""
    return [
        f"model={family}",
        f"model/size={size}",
        *([f"data.tokenizer.vocab_size={vocab}"] if vocab else []),
    ]


if __name__ == "__main__":
    main()
