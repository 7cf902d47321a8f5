"""Measure what trimming and extending the vocabulary and LoRA change, as a Markdown table.

    python scripts/measure_adaptation.py runs/embedded $MT_REALDATA/multi30k-ende

A run learns the text of a folder with train.SIDE.gz and val.SIDE.gz: as it is, with new pieces
(data.tokenizer.extend), and with low-rank changes (optim.lora). The first of these models is also
trimmed to the pieces that this training text needs (mt-trim). The trainings have the same steps,
and one thread. The same command continues what was interrupted, and trains nothing twice.

Columns: pieces of the vocabulary; parameters; the size of the checkpoint, with weights, their
average and the optimizer's state; the peak memory of the process that trains and validates; pieces
per word, and BLEU with beam 5 on the first lines of the validation set; lines per second of
processor time, the median of rounds in which the models take turns.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from sacrebleu.metrics import BLEU

from mt.cli import run_command, say
from mt.comparison.planning.jobs import failure_reason
from mt.comparison.table import Table, markdown_table
from mt.config.overrides import quote_value
from mt.data.text_files import read_lines
from mt.decoding.load import load
from mt.decoding.translator import Translator
from mt.device import set_threads
from mt.errors import MTError
from mt.run_folder import RunFolder
from mt.training.trimming import trim_run

TUNING = [
    *("trainer.device=cpu", "trainer.threads=1", "trainer.processes=1", "trainer.test=false"),
    *("data.val.limit=100", "trainer.batch_tokens=1024", "optim.ema=0.98", "trainer.until=budget"),
]
RATE = "optim.lr=3e-3"  # not of LoRA, whose automatic rate suits it
ROUNDS = 3  # of the measurement of speed


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=RunFolder.at, help="run directory to fine-tune")
    add("folder", type=Path, help="folder with train.SIDE.gz and val.SIDE.gz of the new text")
    add("--out", type=Path, default=Path("runs/adaptation"), help="folder of the runs")
    add("--sides", nargs=2, default=["en", "de"], help="ends of the file names (default: en de)")
    add("--steps", type=int, default=400, help="steps of each training (default: 400)")
    add("--extend", type=int, default=500, help="new pieces (default: 500)")
    add("--lora", type=int, default=16, help="rank of the changes (default: 16)")
    add("--lines", type=int, default=200, help="validation lines that are scored (default: 200)")
    return parser.parse_args(arguments)


def fine_tune(given: argparse.Namespace, name: str, *more: str) -> RunFolder:
    """Run mt-train, which finds a complete run complete. Raises MTError with its error."""
    files = [
        f"data.{split}.{key}={quote_value(str(text_file(given, split, side)))}"
        for split in ("train", "val")
        for key, side in zip(("src", "tgt"), given.sides, strict=True)
    ]
    command = [
        *(sys.executable, "-m", "mt.train", f"trainer.init_from={quote_value(str(given.run))}"),
        *(*files, *TUNING, *more, f"trainer.max_steps={given.steps}"),
        *(f"runs_dir={quote_value(str(given.out))}", f"name={name}"),
    ]
    say(f"training {name}")
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        reason = failure_reason(result.returncode, result.stderr.splitlines())
        raise MTError(f"{name}: {reason}")
    return RunFolder.at(given.out / name)


def text_file(given: argparse.Namespace, split: str, side: str) -> Path:
    """Return a file of the new text."""
    return given.folder / f"{split}.{side}.gz"


def make_runs(given: argparse.Namespace) -> dict[str, RunFolder]:
    """Return the runs by their names in the table."""
    tuned = fine_tune(given, "tuned", RATE)
    trimmed = RunFolder.at(given.out / "trimmed")
    shutil.rmtree(trimmed.path, ignore_errors=True)  # --steps may have been raised
    files = {
        key: [str(text_file(given, "train", side))]
        for key, side in zip(("src", "tgt"), given.sides, strict=True)
    }
    trim_run(str(tuned), trimmed, files)
    extend, lora = f"data.tokenizer.extend={given.extend}", f"optim.lora={given.lora}"
    return {
        "initial model": given.run,
        "fine-tuned": tuned,
        "fine-tuned, trimmed": trimmed,
        f"fine-tuned, extend={given.extend}": fine_tune(given, "extended", RATE, extend),
        f"fine-tuned, lora={given.lora}": fine_tune(given, "lora", lora),
    }


def measure(given: argparse.Namespace) -> None:
    """Make the runs that are missing, measure all, and print the table."""
    runs = make_runs(given)
    set_threads(1)
    sources, references = (
        list(islice(read_lines(text_file(given, "val", side)), given.lines)) for side in given.sides
    )
    translators = {title: load(run.path, "cpu", "fp32") for title, run in runs.items()}
    outputs: dict[str, list[str]] = {}
    seconds: dict[str, list[float]] = {title: [] for title in runs}
    for turn in range(ROUNDS):
        say(f"translating, round {turn + 1} of {ROUNDS}")
        for title, translator in translators.items():
            start = time.process_time()
            outputs[title] = translator.translate(sources, beam=5)
            seconds[title].append(time.process_time() - start)
    header = ["model", "pieces", "parameters", "checkpoint", "peak memory", "pieces per word"]
    rows = [
        [
            title,
            *sizes(translators[title], runs[title]),
            f"{pieces_per_word(translators[title], sources):.2f}",
            f"{BLEU().corpus_score(outputs[title], [references]).score:.1f}",
            f"{len(sources) / statistics.median(seconds[title]):.0f}",
        ]
        for title in runs
    ]
    print(markdown_table(Table([*header, "BLEU", "lines per second"], rows)))


def sizes(translator: Translator, run: RunFolder) -> list[str]:
    """Return pieces, parameters, size of the checkpoint and peak memory; "" without training."""
    parameters = sum(tensor.numel() for tensor in run.read_tensors(run.model)[0].values())
    training = [0, 0]
    if run.checkpoint.exists():
        facts = run.read_tensors(run.checkpoint)[1]
        training = [run.checkpoint.stat().st_size, facts["peak_memory"]]
    return [
        f"{translator.tokenizer.vocab_size():,}",
        f"{parameters:,}",
        *(f"{size / 1e6:.1f} MB" if size else "" for size in training),
    ]


def pieces_per_word(translator: Translator, lines: Sequence[str]) -> float:
    """Return the mean number of pieces of a word."""
    pieces = sum(map(len, translator.tokenizer.encode_many(lines)))
    return pieces / sum(len(line.split()) for line in lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script."""
    run_command(lambda: measure(parse(sys.argv[1:] if arguments is None else arguments)))


if __name__ == "__main__":
    main()
