r"""Keep the best pairs of a parallel corpus by dual conditional cross-entropy.

    mt-train data.train.src=clean.en data.train.tgt=clean.de name=forward trainer.max_minutes=30
    mt-train data.train.src=clean.en data.train.tgt=clean.de name=backward trainer.max_minutes=30 \
        data.reverse=true
    python -m mt.recipes.filter_pairs runs/forward runs/backward --src web.en --tgt web.de \
        --scores web.scores --keep 0.7 --out-src best.en --out-tgt best.de

Junczys-Dowmunt (2018, arXiv 1809.00197): two models score each pair in both directions, and a pair
is good if both find it likely, and equally so. With H_f = -log P(target | source) / target pieces
and H_b = -log P(source | target) / source pieces, the score of a pair is

    |H_f - H_b| + (H_f + H_b) / 2

and the pairs with the lowest scores are kept, in their order. The models should be trained on a
smaller corpus that is cleaner, in the same way apart from the direction.

The text is read as a stream, and scores are appended to the file --scores, a line for each pair:
score, H_f and H_b, or inf for a pair with an empty side or over 2500 characters. The same command
continues after an interruption; with another --keep, it only selects again.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

import mt
from mt.cli import CONTINUES, run_command
from mt.data.arrow_files import Pair
from mt.data.digests import digest, file_digest
from mt.data.normalisation import is_blank
from mt.data.readers import read_text_pair
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError
from mt.files import atomic_write
from mt.run_folder import RunFolder

CHUNK_PAIRS = 2000  # between writes of scores
MAX_CHARACTERS = 2500  # of a side; training drops longer ones too (data.clean.max_chars)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        "python -m mt.recipes.filter_pairs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("forward", type=Path, help="run that translates source to target")
    parser.add_argument("backward", type=Path, help="run that translates target to source")
    parser.add_argument("--src", type=Path, required=True, help="source text of the pairs")
    parser.add_argument("--tgt", type=Path, required=True, help="target text of the pairs")
    parser.add_argument("--scores", type=Path, required=True, help="file of scores, continued")
    parser.add_argument("--keep", type=float, required=True, help="share of the pairs to keep")
    parser.add_argument("--out-src", type=Path, required=True, help="source text of kept pairs")
    parser.add_argument("--out-tgt", type=Path, required=True, help="target text of kept pairs")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    given = parser.parse_args(arguments)
    if not 0 < given.keep <= 1:
        raise UsageError(f"--keep must be > 0 and <= 1, got {given.keep}")
    paths = [given.src, given.tgt, given.scores, given.out_src, given.out_tgt]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("--src, --tgt, --scores, --out-src and --out-tgt must be different files")
    return given


def check_direction(forward: RunFolder, backward: RunFolder) -> None:
    """Raise UsageError if the runs are known to translate in the same direction."""
    one, two = (run.read_config().data.languages() for run in (forward, backward))
    if one == two and one[0] != one[1]:
        raise UsageError(
            f"{forward} and {backward} both translate {one[0]} to {one[1]}: train one of them with "
            "data.reverse=true"
        )


def entropies(translator: Translator, pairs: list[Pair]) -> np.ndarray:
    """Return the cross-entropy per piece of each target given its source."""
    scores = translator.score(pairs)
    return np.array([-score.log_prob / score.tokens for score in scores])


def score_chunk(forward: Translator, backward: Translator, pairs: list[Pair]) -> list[str]:
    """Return the lines of scores of a chunk of pairs."""
    scored = [
        row
        for row, pair in enumerate(pairs)
        if not any(is_blank(text) or len(text) > MAX_CHARACTERS for text in pair)
    ]
    rows = np.full((len(pairs), 3), math.inf)
    if scored:
        h_forward = entropies(forward, [pairs[row] for row in scored])
        h_backward = entropies(backward, [pairs[row][::-1] for row in scored])
        mean, difference = (h_forward + h_backward) / 2, abs(h_forward - h_backward)
        rows[scored] = np.stack([difference + mean, h_forward, h_backward], axis=1)
    return ["\t".join(f"{value:.5f}" for value in row) + "\n" for row in rows]


def scored_pairs(path: Path, header: str) -> int:
    """Return how many pairs an earlier start has scored; remove a line that it did not finish.

    Raises MTError if the file holds scores of other text or models.
    """
    if not path.exists() or not path.stat().st_size:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header)
    with path.open("rb+") as stream:
        first = stream.readline()
        if first != header.encode():
            raise MTError(
                f"{path} holds no scores, or those of other text or runs: choose another --scores"
            )
        end, count = stream.tell(), 0
        for line in stream:
            if line.endswith(b"\n"):
                end, count = end + len(line), count + 1
        stream.truncate(end)
    return count


def score_corpus(given: argparse.Namespace) -> None:
    """Score all pairs that have no score yet."""
    runs = [RunFolder.at(path) for path in (given.forward, given.backward)]
    check_direction(*runs)
    files = [given.src, given.tgt, *(run.model for run in runs)]
    for path in files:
        if not path.is_file():
            raise MTError(f"{path} does not exist")
    done = scored_pairs(given.scores, f"# {digest(*map(file_digest, files))}\n")
    pairs = islice(read_text_pair(given.src, given.tgt), done, None)
    translators: list[Translator] = []
    with given.scores.open("a") as stream:
        while chunk := list(islice(pairs, CHUNK_PAIRS)):
            translators = translators or [mt.load(run.path, given.device) for run in runs]
            forward, backward = translators
            stream.writelines(score_chunk(forward, backward, chunk))
            stream.flush()
            os.fsync(stream.fileno())
            done += len(chunk)
            print(f"scored {done:,} pairs", file=sys.stderr)


def select(given: argparse.Namespace) -> None:
    """Write the pairs with the lowest scores, in their order; among equal ones, the first."""
    with given.scores.open() as stream:
        next(stream)
        scores = np.array([float(line.split("\t")[0]) for line in stream])
    count = min(round(given.keep * len(scores)), int(np.isfinite(scores).sum()))
    kept = np.zeros(len(scores), dtype=bool)
    kept[np.argsort(scores, kind="stable")[:count]] = True

    with (
        atomic_write(given.out_src) as source_path,
        atomic_write(given.out_tgt) as target_path,
        source_path.open("w", encoding="utf-8", newline="\n") as sources,
        target_path.open("w", encoding="utf-8", newline="\n") as targets,
    ):
        for pair, keep in zip(read_text_pair(given.src, given.tgt), kept, strict=True):
            if keep:
                sources.write(pair[0] + "\n")
                targets.write(pair[1] + "\n")
    worst = f", with scores up to {scores[kept].max():.3f}" if count else ""
    print(f"kept {count:,} of {len(scores):,} pairs{worst}", file=sys.stderr)


def main(arguments: Sequence[str]) -> None:
    """Score and select."""
    given = parse(arguments)
    score_corpus(given)
    select(given)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1:]), CONTINUES)
