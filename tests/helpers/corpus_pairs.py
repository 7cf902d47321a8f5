"""Pairs of the embedded corpus for its tests."""

from __future__ import annotations

import contextlib
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cache

from mt.data.embedded_corpus import generate
from mt.data.embedded_corpus.entries import Noun
from mt.data.embedded_corpus.grammar import Grammar, Pair
from mt.data.embedded_corpus.lexicon import Lexicon

SIZES = {"train": 10_000, "val": 200, "test": 320, "long": 240, "compose": 240}


@cache
def pairs(split: str, seed: int = 0, size: int = 0) -> tuple[Pair, ...]:
    """Return pairs of a split, generated once for all tests."""
    return tuple(generate(split, size or SIZES[split], seed))


def small_grammar(verbs: Iterable[str], rng: random.Random, nouns: Collection[str]) -> Grammar:
    """Return a grammar with few words, so that sentences recur.

    It has the given English verbs, be and see, and the given German nouns, or one noun of each sort
    and two ambiguous ones. `her` is included because it can be a determiner or a pronoun.
    """
    full, lexicon = Lexicon(), Lexicon()
    groups: dict[str, list[Noun]] = defaultdict(list)
    for noun in full.nouns:
        groups[noun.en[0] if noun.rival else noun.sort].append(noun)
    ambiguous = rng.sample([name for name in groups if groups[name][0].rival], 2)
    lexicon.nouns = [noun for name in ambiguous for noun in groups[name]] + [
        rng.choice(group) for group in groups.values() if not group[0].rival
    ]
    if nouns:
        lexicon.nouns = [noun for noun in full.nouns if noun.de[0] in nouns]
    lexicon.verbs = [verb for verb in full.verbs if verb.en[0] in {"be", "see", *verbs}]
    lexicon.adjectives = [
        adjective
        for adjective in full.adjectives
        if adjective.en[0] in ("strange", "unusual", "nice", "loud")
    ]
    lexicon.determiners = [
        replace(word, weight=1) for word in full.determiners if word.en in ("the", "a", "her", "-")
    ]
    grammar = Grammar(rng, lexicon)
    grammar.choices.tables["pronouns"] = [
        row for row in grammar.choices.tables["pronouns"] if row[0] in ("I me", "she her")
    ]
    for table, column in (("names", 1), ("adverbs", 2), ("numbers", 0)):
        by_kind: dict[str, list[list[str]]] = defaultdict(list)
        for row in grammar.choices.tables[table]:
            by_kind[row[column]].append(row)
        grammar.choices.tables[table] = [
            row for rows in by_kind.values() for row in rng.sample(rows, min(len(rows), 3))
        ]
    return grammar


def short_pairs(
    verbs: Iterable[str], seed: int, number: int, longest: float = 8, nouns: Collection[str] = ()
) -> Iterator[Pair]:
    """Yield up to `number` pairs of short sentences from a small grammar."""
    rng = random.Random(seed)
    grammar = small_grammar(verbs, rng, nouns)
    for _ in range(number):
        with contextlib.suppress(ValueError, IndexError):  # some rules find no word
            yield grammar.draw_sentence(3 + (longest - 3) * rng.random())


def split_words(text: str) -> list[str]:
    """Split a sentence into words without punctuation."""
    return re.sub(r"[,.?!]", "", text).split(" ")
