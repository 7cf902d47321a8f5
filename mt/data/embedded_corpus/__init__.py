"""The embedded corpus: generated English-German sentence pairs with word alignments.

Other packages use only this module. The sentences come from the rules in `rules/` and the words in
`lexicon/`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b

from mt.data.embedded_corpus.grammar import Grammar, Pair
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.tables import FOLDER, read_table
from mt.errors import UsageError

SPLITS = ("train", "val", "test", "long", "compose")
SUBSETS = ("full", "core")
# Words of a source sentence: shortest and longest, and buckets of equal size in test and long.
LENGTHS = (3, 40)
TEST_BUCKETS = ((3, 10), (11, 20), (21, 30), (31, 40))
LONG_BUCKETS = ((41, 60), (61, 80), (81, 120))
# Raise it if a change of the code changes the pairs (a test compares their digest).
CODE_VERSION = 1
# Fingerprint -> an earlier one of exactly the same pairs, whose caches and runs stay valid.
SAME_PAIRS = {"046835348f70a6eb416fcb21d3aa1625": "239a213a3371f960d2808880e945bbc0"}


def generate(split: str, size: int, seed: int = 0, subset: str = "full") -> Iterator[Pair]:
    """Yield the first `size` pairs of a split, each source once.

    The pairs are the same on every machine and Python version. Splits: `train` and `val` have
    mostly short sentences (3 to 40 words, about 11 on average). `test` has equally many sentences
    of each length bucket. `long` has sentences of 41 to 120 words, equally many of three buckets.
    `compose` has combinations of constructions (rules/held-out.txt) that no other split has. Subset
    `core` uses part of the lexicon.

    A larger size continues a smaller one. A hash of the source assigns a sentence to train, val or
    test (val and test get a tenth each), so these are disjoint whatever their sizes and seeds.
    Memory: about 60 bytes for each pair. Raises UsageError for an unknown split or subset or a
    negative size.
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
        raise UsageError(f"the size of the embedded corpus must be >= 0, got {size}")
    return _generate(split, size, seed, subset)


def fingerprint() -> str:
    """Return a digest of rules, words and CODE_VERSION, which identifies the pairs.

    Caches, and the runs of mt-compare, are found by it.
    """
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".txt", ".rules"))
    content = b"".join(path.read_bytes() for path in files) + str(CODE_VERSION).encode()
    digest = blake2b(content, digest_size=16).hexdigest()
    return SAME_PAIRS.get(digest, digest)


def construction_names(pair: Pair) -> list[str]:
    """Return the names of the constructions of a pair, and of its held-out combinations."""
    return [*sorted(pair.constructions), *held_out_combinations(pair)]


def held_out_combinations(pair: Pair) -> list[str]:
    """Return the combinations of constructions in a pair that only `compose` has.

    They are named by the constructions of one clause, such as passive+question.
    """
    return [
        "+".join(sorted(tags))
        for tags in _held_out()
        if any(tags <= clause for clause in pair.clauses)
    ]


@cache
def _held_out() -> list[frozenset[str]]:
    return [frozenset(tags.split()) for (tags,) in read_table("rules/held-out.txt")]


def _generate(split: str, size: int, seed: int, subset: str) -> Iterator[Pair]:
    rng = random.Random(_hash(f"{split} {seed}"))
    grammar = Grammar(rng, Lexicon(core=subset == "core"))
    buckets = {"test": TEST_BUCKETS, "long": LONG_BUCKETS}.get(split)
    seen: set[int] = set()
    while len(seen) < size:
        low, high = buckets[len(seen) % len(buckets)] if buckets else LENGTHS
        length = low + (high - low) * rng.random() ** (1 if buckets else 3.4)
        pair = grammar.draw_sentence(length)
        is_held_out = bool(held_out_combinations(pair))
        if is_held_out != (split == "compose") or not low <= pair.source.count(" ") + 1 <= high:
            continue
        key = _hash(pair.source)
        if key not in seen and (split in ("long", "compose") or split == _assign_split(key)):
            seen.add(key)
            yield pair


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def _assign_split(key: int) -> str:
    return {0: "val", 1: "test"}.get(key % 10, "train")
