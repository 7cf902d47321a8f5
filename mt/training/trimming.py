"""Run directories whose vocabulary has only the pieces that a text needs.

Ushio et al. 2023, "An Efficient Multilingual Language Model Compression through Vocabulary
Trimming". A model of many languages has most of its weights in the embeddings of their pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor

from mt.config.automatic import with_values
from mt.data.normalisation import Normaliser
from mt.data.text_files import read_lines
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_trimming import needed_pieces, trim_tokenizer
from mt.decoding.load import load_run
from mt.errors import MTError
from mt.files import expand_user
from mt.models.vocabulary_rows import change_rows
from mt.models.weights import model_tensors
from mt.progress_display import Progress
from mt.run_folder import RunFolder
from mt.training.averaging import write_run

CHUNK_LINES = 20_000


@dataclass(frozen=True)
class Trimmed:
    """Numbers of a run before and after."""

    pieces: tuple[int, int]  # of the vocabulary, or of both
    parameters: tuple[int, int]


def trim_run(path: str, out: RunFolder, texts: Mapping[str, Sequence[str]]) -> Trimmed:
    """Write a run directory without the pieces that texts do not need.

    `texts` has the files of each side, src and tgt, one sentence or paragraph per line. All
    segmentations of these lines stay as they are, and so do the logits of the pieces that stay.
    Raises MTError if a file cannot be read, if the files of a side are empty, or if `out` exists.
    """
    if out.path.exists():
        raise MTError(f"{out} exists: give another folder with --out")
    run = load_run(path, torch.device("cpu"))
    normaliser = Normaliser.from_config(run.config.data.clean)
    needed = {}
    with Progress("reading the text", unit="lines") as progress:
        for side, files in texts.items():
            lines = (normaliser(line) for file in files for line in read_lines(expand_user(file)))
            marked = map(run.tokenizer.symbols.mark, filter(None, lines))
            needed[side] = needed_pieces(run.tokenizer.models[side], chunks(marked, progress))
            if not needed[side]:
                raise MTError(f"there is no text in {', '.join(files)}: all pieces would be lost")
    tokenizer, rows = trim_tokenizer(run.tokenizer, needed)
    before = model_tensors(run.model)
    tensors = change_rows(before, lambda tensor, side: tensor[rows[side]])
    size = tokenizer.vocab_size()
    config = with_values(
        run.config,
        {
            "data.tokenizer.vocab_size": size,
            "data.tokenizer.max_vocab_size": size,
            "data.tokenizer.extend": 0,  # the size has those pieces
        },
    )
    trimmed = replace(run, tokenizer=tokenizer, config=config)
    write_run(out, trimmed, tensors, {**run.facts, "trimmed": str(path)})
    return Trimmed(
        (count_pieces(run.tokenizer), count_pieces(tokenizer)),
        (count_weights(before), count_weights(tensors)),
    )


def chunks(lines: Iterable[str], progress: Progress) -> Iterator[list[str]]:
    """Yield lines in lists that are long enough for all processor cores."""
    lines = iter(lines)
    while chunk := list(islice(lines, CHUNK_LINES)):
        yield chunk
        progress.add(len(chunk))


def count_pieces(tokenizer: Tokenizer) -> int:
    """Return the number of pieces, of both vocabularies if there are two."""
    sides = ("src",) if tokenizer.joint else ("src", "tgt")
    return sum(map(tokenizer.vocab_size, sides))


def count_weights(tensors: Mapping[str, Tensor]) -> int:
    """Return the number of weights."""
    return sum(tensor.numel() for tensor in tensors.values())
