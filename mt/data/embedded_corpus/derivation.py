"""The state of the derivation of one sentence pair."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mt.data.embedded_corpus.compiler import Features, Node
from mt.data.embedded_corpus.deciders import Dependencies
from mt.data.embedded_corpus.entries import Noun
from mt.data.embedded_corpus.tables import join_words

Concept = tuple[int, ...]  # of a token: see `spelling.py`


class Mention(NamedTuple):
    """A noun that `it` can refer to."""

    noun: Noun
    concept: int


class Derivation:
    """What the rules and the words of a sentence share.

    `random` is the only source of randomness: a method `random.Random.random`, which is the same in
    all versions of Python.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self.random = random
        self.start(0)

    def start(self, length: float) -> None:
        """Start a sentence of about `length` words."""
        self.left = length  # words that the sentence may still take
        self.antecedent: Mention | None = None  # of `it` in the next clause
        self.mentioned: list[Mention] = []  # possible antecedents of `it` in this sentence
        self.dependencies = Dependencies()
        self.tags: list[set[str]] = [set()]  # of each clause
        self.open = [self.tags[0]]  # tags of the clauses under construction, innermost last
        self._last_concept = 0

    def has_antecedent(self, features: Features) -> bool:
        """Return True if `it` can refer to the antecedent here."""
        if self.antecedent is None:
            return False
        sort = self.antecedent.noun.sort
        return sort in features.get("sorts", (sort,))

    def end_clause(self) -> None:
        """Choose the antecedent for the next clause.

        It is the noun mentioned last, if all mentioned nouns have the same German gender.
        """
        genders = {mention.noun.gender for mention in self.mentioned}
        self.antecedent = self.mentioned[-1] if len(genders) == 1 else None

    def tag(self, name: str) -> None:
        """Tag the innermost open clause."""
        self.open[-1].add(name)

    def open_scope(self) -> None:
        """Open a clause."""
        self.tags.append(set())
        self.open.append(self.tags[-1])

    def close_scope(self) -> None:
        """Close the innermost clause."""
        self.open.pop()

    def new_concept(self) -> int:
        """Return a new number, for one choice of a word."""
        self._last_concept += 1
        return self._last_concept

    def linked_words(self, english: str, german: str) -> Node:
        """Return the tokens of two linked texts; "-" is an empty text.

        Texts with equally many words are linked word by word, others as a whole.
        """
        en, de = ([] if text == "-" else text.split() for text in (english, german))
        self.left -= len(en)
        if len(en) == len(de):
            concepts: list[Concept] = [(self.new_concept(),) for _ in en]
            return {
                "en": [(join_words(word), c) for word, c in zip(en, concepts, strict=True)],
                "de": [(join_words(word), c) for word, c in zip(de, concepts, strict=True)],
            }
        concept = (self.new_concept(),)
        return {
            "en": [(join_words(word), concept) for word in en],
            "de": [(join_words(word), concept) for word in de],
        }

    def draw(self, items: Sequence[Any]) -> Any:
        """Draw an item uniformly."""
        return items[int(self.random() * len(items))]

    def draw_weighted(self, cumulative: Sequence[float], items: Sequence[Any]) -> Any:
        """Draw an item by cumulative weights."""
        return items[bisect(cumulative, self.random() * cumulative[-1])]
