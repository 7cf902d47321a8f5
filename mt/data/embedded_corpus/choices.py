"""Which words can stand in a place: what the lexicon has for a kind of noun, verb or small word, found once and remembered."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import Any

from mt.data.embedded_corpus.words import (
    Adjective,
    Determiner,
    Lexicon,
    Modal,
    Noun,
    Verb,
    rows,
    sorts_of,
)

ONE_OBJECT = ("acc", "dat", "prep")
SIMPLE = ("none", "acc", "dat", "give", "prep")
TABLES = ("adverbs", "names", "numbers", "prepositions", "conjunctions", "pronouns")
CLAUSAL = ("that", "whether", "inf")


class Choices:
    """Lists to draw from, by what is asked for; with weights as their running sums. ValueError where there is nothing."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.tables = {name: list(rows(f"lexicon/{name}.txt")) for name in TABLES}
        # One cache an instance, gone with it.
        self.nouns = cache(self._nouns)
        self.pronouns = cache(self._pronouns)
        self.names = cache(self._names)
        self.determiners = cache(self._determiners)
        self.adjectives = cache(self._adjectives)
        self.verbs = cache(self._verbs)
        self.modals = cache(self._modals)
        self.adverbs = cache(self._adverbs)
        self.numbers = cache(self._numbers)
        self.prepositions = cache(self._prepositions)
        self.conjunctions = cache(self._conjunctions)

    def _nouns(
        self, sorts: frozenset[str], readings: frozenset[str] | None, inside: str
    ) -> list[Noun]:
        """The nouns of these sorts; of the ambiguous ones those that mean nothing else among `readings` (None: leave them out).

        `inside`: yes for places that one is in, no for those that one is on or at; empty for all.
        """
        found = [n for n in self.lexicon.nouns if n.sort in sorts]
        found = [
            n
            for n in found
            if not n.rival
            or (readings is not None and n.rival not in readings and self._told_apart(n))
        ]
        if inside:
            found = [n for n in found if (n.preposition[0] == "in") == (inside == "yes")]
        if not found:
            raise ValueError(f"no noun for {sorted(sorts)}")
        return found

    def _told_apart(self, noun: Noun) -> bool:
        """Whether there are verbs for every place where one must tell the readings of an ambiguous noun apart: as its subject, in the
        passive, and in a relative clause. (The core has too few for some nouns.)
        """
        subject = passive = relative = False
        for verb in self.lexicon.verbs:
            subject |= (
                verb.frame in SIMPLE
                and noun.sort in verb.subjects
                and noun.rival not in self.lexicon.subjects(verb)
            )
            if (
                verb.frame in ONE_OBJECT
                and noun.sort in verb.objects[0].sorts
                and noun.rival not in self.lexicon.objects(verb, 0)
            ):
                relative |= not verb.particle and "person" in verb.subjects
                passive |= verb.frame == "acc" and verb.passive and "person" in verb.subjects
        return subject and passive and relative

    def _pronouns(self, barred: tuple[str, ...]) -> list[tuple[list[str], list[str], str]]:
        table = [
            (en.split(), de.split(), agreement) for en, de, agreement in self.tables["pronouns"]
        ]
        return [row for row in table if row[0][0] not in barred]

    def _names(self, kind: str, owner: bool) -> list[tuple[str, str]]:
        table = [
            (en, de)
            for en, which, de in self.tables["names"]
            if (which == "city") == (kind == "city")
        ]
        return [
            (en, de or en)
            for en, de in table
            if not owner or not (de or en).endswith(("s", "x", "z", "ß"))
        ]

    def _determiners(
        self, number: str, only: str | None, negated: bool, definite: bool
    ) -> tuple[list[float], list[Determiner]]:
        """Under negation nothing that counts: `not every` and `not many` have other scopes."""
        kinds = (
            ("def",)
            if definite
            else ("def", "indef")
            if negated
            else ("def", "indef", "every", "many")
        )
        found = [
            d
            for d in self.lexicon.determiners
            if number in d.numbers and d.kind in kinds and only in (None, d.en)
        ]
        return list(accumulate(d.weight for d in found)), found

    def _adjectives(
        self, sort: str, rival: str | None, graded: bool, but: Adjective | None
    ) -> list[Adjective]:
        """Adjectives for a sort; beside an ambiguous noun that they are the only key to, none that goes with the other reading."""
        fitting = [
            a
            for a in self.lexicon.adjectives
            if sort in a.sorts and rival not in self.lexicon.described(a) and a is not but
        ]
        return [a for a in fitting if not graded or a.en[1] != "-"]

    def _verbs(self, key: tuple[Any, ...]) -> tuple[list[float], list[Verb]]:
        """By frame, sort of the subject and the rival of its noun, the same of the object; whether passive; and whether there may be
        a clause in it, a place, an English particle, another reading of the English verb.
        """
        frame, subject, rival, noun, noun_rival, passive, embed, place, particle, readings = key
        if frame == "weather":
            return list(accumulate(1.0 for _ in self.lexicon.weather)), self.lexicon.weather
        frames = {"any": tuple(self.lexicon.frames), "one": ONE_OBJECT, "simple": SIMPLE}.get(
            frame, (frame,)
        )
        barred = (() if embed else CLAUSAL) + (() if place else ("place", "goal"))
        found = []
        for verb in self.lexicon.verbs:
            patient = verb.objects[0].sorts if verb.objects else frozenset()
            agents, patients = (
                self.lexicon.subjects(verb),
                self.lexicon.objects(verb, 0),
            )  # what an English reader would admit
            if passive:
                fits = (
                    verb.passive
                    and "person" in verb.subjects
                    and subject in patient
                    and rival not in patients
                )
            else:
                fits = (
                    subject in verb.subjects
                    and rival not in agents
                    and (not noun or (noun in patient and noun_rival not in patients))
                )
            fits = fits and (readings or not self.lexicon.has_readings(verb))
            if (
                fits
                and verb.frame in frames
                and verb.frame not in barred
                and (not verb.particle or (particle and not noun))
            ):
                found.append(verb)
        if not found:
            raise ValueError(
                f"no verb for frame {frame}, subject {subject} (not {rival}), object {noun} (not {noun_rival})"
            )
        counts = {name: sum(verb.frame == name for verb in found) for name in frames}
        return list(
            accumulate(self.lexicon.frames[verb.frame] / counts[verb.frame] for verb in found)
        ), found

    def _modals(self, tense: str, subject: str, negated_question: bool) -> list[Modal]:
        """Things can and must too, but could is more than konnte for them. `Must he not?` may be nicht müssen or nicht dürfen."""
        then = tense == "modal-past"
        things = () if then else ("can",)
        return [
            m
            for m in self.lexicon.modals
            if (subject in m.subjects or m.en[0] in ("must", *things))
            and not (negated_question and not then and m.en[0] == "must")
            and not (then and "-" in (m.en[1], m.de[2]))
        ]

    def _adverbs(self, kind: str, tense: str, negated: bool) -> list[tuple[str, str]]:
        """Adverbs of a kind; those of time that go with the tense (modals: as present and past). `Not every day` has two scopes."""
        tense = {"modal": "present", "modal-past": "past"}.get(tense, tense)
        found = [
            (en, de)
            for en, de, which, tenses in self.tables["adverbs"]
            if which == kind and (not tense or tense in tenses.split(","))
        ]
        return [(en, de) for en, de in found if not (negated and en.startswith("every_"))]

    def _numbers(self, kind: str) -> list[tuple[str, str]]:
        return [(en, de or en) for which, en, de in self.tables["numbers"] if which == kind]

    def _prepositions(self, kind: str) -> list[tuple[str, str, str, frozenset[str]]]:
        return [
            (en, de, case, sorts_of(sorts))
            for which, en, de, case, sorts in self.tables["prepositions"]
            if which == kind
        ]

    def _conjunctions(
        self, kind: str, when: str, after_perfect: bool
    ) -> list[tuple[str, str, str, str]]:
        """`after_perfect`: only those that go with a main clause in the English perfect."""
        table = [
            (en, now, then, restriction)
            for en, now, then, which, restriction in self.tables["conjunctions"]
            if which == kind
        ]
        usable = [row for row in table if (row[1] if when == "now" else row[2]) not in ("", "-")]
        return [row for row in usable if row[3] == "-" or not after_perfect]
