"""Text to measure on: files, the embedded corpus, or made-up text of any size, vocabulary and sentence length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mt.errors import UsageError

SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvwz" for vowel in "aeiou"]
WORDS = 60_000  # of each language
CHUNK = 10_000  # sentences drawn at once


def write_made(folder: Path, pairs: int, length: int = 0, words: int = WORDS) -> tuple[Path, Path]:
    """Write made.src and made.tgt: sentences of made-up words whose frequencies fall with their rank as 1 / rank.

    The target has the words of another language at the same ranks, a tenth of them left out.
    `length` words in each source; 0: lengths much as in Europarl, log-normal with a median of 22
    words. `words` in each lexicon. The same text for the same arguments; what is there already is
    kept.
    """
    paths = tuple(folder / f"made-{pairs}-{length}-{words}.{side}" for side in ("src", "tgt"))
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        with (
            open(paths[0], "w", encoding="utf-8") as source,
            open(paths[1], "w", encoding="utf-8") as target,
        ):
            for first, second in sentences(pairs, length, words):
                source.write(first + "\n")
                target.write(second + "\n")
    return paths[0], paths[1]


def sentences(pairs: int, length: int, words: int) -> Iterator[tuple[str, str]]:
    random = np.random.default_rng(1)
    lexicons = [lexicon(random, words) for _ in range(2)]
    cumulative = np.cumsum(1 / np.arange(1, words + 1))
    for start in range(0, pairs, CHUNK):
        count = min(CHUNK, pairs - start)
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
    """`size` different words, the frequent ones short, as an array of strings."""
    words: dict[str, None] = {}
    while len(words) < size:
        drawn, longer = (
            random.integers(len(SYLLABLES), size=(size, 8)).tolist(),
            random.integers(2, size=size).tolist(),
        )
        for syllables, more in zip(drawn, longer, strict=True):
            if len(words) < size:
                words[
                    "".join(
                        SYLLABLES[index]
                        for index in syllables[: 1 + len(words).bit_length() // 5 + more]
                    )
                ] = None
    return np.array([*words], dtype=object)


def overrides(text: str, src: str, tgt: str, folder: Path, pairs: int) -> list[str]:
    """Where mt-train is to take its text from: `src` and `tgt` if given, else the text of that name."""
    if bool(src) != bool(tgt):
        raise UsageError("--src and --tgt go together")
    if not src and text == "demo":
        return ["data=demo", f"data.train.demo={pairs}", "data.val.demo=20", "data.test.demo=20"]
    found = (Path(src), Path(tgt)) if src else write_made(folder, pairs)
    return ["data=files", *(f"data.train.{side}='{path}'" for side, path in zip(("src", "tgt"), found, strict=True)), "data.holdout=20",
            f"data.train.limit={pairs}"]  # fmt: skip
