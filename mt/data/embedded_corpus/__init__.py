"""The embedded corpus: generated English-German sentence pairs with word alignments, so that everything runs offline and in minutes.

This is all that the rest of the package knows of it. The sentences come from the rules in `rules/`
and the words in `lexicon/`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import blake2b

from mt.data.embedded_corpus.grammar import Grammar, Pair
from mt.data.embedded_corpus.words import FOLDER, Lexicon, rows
from mt.errors import UsageError

SPLITS = ("train", "val", "test", "long", "compose")
SUBSETS = ("full", "core")
SHORTEST, LONGEST = 3, 40  # words of a source sentence, but for the split `long`
TEST_BUCKETS = ((3, 10), (11, 20), (21, 30), (31, 40))
LONG_BUCKETS = ((41, 60), (61, 80), (81, 120))


def generate(split: str, size: int, seed: int = 0, subset: str = "full") -> Iterator[Pair]:
    """The first `size` English-German pairs of a split, each source once: the same on every machine and Python version.

    Splits: `train` and `val` lean to short sentences (3 to 40 words, about 11 on average); `test`
    has equally many of each length bucket; `long` has sentences of 41 to 120 words, equally many in
    three buckets; `compose` has combinations of constructions (rules/held-out.txt) that no other
    split has. `subset`: `core` uses a part of the lexicon only.

    A larger size continues a smaller one. A hash of the source decides whether a sentence belongs
    to train, val or test (the last two get a tenth each), so no sentence is in two, whatever the
    sizes and seeds. Memory: about 60 bytes a pair.
    """
    if split not in SPLITS:
        raise UsageError(
            f"the embedded corpus has no split {split!r}: choose one of {', '.join(SPLITS)}"
        )
    if subset not in SUBSETS:
        raise UsageError(
            f"the embedded corpus has no subset {subset!r}: choose one of {', '.join(SUBSETS)}"
        )
    if size < 0:
        raise UsageError(
            f"the embedded corpus cannot give {size} pairs: the number must not be negative"
        )
    return _generate(split, size, seed, subset)


def fingerprint() -> str:
    """Changes with the rules, the words and the code, so that a prepared corpus is never taken for another one."""
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".py", ".txt", ".rules"))
    return blake2b(b"".join(path.read_bytes() for path in files), digest_size=16).hexdigest()


def _generate(split: str, size: int, seed: int, subset: str) -> Iterator[Pair]:
    rng = random.Random(_hash(f"{split} {seed}"))
    grammar = Grammar(rng, Lexicon(core=subset == "core"))
    held_out = [frozenset(tags.split()) for (tags,) in rows("rules/held-out.txt")]
    buckets = {"test": TEST_BUCKETS, "long": LONG_BUCKETS}.get(split)
    seen: set[int] = set()
    while len(seen) < size:
        low, high = buckets[len(seen) % len(buckets)] if buckets else (SHORTEST, LONGEST)
        wanted = low + (high - low) * rng.random() ** (1 if buckets else 3.4)
        pair = grammar.sentence(wanted)
        composed = any(tags <= clause for clause in pair.clauses for tags in held_out)
        if composed != (split == "compose") or not low <= pair.source.count(" ") + 1 <= high:
            continue
        key = _hash(pair.source)
        if key not in seen and (split in ("long", "compose") or split == _part(key)):
            seen.add(key)
            yield pair


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _part(key: int) -> str:
    return {0: "val", 1: "test"}.get(key % 10, "train")
