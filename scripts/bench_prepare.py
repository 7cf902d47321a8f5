"""Measure the preparation of a corpus with several numbers of processes, and the start on it.

    python scripts/bench_prepare.py --pairs 1000000 --workers 1 2
    python scripts/bench_prepare.py data.max_pieces=128 --src train.en.gz --tgt train.de.gz

Each preparation runs in a process of its own, with an empty cache, on the same text: that of the
files, or random words (`bench/texts.py`). The table has the wall-clock time, its ratio to the first
number of workers, the CPU time of the main process and of the others (SentencePiece included), and
the largest memory of a process. The last line is the time in which a training finds the prepared
corpus and has its first batch. All preparations must write the same files. Settings of mt-train
come first.

    python scripts/bench_prepare.py --order 10000000

This measures the order of an epoch alone, for pairs of random lengths.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.report import command_line, table
from bench.texts import write_synthetic
from mt.cli import run_command, say
from mt.errors import MTError

MIB = 1024  # of the unit of ru_maxrss, KiB
BATCH_TOKENS = 8192
CHUNK_PAIRS = 1_000_000  # of random lengths that are drawn at a time
HEADS = ("workers", "seconds", "speed", "CPU s, main process", "CPU s, others", "peak MiB")


def measure(settings: list[str]) -> dict[str, object]:
    """Prepare in this process, or load what is prepared, and return what it takes."""
    from mt.config.compose import load_config
    from mt.data.batch_order import BatchOrder
    from mt.data.collate import collate
    from mt.data.prepare import prepare_run

    config = load_config(settings)
    start = time.monotonic()
    data = prepare_run(config, lambda line: None)
    prepared = time.monotonic()
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    batches = BatchOrder(data.train, BATCH_TOKENS, config.seed).epoch(0)
    collate(data.train, batches[0])
    ready = time.monotonic()
    content = hashlib.sha256()
    for path in sorted(data.folder.iterdir()):
        with open(path, "rb") as file:
            content.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return {
        "seconds": prepared - start,
        "order": ready - prepared,
        "cpu": [usage.ru_utime + usage.ru_stime for usage in usages],
        "peak": max(usage.ru_maxrss for usage in usages) / MIB,
        "batches": len(batches),
        "pairs": sum(map(len, data.train)),
        "content": content.hexdigest(),
    }


class RandomLengths:
    """The part of a table that the order of an epoch uses: lengths similar to Europarl."""

    weight = 1.0

    def __init__(self, pairs: int) -> None:
        sides = np.zeros((2, pairs), np.int32)
        random = np.random.default_rng(1)
        for start in range(0, pairs, CHUNK_PAIRS):
            part = sides[:, start : start + CHUNK_PAIRS]
            common = random.lognormal(np.log(28), 0.5, part.shape[1])
            part[:] = np.clip(common * random.lognormal(0, 0.15, part.shape), 2, 128)
        self.src_lengths, self.tgt_lengths = sides

    def __len__(self) -> int:
        return len(self.src_lengths)


def measure_order(pairs: int) -> dict[str, float]:
    """Return the time for the order of an epoch, and the memory for those of two."""
    from mt.data.batch_order import BatchOrder

    order = BatchOrder([RandomLengths(pairs)], BATCH_TOKENS, seed=1)  # type: ignore[list-item]
    before = resource.getrusage(resource.RUSAGE_SELF)
    order.epoch(0)
    batches = order.epoch(1)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "batches": len(batches),
        "seconds": (after.ru_utime - before.ru_utime) / 2,
        "peak": (after.ru_maxrss - before.ru_maxrss) / MIB,
    }


def run(*arguments: str) -> dict:
    """Call `measure` or `measure_order` in a new process."""
    command = [sys.executable, __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main(arguments: Sequence[str]) -> None:
    """Measure all numbers of workers, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--src", type=Path, help="source side of the text (default: random words)")
    add("--tgt", type=Path, help="target side of the text")
    add("--pairs", type=int, default=100_000, help="number of pairs (default: 100000)")
    add("--workers", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    add("--folder", type=Path, help="for random words, which are kept (default: a temporary one)")
    add("--order", type=int, metavar="PAIRS", help="measure the order of an epoch alone")
    given, settings = parser.parse_known_args(arguments)
    if given.order:
        found = run("--measure-order", str(given.order))
        print(
            f"{command_line('bench_prepare.py', arguments)}\n\n"
            f"The order of {given.order:,} pairs in {found['batches']:,} batches takes "
            f"{found['seconds']:.1f} s of a core; those of two epochs take {found['peak']:,.0f} "
            "MiB, besides the lengths."
        )
        return
    with tempfile.TemporaryDirectory() as temporary:
        source, target = given.src, given.tgt
        if not source:
            source, target = write_synthetic(given.folder or Path(temporary), given.pairs)
        settings = [
            *(f"data.train.src={source}", f"data.train.tgt={target}"),
            *(f"data.train.limit={given.pairs}", *settings),
        ]
        results = []
        for workers in given.workers:
            own = [*settings, f"data.cache={temporary}/{workers}", f"data.workers={workers}"]
            results.append(run("--measure", *own))
            say(f"measured workers={workers}")
            if results[-1]["content"] != results[0]["content"]:
                raise MTError(f"{workers} workers prepare other files than {given.workers[0]}")
        again = run("--measure", *own)
    rows = [
        [
            *(str(workers), f"{one['seconds']:.1f}"),
            f"{results[0]['seconds'] / one['seconds']:.2f}",
            *(f"{seconds:.1f}" for seconds in one["cpu"]),
            f"{one['peak']:,.0f}",
        ]
        for workers, one in zip(given.workers, results, strict=True)
    ]
    print(f"{command_line('bench_prepare.py', arguments)}\n\n{table(HEADS, rows)}")
    print(
        f"{again['pairs']:,} prepared pairs are found again in {again['seconds']:.1f} s; the order "
        f"of their {again['batches']:,} batches, and the first batch, take {again['order']:.1f} s"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2:])))
    elif sys.argv[1:2] == ["--measure-order"]:
        print(json.dumps(measure_order(int(sys.argv[2]))))
    else:
        run_command(lambda: main(sys.argv[1:]))
