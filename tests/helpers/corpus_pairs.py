"""Pairs of the embedded corpus."""

from __future__ import annotations

import contextlib
import random
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cache

from mt.data.embedded_corpus import generate
from mt.data.embedded_corpus.grammar import Grammar, Pair
from mt.data.embedded_corpus.words import Lexicon, Noun

SIZES = {"train": 10_000, "val": 200, "test": 320, "long": 240, "compose": 240}


@cache
def pairs(split: str, seed: int = 0, size: int = 0) -> tuple[Pair, ...]:
    """Pairs of a split that several tests look at."""
    return tuple(generate(split, size or SIZES[split], seed))


def few_words(verbs: Iterable[str], rng: random.Random, nouns: Collection[str]) -> Grammar:
    """A grammar with few words, so that the same sentence comes again: these verbs, these German nouns or one of each sort.

    `her` is among them, which can be a determiner or a pronoun.
    """
    whole, lexicon = Lexicon(), Lexicon()
    groups: dict[str, list[Noun]] = defaultdict(list)
    for noun in whole.nouns:
        groups[noun.en[0] if noun.rival else noun.sort].append(noun)
    ambiguous = rng.sample([name for name in groups if groups[name][0].rival], 2)
    some = [noun for name in ambiguous for noun in groups[name]] + [
        rng.choice(group) for group in groups.values() if not group[0].rival
    ]
    lexicon.nouns = [noun for noun in whole.nouns if noun.de[0] in nouns] if nouns else some
    lexicon.verbs = [verb for verb in whole.verbs if verb.en[0] in {"be", "see", *verbs}]
    lexicon.adjectives = [
        adjective
        for adjective in whole.adjectives
        if adjective.en[0] in ("strange", "unusual", "nice", "loud")
    ]
    lexicon.determiners = [
        replace(word, weight=1) for word in whole.determiners if word.en in ("the", "a", "her", "-")
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


def said(
    verbs: Iterable[str], seed: int, number: int, longest: float = 8, nouns: Collection[str] = ()
) -> Iterator[Pair]:
    """About so many short sentences with few words."""
    rng = random.Random(seed)
    grammar = few_words(verbs, rng, nouns)
    for _ in range(number):
        with contextlib.suppress(ValueError, IndexError):  # so few words cannot say everything
            yield grammar.sentence(3 + (longest - 3) * rng.random())


def words_of(text: str) -> list[str]:
    return re.sub(r"[,.?!]", "", text).split(" ")
