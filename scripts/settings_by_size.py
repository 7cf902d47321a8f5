r"""Train on parts of a corpus with groups of settings, for the same time, and compare BLEU.

    D=$MT_REALDATA/multi30k-ende
    python scripts/settings_by_size.py --languages en de --train $D/train.en.gz $D/train.de.gz \
        --val $D/val.en.gz $D/val.de.gz --test $D/test2016.en.gz $D/test2016.de.gz \
        --pairs 3000 10000 29000 --settings auto= 'fixed=auto=false optim=adamw' \
        --minutes 6 --jobs 2 --out runs/settings

Prints a Markdown table: a row for each number of pairs, the first ones of the corpus, and a column
for each group of settings, NAME=OVERRIDES, with BLEU on the test set and its 95 % interval over
sentences. --best-of adds the best of some groups, chosen by validation BLEU. Each training has one
thread, and --jobs of them run at a time. On a busy machine, --tokens sets a limit in target tokens
instead of minutes. The same command continues what was interrupted, and trains nothing twice.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mt.comparison.planning.jobs import failure_reason
from mt.comparison.table import Cell, Table, markdown_table
from mt.config.overrides import quote_value
from mt.run_folder import RunFolder
from mt.tensor_files import read_facts


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for split in ("train", "val", "test"):
        parser.add_argument(f"--{split}", nargs=2, required=True, metavar=("SRC", "TGT"))
    parser.add_argument("--languages", nargs=2, required=True, metavar=("SRC", "TGT"))
    parser.add_argument("--pairs", nargs="+", type=int, required=True)
    parser.add_argument("--settings", nargs="+", default=["auto="], metavar="NAME=OVERRIDES")
    best = "groups; one more column has the one that is best by validation BLEU"
    parser.add_argument("--best-of", nargs="+", default=[], metavar="NAME", help=best)
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--minutes", type=float, default=6)
    limit.add_argument("--tokens", type=int, help="target tokens of each training")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/settings"))
    given = parser.parse_args(arguments)
    unnamed = [each for each in given.settings if "=" not in each]
    if unnamed:
        parser.error(f"--settings {unnamed[0]}: expected NAME=OVERRIDES, such as auto=")
    unknown = {*given.best_of} - {each.split("=", 1)[0] for each in given.settings}
    if unknown:
        parser.error(f"--best-of {min(unknown)}: --settings has no such name")
    return given


def run_name(given: argparse.Namespace, pairs: int, name: str) -> str:
    """Return the name of one training: with another limit, it would choose other settings."""
    limit = f"{given.tokens}-tokens" if given.tokens else f"{given.minutes:g}-minutes"
    return f"{name}-{pairs}-{limit}"


def overrides(given: argparse.Namespace, pairs: int, name: str, own: str) -> list[str]:
    """Return the overrides of one training."""
    text = [
        f"data.{split}.{side}={quote_value(path)}"
        for split in ("train", "val", "test")
        for side, path in zip(("src", "tgt"), getattr(given, split), strict=True)
    ]
    limit = f"trainer.max_minutes={given.minutes:g}"
    if given.tokens:
        limit = f"trainer.max_target_tokens={given.tokens}"
    return [
        *text,
        f"data.train.limit={pairs}",
        f"data.src_lang={given.languages[0]}",
        f"data.tgt_lang={given.languages[1]}",
        f"runs_dir={quote_value(str(given.out))}",
        f"name={run_name(given, pairs, name)}",
        limit,
        "trainer.threads=1",
        *own.split(),
    ]


def train(arguments: Sequence[str]) -> None:
    """Run mt-train, which continues a run or finds it finished. Exits with its error."""
    command = [sys.executable, "-m", "mt.train", *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        reason = failure_reason(result.returncode, result.stderr.splitlines())
        raise SystemExit(f"error: {reason}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train all that is missing and print the table."""
    given = parse(sys.argv[1:] if arguments is None else arguments)
    groups = dict(each.split("=", 1) for each in given.settings)
    cells = [(pairs, name) for pairs in given.pairs for name in groups]
    trainings = [overrides(given, pairs, name, groups[name]) for pairs, name in cells]
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(train, trainings))
    rows: list[list[Cell | str]] = []
    for pairs in given.pairs:
        folders = {name: RunFolder.at(given.out / run_name(given, pairs, name)) for name in groups}
        row = {name: describe_bleu(folder) for name, folder in folders.items()}
        if given.best_of:
            best = max(given.best_of, key=lambda name: read_facts(folders[name].model)["bleu"])
            row["best by validation"] = f"{best}: {row[best]}"
        rows.append([f"{pairs:,}", *row.values()])
    print(markdown_table(Table(["pairs", *row], rows)))


def describe_bleu(folder: RunFolder) -> str:
    """Return BLEU on the test set with its interval."""
    score = folder.read_scores()["scores"]["bleu"]
    low, high = score["ci"]
    return f"{score['value']:.1f} ({low:.1f} - {high:.1f})"


if __name__ == "__main__":
    main()
