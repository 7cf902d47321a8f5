"""Measure the preparation of a corpus with several numbers of processes, and the start on it.

    python scripts/bench_prepare.py --pairs 1000000 --workers 1 2
    python scripts/bench_prepare.py data.max_pieces=128 --src train.en.gz --tgt train.de.gz

Each preparation runs in a process of its own, with an empty cache, on the same text: that of the
files, or random words (`bench/texts.py`). The table has the wall-clock time, its ratio to the first
number of workers, the CPU time of the main process and of the others (SentencePiece included), and
the largest memory of a process. The last line is the time in which a training finds the prepared
corpus and has the order of its first epoch. All preparations must write the same files. Settings of
mt-train come first.
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

from bench.report import command_line, table
from bench.texts import write_synthetic
from mt.cli import run_command, say
from mt.errors import MTError

MIB = 1024  # of the unit of ru_maxrss, KiB
BATCH_TOKENS = 8192
HEADS = ("workers", "seconds", "speed", "CPU s, main process", "CPU s, others", "peak MiB")


def measure(settings: list[str]) -> dict[str, object]:
    """Prepare in this process, or load what is prepared, and return what it takes."""
    from mt.config.compose import load_config
    from mt.data.batch_order import BatchOrder
    from mt.data.prepare import prepare_run

    config = load_config(settings)
    start = time.monotonic()
    data = prepare_run(config, lambda line: None)
    prepared = time.monotonic()
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    batches = BatchOrder(data.train, BATCH_TOKENS, config.seed).epoch(0)
    content = hashlib.sha256()
    for path in sorted(data.folder.iterdir()):
        content.update(path.name.encode() + path.read_bytes())
    return {
        "seconds": prepared - start,
        "order": time.monotonic() - prepared,
        "cpu": [usage.ru_utime + usage.ru_stime for usage in usages],
        "peak": max(usage.ru_maxrss for usage in usages) / MIB,
        "batches": len(batches),
        "pairs": sum(map(len, data.train)),
        "content": content.hexdigest(),
    }


def run(settings: list[str]) -> dict:
    """Call `measure` in a new process."""
    command = [sys.executable, __file__, "--measure", *settings]
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
    given, settings = parser.parse_known_args(arguments)
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
            results.append(run(own))
            say(f"measured workers={workers}")
            if results[-1]["content"] != results[0]["content"]:
                raise MTError(f"{workers} workers prepare other files than {given.workers[0]}")
        again = run(own)
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
        f"of their {again['batches']:,} batches takes {again['order']:.1f} s"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2:])))
    else:
        run_command(lambda: main(sys.argv[1:]))
