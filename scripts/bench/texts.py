"""Text for the benchmarks: files, the embedded corpus, or synthetic text of any size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mt.errors import UsageError
from mt.files import atomic_write

SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvwz" for vowel in "aeiou"]
WORDS = 60_000  # per language
CHUNK_SENTENCES = 10_000  # generated at once


def write_synthetic(
    folder: Path, pairs: int, length: int = 0, words: int = WORDS
) -> tuple[Path, Path]:
    """Write sentences of random words, whose frequency is proportional to 1 / rank.

    A target has the words of another lexicon with the same ranks, without a tenth of them. The same
    arguments give the same text; existing files are kept.

    Args:
        folder: the output folder.
        pairs: number of sentence pairs.
        length: words per source; 0: lengths similar to Europarl, log-normal with a median of 22.
        words: size of each lexicon.
    """
    paths = tuple(folder / f"made-{pairs}-{length}-{words}.{side}" for side in ("src", "tgt"))
    if not all(path.exists() for path in paths):
        with (
            atomic_write(paths[0]) as source_file,
            atomic_write(paths[1]) as target_file,
            open(source_file, "w", encoding="utf-8") as source,
            open(target_file, "w", encoding="utf-8") as target,
        ):
            for first, second in sentences(pairs, length, words):
                source.write(first + "\n")
                target.write(second + "\n")
    return paths[0], paths[1]


def sentences(pairs: int, length: int, words: int) -> Iterator[tuple[str, str]]:
    """Yield random sentence pairs."""
    random = np.random.default_rng(1)
    lexicons = [lexicon(random, words) for _ in range(2)]
    cumulative = np.cumsum(1 / np.arange(1, words + 1))
    for start in range(0, pairs, CHUNK_SENTENCES):
        count = min(CHUNK_SENTENCES, pairs - start)
        lengths = (
            np.full(count, length)
            if length
            else np.clip(random.lognormal(np.log(22), 0.55, count).astype(int), 2, 120)
        )
        ranks = np.searchsorted(cumulative, random.random(lengths.sum()) * cumulative[-1])
        kept = random.random(len(ranks)) > 0.1
        for chosen, keep in zip(
            np.split(ranks, lengths.cumsum()[:-1]),
            np.split(kept, lengths.cumsum()[:-1]),
            strict=True,
        ):
            keep[0] = True
            yield " ".join(lexicons[0][chosen]), " ".join(lexicons[1][chosen[keep]])


def lexicon(random: np.random.Generator, size: int) -> np.ndarray:
    """Return `size` different words as an array of strings; frequent words are short."""
    words: dict[str, None] = {}
    while len(words) < size:
        drawn = random.integers(len(SYLLABLES), size=(size, 8)).tolist()
        extra = random.integers(2, size=size).tolist()
        for syllables, extra_syllable in zip(drawn, extra, strict=True):
            if len(words) < size:
                length = 1 + len(words).bit_length() // 5 + extra_syllable
                words["".join(SYLLABLES[index] for index in syllables[:length])] = None
    return np.array([*words], dtype=object)


def data_overrides(text: str, src: str, tgt: str, folder: Path, pairs: int) -> list[str]:
    """Return the overrides of mt-train that select `src` and `tgt`, or else the text `text`."""
    if bool(src) != bool(tgt):
        raise UsageError("--src and --tgt must be given together")
    if not src and text == "demo":
        return ["data=demo", f"data.train.demo={pairs}", "data.val.demo=20", "data.test.demo=20"]
    paths = (Path(src), Path(tgt)) if src else write_synthetic(folder, pairs)
    return [
        "data=files",
        f"data.train.src='{paths[0]}'",
        f"data.train.tgt='{paths[1]}'",
        "data.holdout=20",
        f"data.train.limit={pairs}",
    ]
