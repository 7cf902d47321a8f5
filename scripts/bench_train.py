"""Measure the speed of training, of mt and of other toolkits on the same work.

    python scripts/bench_train.py             # Transformer and RNN, bf16 and fp32, embedded corpus
    python scripts/bench_train.py --src train.en.gz --tgt train.de.gz --peer hf=hf/bin/python
    python scripts/bench_train.py --variant muon=optim=muon --variant before=checkout=../old
    python scripts/bench_train.py --sweep length

All contestants get the same text, SentencePiece model, architecture, batch tokens, precision and
dropout. Each measurement runs in a process of its own: `--warm-up` steps, then `--steps` measured
ones. The contestants take turns, `--repeats` times. The table has median and range of target tokens
per second (without padding), the speed of mt relative to each contestant (round by round),
sentences per second, model FLOPs utilisation (MFU: without the cost of padding, relative to the
measured peak of matrix products), time from the start of the process to the end of the first step,
and peak memory.

A peer runs under the interpreter that is named with it; the files in scripts/peers say how to
create one. Peers have no rotary positions, so with them all Transformers are those of the paper:
sinusoidal positions, and queries and keys that are not normalised. `+malloc` after the name of a
peer gives it the allocator settings of mt. All other arguments are overrides for mt-train.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from bench import texts
from bench.contest import build_entries, run_contest
from bench.options import add_shared_flags, prepare
from bench.report import command_line, describe_setting, matrix_peak, record
from bench.sweeps import SWEEPS, sweep
from bench.training import PLAIN_TRANSFORMER, Job, Training
from mt.cli import run_command


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    text = "the embedded corpus, or random words (default: demo)"
    add("--text", choices=("demo", "made"), default="demo", help=text)
    add("--src", default="", help="file with the source side of another text")
    add("--tgt", default="", help="file with its target side")
    add("--pairs", type=int, default=20_000, help="use the first N pairs (default: 20000)")
    families = ("transformer", "rnn")
    add("--families", nargs="+", choices=families, default=list(families), help="default: both")
    add("--size", default="small", help="one of configs/model/size (default: small)")
    add("--vocab", type=int, default=0, help="size of the vocabulary (default: of the preset)")
    tokens = "tokens per batch on the longer side, including padding (default: 4096)"
    add("--batch-tokens", type=int, default=4096, help=tokens)
    add("--steps", type=int, default=20, help="number of measured steps (default: 20)")
    add("--warm-up", type=int, default=5, help="number of steps before them (default: 5)")
    add("--sweep", choices=SWEEPS, help="measure mt alone, as one property of the work grows")
    add("--values", nargs="+", help="values of the sweep")
    add_shared_flags(parser, "NAME=OVERRIDE,...", "settings")
    arguments = sys.argv[1:] if arguments is None else arguments
    options, overrides = parser.parse_known_args(arguments)
    run_command(lambda: bench(options, overrides, command_line(__file__, arguments)))


def bench(options: argparse.Namespace, overrides: list[str], command_line: str) -> None:
    """Measure, and print the tables.

    Raises MTError if mt fails; the failure of a peer is a line below the table.
    """
    cpu_time = options.cpu_time
    with prepare(options) as (device, precisions, folder):
        job = Job(
            folder,
            device,
            torch.get_num_threads(),
            options.batch_tokens,
            options.warm_up,
            options.steps,
            cpu_time,
        )
        peaks = {precision: matrix_peak(device, precision, cpu_time) for precision in precisions}
        print(f"{command_line}\n", flush=True)
        if options.sweep:
            table = sweep(options.sweep, options, job, precisions[0], peaks, overrides)
            print(
                f"{describe_setting(device, job.threads, peaks, cpu_time)}\n\n{table}", flush=True
            )
            return
        text = texts.data_overrides(
            options.text, options.src, options.tgt, folder / "text", options.pairs
        )
        for family in options.families:
            entries = build_entries(options.peer, options.variant, precisions)
            for_peers = bool(options.peer)
            chosen = model(family, options.size, options.vocab, for_peers)
            family_overrides = [*text, *chosen, *overrides]
            training = Training(job, family, family_overrides, for_peers)
            run_contest(entries, training.work, options.repeats)
            # Measure the peak again and keep the higher value: the first measurement may have
            # shared the machine with other work.
            peaks = {
                precision: max(peak, matrix_peak(device, precision, cpu_time))
                for precision, peak in peaks.items()
            }
            title = (
                f"{family}, {options.size}, vocabulary of {training.vocab:,}, "
                f"batches of {options.batch_tokens:,} tokens"
            )
            hardware = describe_setting(device, job.threads, peaks, cpu_time)
            print(f"{title}\n\n{training.table(entries, peaks)}\n\n{hardware}\n", flush=True)
            record(
                options.record,
                title,
                entries,
                command=command_line,
                peaks=peaks,
                flops=training.cost.flops,
            )


def model(family: str, size: str, vocab: int, for_peers: bool) -> list[str]:
    """Return the overrides of mt-train for a model, of which peers may have to train the same."""
    plain = for_peers and family == "transformer"
    return [
        *(PLAIN_TRANSFORMER if plain else [f"model={family}"]),
        f"model/size={size}",
        *([f"data.tokenizer.vocab_size={vocab}"] if vocab else []),
    ]


if __name__ == "__main__":
    main()
