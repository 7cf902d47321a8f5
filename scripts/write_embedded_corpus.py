"""Write the embedded corpus to plain files.

    python scripts/write_embedded_corpus.py corpus
    python scripts/write_embedded_corpus.py corpus --splits test,long --size 5000

Each split becomes four files with one line for each sentence pair: SPLIT.en, SPLIT.de, SPLIT.links
(word alignment in Pharaoh's format, `p` for possible links) and SPLIT.labels.tsv. Its columns are
the number of source words, the constructions, and words that decide others: `pronoun:2-7` if source
word 2 decides the pronoun that is target word 7, both counted from 0.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from mt.cli import CommandParser, run_command
from mt.data.alignment_words import count_words
from mt.data.annotations import format_deciders
from mt.data.embedded_corpus import SPLITS, SUBSETS, construction_names, generate
from mt.errors import MTError

TRAIN_SIZE, OTHER_SIZE = 60_000, 1000
SUFFIXES = ("en", "de", "links", "labels.tsv")


def main() -> None:
    """Parse the arguments and write the files."""
    parser = CommandParser(
        "write_embedded_corpus.py", "Write the embedded corpus to plain files.", ""
    )
    add = parser.add_argument
    add(
        "folder",
        metavar="FOLDER",
        type=Path,
        help="output folder, created if it does not exist",
    )
    add(
        "--splits",
        default=",".join(SPLITS),
        metavar="NAMES",
        help="splits, separated by commas (default: %(default)s)",
    )
    add(
        "--size",
        type=int,
        metavar="N",
        help=f"pairs in each split (default: train {TRAIN_SIZE}, others {OTHER_SIZE})",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="random seed (default: 0)",
    )
    add(
        "--subset",
        default=SUBSETS[0],
        metavar="NAME",
        help=f"words: {' or '.join(SUBSETS)} (default: %(default)s)",
    )

    def body() -> None:
        options = parser.parse_args()
        write(options.folder, options.splits.split(","), options.size, options.seed, options.subset)

    run_command(body)


def write(folder: Path, splits: list[str], size: int | None, seed: int, subset: str) -> None:
    """Write the files of the given splits.

    Raises MTError before anything is written if an argument is wrong or a file exists.
    """
    default_sizes = {split: TRAIN_SIZE if split == "train" else OTHER_SIZE for split in splits}
    streams = {
        split: generate(split, default if size is None else size, seed, subset)
        for split, default in default_sizes.items()
    }
    for path in (folder / f"{split}.{suffix}" for split in splits for suffix in SUFFIXES):
        if path.exists():
            raise MTError(f"{path} exists: remove it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for split, pairs in streams.items():
        with contextlib.ExitStack() as stack:
            files = [
                stack.enter_context(
                    open(folder / f"{split}.{suffix}", "w", encoding="utf-8", newline="\n")
                )
                for suffix in SUFFIXES
            ]
            for pair in pairs:
                labels = (
                    str(count_words(pair.source)),
                    " ".join(construction_names(pair)),
                    format_deciders(pair.deciders),
                )
                lines = (pair.source, pair.target, pair.pharaoh, "\t".join(labels))
                for file, line in zip(files, lines, strict=True):
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
