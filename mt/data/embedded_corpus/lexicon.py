"""The lexicon of the embedded corpus, loaded from the tables in `lexicon/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

from mt.data.embedded_corpus.entries import (
    Adjective,
    Determiner,
    Modal,
    Noun,
    Verb,
    parse_adjective,
    parse_determiner,
    parse_modal,
    parse_noun,
    parse_verb,
)
from mt.data.embedded_corpus.tables import read_table

CORE_GROUP_SIZE = 8  # smallest size of a group of entries in the core, if it has so many

Entry = TypeVar("Entry")


class Lexicon:
    """All entries, and the readings of English words that have several German translations.

    `core` takes only the first entries of each group of nouns, verbs and adjectives, for a corpus
    that is learned quickly.
    """

    def __init__(self, core: bool = False) -> None:
        self.core = core

    @cached_property
    def nouns(self) -> list[Noun]:
        """Nouns, grouped by sort, with `rival` set for ambiguous ones."""
        nouns = [parse_noun(columns) for columns in read_table("lexicon/nouns.txt")]
        readings: dict[str, list[Noun]] = {}
        for noun in nouns:
            readings.setdefault(noun.en[0], []).append(noun)
        rivals: dict[Noun, str] = {}
        for english, group in readings.items():
            if len(group) > 2 or len({noun.sort for noun in group}) < len(group):
                raise ValueError(
                    f"lexicon/nouns.txt: {english} must have one reading, or two of different sorts"
                )
            if len(group) == 2:
                first, second = group
                rivals |= {first: second.sort, second: first.sort}
        nouns = [replace(noun, rival=rivals.get(noun, "")) for noun in nouns]
        return self._select(nouns, lambda noun: "ambiguous" if noun.rival else noun.sort, 0.2)

    @cached_property
    def verbs(self) -> list[Verb]:
        """Verbs, grouped by frame, except those of the weather."""
        verbs = [parse_verb(columns) for columns in read_table("lexicon/verbs.txt")]
        return self._select(verbs, lambda verb: verb.frame, 0.3)

    @cached_property
    def weather(self) -> list[Verb]:
        """Verbs of the weather, such as rain."""
        return [parse_verb(columns, "weather") for columns in read_table("lexicon/weather.txt")]

    @cached_property
    def adjectives(self) -> list[Adjective]:
        """Adjectives, grouped by the first of their sorts in the alphabet."""
        adjectives = [parse_adjective(columns) for columns in read_table("lexicon/adjectives.txt")]
        return self._select(adjectives, lambda adjective: min(adjective.sorts), 0.3)

    @cached_property
    def determiners(self) -> list[Determiner]:
        """Determiners."""
        return [parse_determiner(columns) for columns in read_table("lexicon/determiners.txt")]

    @cached_property
    def modals(self) -> list[Modal]:
        """Modal verbs."""
        return [parse_modal(columns) for columns in read_table("lexicon/modals.txt")]

    @cached_property
    def frames(self) -> dict[str, float]:
        """Weights of the frames of verbs."""
        lines = [line.split() for (line,) in read_table("rules/frames.txt")]
        return {name: float(weight) for name, weight in lines}

    def _select(
        self, entries: list[Entry], group: Callable[[Entry], str], core_share: float
    ) -> list[Entry]:
        """Order entries by group; for the core, keep only the first of each group."""
        groups: dict[str, list[Entry]] = {}
        for entry in entries:
            groups.setdefault(group(entry), []).append(entry)
        selected: list[Entry] = []
        for members in groups.values():
            size = max(CORE_GROUP_SIZE, round(core_share * len(members)))
            selected += members[:size] if self.core else members
        return selected

    def subject_sorts(self, verb: Verb) -> frozenset[str]:
        """Return the sorts of subjects of the English verb, over all its readings."""
        return self._sorts["subject", verb.en]

    def object_sorts(self, verb: Verb, number: int) -> frozenset[str]:
        """Return the sorts of an object (0 or 1) of the English verb, over all its readings."""
        key = (number, verb.en, verb.particle, verb.en_preposition)
        return self._sorts.get(key, frozenset())

    def described_sorts(self, adjective: Adjective) -> frozenset[str]:
        """Return the sorts that the English adjective describes, over all its readings."""
        return self._sorts["adjective", adjective.en[0]]

    def is_ambiguous(self, verb: Verb) -> bool:
        """Return True if the English verb, with particle and preposition, has several readings."""
        return self._reading_counts[verb.en, verb.particle, verb.en_preposition] > 1

    @cached_property
    def rivals(self) -> dict[Verb, list[Verb]]:
        """Readings of each verb's English verb with the same kind of complement and other German.

        Readings with the same German verb and prepositions have the same translation.
        """
        groups: dict[tuple[object, ...], list[Verb]] = {}
        for verb in self.verbs:
            key = (verb.en, verb.particle, verb.en_preposition, verb.frame)
            groups.setdefault(key, []).append(verb)

        def german(verb: Verb) -> tuple[object, ...]:
            return verb.prefix, verb.de, [each.preposition for each in verb.objects]

        return {
            verb: [other for other in group if german(other) != german(verb)]
            for group in groups.values()
            for verb in group
        }

    @cached_property
    def _reading_counts(self) -> Counter[tuple[object, ...]]:
        return Counter((verb.en, verb.particle, verb.en_preposition) for verb in self.verbs)

    @cached_property
    def _sorts(self) -> dict[tuple[object, ...], frozenset[str]]:
        sorts: dict[tuple[object, ...], set[str]] = {}
        for verb in self.verbs:
            sorts.setdefault(("subject", verb.en), set()).update(verb.subjects)
            for number, complement in enumerate(verb.objects):
                key = (number, verb.en, verb.particle, verb.en_preposition)
                sorts.setdefault(key, set()).update(complement.sorts)
        for adjective in self.adjectives:
            sorts.setdefault(("adjective", adjective.en[0]), set()).update(adjective.sorts)
        return {key: frozenset(names) for key, names in sorts.items()}
