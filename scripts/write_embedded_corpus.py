"""Write the embedded corpus to plain files, for other tools, or to look at it.

    python scripts/write_embedded_corpus.py corpus
    python scripts/write_embedded_corpus.py corpus --splits test,long --size 5000

Each split becomes four files of one line a sentence pair: SPLIT.en, SPLIT.de, SPLIT.links (word
alignment in Pharaoh's format, `p` for possible links) and SPLIT.labels.tsv (number of source words,
a tab, its constructions with spaces between).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from mt.cli import CommandParser, run_command
from mt.data.alignment_words import count_words
from mt.data.embedded_corpus import SPLITS, SUBSETS, generate
from mt.errors import MTError

TRAIN_SIZE, OTHER_SIZE = 60_000, 1000
KINDS = ("en", "de", "links", "labels.tsv")


def main() -> None:
    parser = CommandParser(
        "write_embedded_corpus.py", "Write the embedded corpus to plain files.", ""
    )
    add = parser.add_argument
    add(
        "folder",
        metavar="FOLDER",
        type=Path,
        help="where the files go; it is made if it is not there",
    )
    add(
        "--splits",
        default=",".join(SPLITS),
        metavar="NAMES",
        help="which, with commas between (default: %(default)s)",
    )
    add(
        "--size",
        type=int,
        metavar="N",
        help=f"pairs of each split (default: train {TRAIN_SIZE}, others {OTHER_SIZE})",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="another seed, other sentences (default: 0)",
    )
    add(
        "--subset",
        default=SUBSETS[0],
        metavar="NAME",
        help=f"which words: {' or '.join(SUBSETS)} (default: %(default)s)",
    )

    def body() -> None:
        options = parser.parse_args()
        write(options.folder, options.splits.split(","), options.size, options.seed, options.subset)

    run_command(body)


def write(folder: Path, splits: list[str], size: int | None, seed: int, subset: str) -> None:
    """Nothing is written if an argument is wrong or one of the files is there."""
    sizes = {
        split: size if size is not None else TRAIN_SIZE if split == "train" else OTHER_SIZE
        for split in splits
    }
    streams = {split: generate(split, number, seed, subset) for split, number in sizes.items()}
    for path in (folder / f"{split}.{kind}" for split in splits for kind in KINDS):
        if path.exists():
            raise MTError(f"{path} is there already: remove it or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for split, pairs in streams.items():
        with contextlib.ExitStack() as stack:
            files = [
                stack.enter_context(
                    open(folder / f"{split}.{kind}", "w", encoding="utf-8", newline="\n")
                )
                for kind in KINDS
            ]
            for pair in pairs:
                labels = f"{count_words(pair.source)}\t{' '.join(sorted(pair.constructions))}"
                for file, line in zip(
                    files, (pair.source, pair.target, pair.pharaoh, labels), strict=True
                ):
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
