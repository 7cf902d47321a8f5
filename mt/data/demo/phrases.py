"""Noun phrases and verb phrases of the synchronous grammar, each built in English and German at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from mt.data.demo import lexicon
from mt.data.demo.words import (
    ADJECTIVES,
    CASES,
    CONTRACTIONS,
    GENDERS,
    NOUNS,
    PRONOUNS,
    RELATIVE,
    VERBS,
    Noun,
    Verb,
    english_verb,
    german_verb,
    german_words,
)

Item = TypeVar("Item")

NOT_PAST = (("present", 0.55), ("perfect", 0.17), ("future", 0.12), ("modal", 0.16))
PAST = (("past", 0.84), ("modal past", 0.16))
FRAMES = (
    ("none", 0.10), ("acc", 0.30), ("dat", 0.08), ("give", 0.08), ("prep", 0.08), ("goal", 0.07), ("place", 0.05),
    ("adjective", 0.12), ("that", 0.06), ("whether", 0.02), ("inf", 0.04),
)  # fmt: skip
OPENERS = {"that": "dass", "whether": "ob"}  # verbs with these frames demand a clause
DETERMINERS = {
    "singular": (("the", "der", 0.52), ("a", "ein", 0.22), ("", "", 0.14), ("this", "dies", 0.09), ("every", "jed", 0.03)),
    "plural": (("the", "der", 0.45), ("bare", "", 0.2), ("", "", 0.14), ("these", "dies", 0.07), ("many", "viel", 0.06),
               ("two", "zwei", 0.05), ("three", "drei", 0.03)),
    "mass": (("bare", "", 0.5), ("the", "der", 0.35), ("", "", 0.15)),
    "place": (("the", "der", 0.82), ("", "", 0.1), ("this", "dies", 0.08)),
}  # fmt: skip
QUANTIFIERS = ("every", "many", "two", "three")


@dataclass(slots=True)
class NounPhrase:
    en: str
    de: tuple[str, ...]  # nominative, accusative, dative
    agreement: str  # of its verb: 1, 3 or p
    noun: Noun | None = None
    en_object: str = ""  # where it differs: me, him
    definite: bool = True  # definite objects stand before adverbs of time, indefinite ones after
    quantified: bool = False  # every, many, two, or an indefinite subject: a negated verb would be ambiguous
    contracts: bool = False  # in dem -> im
    has_clause: bool = False  # carries a relative clause


@dataclass(slots=True)
class VerbPhrase:
    en_first: str
    en_rest: str
    finite: str
    middle: str
    right: str  # participle, infinitive: closes the clause
    prefix: str  # separable prefix of the finite verb: closes a main clause, joins the verb in a subordinate one
    tail: str = ""  # infinitive clause, after everything
    opens: str = ""  # that, whether: a clause must follow


def words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def with_preposition(preposition: str, phrase: NounPhrase, case: str) -> str:
    text = f"{preposition} {phrase.de[CASES.index(case)]}"
    if phrase.contracts:
        article = " ".join(text.split(" ", 2)[:2])
        if article in CONTRACTIONS:
            return CONTRACTIONS[article] + text[len(article) :]
    return text


@cache
def nouns_of(kinds: str) -> list[Noun]:
    return [noun for noun in NOUNS if noun.kind in kinds]


@cache
def adjectives_for(kind: str) -> list[tuple[str, str, str]]:
    return [row for row in ADJECTIVES if kind in row[2]]


@cache
def verbs_for(subject: str, frame: str, object_kind: str = "") -> list[Verb]:
    """Verbs for a kind of subject in a frame, only those whose (single) object may be of the given kind."""
    return [
        verb for verb in VERBS
        if subject in verb.subjects and verb.frame == frame and (not object_kind or object_kind in verb.objects[0].kinds)
    ]  # fmt: skip


class Phrases:
    """Draws sentence pairs from a random source; uses nothing of it but `random()`, which never changes between versions."""

    def __init__(self, rng: random.Random) -> None:
        self.random = rng.random
        self.left = 0.0  # words that the sentence may still take: makes optional parts likelier
        self.mentioned: list[Noun | None] = []  # in this clause, what `it` might mean (None: nothing that one refers to)
        self.focus: Noun | None = None  # what `it` means in the next clause

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(self.random() * len(items))]

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def weighted(self, table: Sequence[tuple]) -> tuple:
        """A row by its last column."""
        point = self.random() * sum(row[-1] for row in table)
        for row in table:
            point -= row[-1]
            if point < 0:
                return row
        return table[-1]

    # --- noun phrases

    def noun_phrase(self, kinds: str, *, relative: bool = False, negated: bool = False, kein: bool = False) -> NounPhrase:
        """`relative`: may carry a relative clause; `negated`: object of a negated verb; `kein`: it can carry the negation."""
        if "P" in kinds and not negated and self.chance(0.06):
            name = self.pick(lexicon.NAMES)
            return NounPhrase(name, (name,) * 3, "3")
        noun = self.pick(nouns_of(self.pick(kinds)))
        plural = not noun.mass and noun.kind not in "LE" and self.chance(0.22)
        table = DETERMINERS["place" if noun.kind in "LE" else "mass" if noun.mass else "plural" if plural else "singular"]
        en, de, _ = self.weighted([row for row in table if row[0] not in QUANTIFIERS] if negated else table)
        if not en:
            en = self.pick(tuple(lexicon.POSSESSIVES))
            de = lexicon.POSSESSIVES[en]
        indefinite = en in ("a", "bare")
        if indefinite and kein:
            de = "kein"
        adjective = self.pick(adjectives_for(noun.kind)) if self.chance(0.18 + 0.012 * self.left) else ("", "", "")
        after_article = words(adjective[0], noun.en_plural if plural else noun.en)
        article = "" if en == "bare" else "an" if en == "a" and after_article[0] in "aeiou" else en
        phrase = NounPhrase(
            en=words(article, after_article),
            de=german_words(de, adjective[1], noun, plural),
            agreement="p" if plural else "3",
            noun=noun,
            definite=not indefinite and en not in ("many", "two", "three"),
            quantified=indefinite or en in QUANTIFIERS,
            contracts=en == "the",
        )
        self.left -= 2 + bool(adjective[0])
        if noun.kind != "P" and not plural:
            self.mentioned.append(None if noun.kind == "E" or en == "every" or de == "kein" else noun)
        if relative and noun.kind != "E" and self.left > 6 and self.chance(0.10 + 0.006 * self.left):
            self.relative_clause(phrase, noun)
        return phrase

    def pronoun(self, *, barred: str = "") -> NounPhrase:
        """A personal pronoun; not one that overlaps with the `barred` subject (I see us, he sees him)."""
        barred_rows = ("I", "we") if barred in ("I", "we") else (barred,)
        (en, en_object), de, agreement = self.pick([row for row in PRONOUNS if row[0][0] not in barred_rows])
        self.left -= 1
        return NounPhrase(en, de, agreement, en_object=en_object)

    def relative_clause(self, phrase: NounPhrase, noun: Noun) -> None:
        """Hangs a relative clause on the phrase. The pronoun takes gender from the noun, case from its own clause."""
        column = GENDERS.index("p" if phrase.agreement == "p" else noun.gender)
        person = noun.kind == "P"
        tense = self.tense(self.chance(0.35))
        self.left -= 4
        if noun.kind in "PA" and self.chance(0.5):
            vp = self.verb_phrase(noun.kind, phrase.agreement, tense, nested=True)
            en = words("who" if person else "that", vp.en_first, vp.en_rest)
            de = words(RELATIVE["nom"][column], self.verb_last(vp))
        else:
            subject = self.pronoun() if self.chance(0.35) else self.noun_phrase("P")
            verb = self.pick([verb for frame in ("acc", "acc", "dat", "prep") for verb in verbs_for("P", frame, noun.kind)])
            negative = not subject.quantified and self.chance(0.1)
            vp = self.predicate(verb, subject.agreement, tense, negative, "", "nicht" if negative else "")
            target = verb.objects[0]
            link = "whom" if person else "which" if verb.en_preposition else "that"
            en = words(verb.en_preposition, link, subject.en, vp.en_first, vp.en_rest)
            de = words(target.preposition, RELATIVE[target.case][column], subject.de[0], self.verb_last(vp))
        phrase.en = f"{phrase.en} {en}"
        phrase.de = tuple(f"{form} , {de} ," for form in phrase.de)
        phrase.contracts, phrase.has_clause = False, True

    def subject(self) -> tuple[str, NounPhrase]:
        """The kind of a subject, and the phrase."""
        if self.chance(0.32):
            return "P", self.pronoun()
        kind = self.pick("PPPPPPPAAATRO")
        phrase = self.noun_phrase(kind, relative=True)
        if kind in "PA" and not phrase.has_clause and self.left > 4 and self.chance(0.08):
            other = self.noun_phrase(kind)
            de = tuple(f"{one} und {two}" for one, two in zip(phrase.de, other.de, strict=True))
            return kind, NounPhrase(f"{phrase.en} and {other.en}", de, "p", quantified=phrase.quantified or other.quantified)
        return kind, phrase

    # --- verb phrases

    def tense(self, past: bool) -> str:
        return self.weighted(PAST if past else NOT_PAST)[0]

    def predicate(
        self, verb: Verb, agreement: str, tense: str, negative: bool, en_after: str, middle: str,
        *, right: str = "", question: bool = False,
    ) -> VerbPhrase:  # fmt: skip
        """Verb forms around what has been built; `middle` holds nicht or kein already."""
        modal = ""
        if tense.startswith("modal"):
            modals = lexicon.MODALS if tense == "modal" else lexicon.PAST_MODALS
            # Things and weather want nothing: verbs that they may be subjects of go without that modal.
            wills = verb.subjects and set(verb.subjects) <= set("PA")
            modal = self.pick([name for name in modals if wills or name != "want"])
        first, rest = english_verb(verb, tense, modal, agreement, negative, question)
        finite, closing = german_verb(verb, tense, modal, agreement, negative)
        prefix = verb.prefix if not closing else ""
        return VerbPhrase(first, words(rest, en_after), finite, middle, words(right, closing), prefix)

    def verb_phrase(
        self, kind: str, agreement: str, tense: str, *, subject: str = "", negative: bool = False, end: bool = True,
        nested: bool = False, matrix: bool = False, time: bool = True, place: bool = True, question: bool = False,
    ) -> VerbPhrase:  # fmt: skip
        """`end`: the English clause ends here, so that a relative clause may stand last; `nested`: this is itself in one;
        `matrix`: may take a clause; `time` and `place`: may have such adverbials."""
        excluded: tuple[str, ...] = () if matrix and self.left >= 4 else ("that", "whether", "inf")
        excluded += () if place else ("place", "goal")
        frame = self.weighted([row for row in FRAMES if row[0] not in excluded and verbs_for(kind, row[0])])[0]
        verb = self.pick(verbs_for(kind, frame))
        clausal = frame in ("that", "whether", "inf")
        when = self.pick(lexicon.TIMES[tense]) if time and not clausal and self.chance(0.16) else ("", "")
        open_end = end and not nested and not when[0]
        adjunct = ("", "")
        if frame == "place":
            adjunct = self.place(open_end)
        elif kind in "PA" and not clausal and frame != "adjective" and self.chance(0.04 + 0.012 * max(self.left, 0)):
            adjunct = self.adjunct(frame, place, open_end)
        open_end = open_end and not adjunct[0]
        before: list[str] = []  # German objects before and after the adverb of time, and before the verb's end
        after: list[str] = []
        late, right, tail = "", "", ""
        english, carried = [verb.en_preposition], False
        for number, target in enumerate(verb.objects):
            last = number == len(verb.objects) - 1
            if "P" in target.kinds and not verb.particle and self.chance(0.22):
                phrase = self.pronoun(barred=subject)
            else:
                bare = negative and not target.preposition
                phrase = self.noun_phrase(target.kinds, relative=last and open_end, negated=bare, kein=bare and last)
                carried |= bare and last and not phrase.definite
            english.append(phrase.en_object or phrase.en)
            if target.preposition:
                late = with_preposition(target.preposition, phrase, target.case)
            else:
                (before if phrase.definite and not after else after).append(phrase.de[CASES.index(target.case)])
        if frame == "adjective":
            en_adjective, right, _ = self.pick(adjectives_for(kind))
            english.append(en_adjective)
        elif frame == "goal":
            phrase, preposition = self.place_noun(open_end)
            english.append(f"to {phrase.en}")
            late = with_preposition(preposition, phrase, "acc")
        elif frame == "inf":
            en_inner, inner = self.infinitive(kind, end and not nested)
            english.append(f"to {en_inner}")
            tail = f", {inner} ,"
        middle = words(*before, when[1], *after, "nicht" if negative and not carried else "", adjunct[1], late)
        after_verb = words(*english, adjunct[0], when[0])
        vp = self.predicate(verb, agreement, tense, negative, after_verb, middle, right=right, question=question)
        vp.tail, vp.opens = tail, frame if frame in OPENERS else ""
        return vp

    def place_noun(self, relative: bool) -> tuple[NounPhrase, str]:
        """A place, and the German preposition that it takes."""
        phrase = self.noun_phrase("L", relative=relative)
        assert phrase.noun is not None
        return phrase, phrase.noun.preposition

    def place(self, relative: bool) -> tuple[str, str]:
        phrase, de = self.place_noun(relative)
        en = "in" if de == "in" else "on"
        if self.chance(0.15):
            en, de = self.pick(lexicon.TWO_WAY)
        return f"{en} {phrase.en}", with_preposition(de, phrase, "dat")

    def adjunct(self, frame: str, place: bool, relative: bool) -> tuple[str, str]:
        if place and frame != "goal" and self.chance(0.5):
            return self.place(relative)
        if self.chance(0.35):
            en, de = self.pick(lexicon.EVENT_PREPOSITIONS)
            phrase, case = self.noun_phrase("E"), "dat"
        else:
            en, de, case = lexicon.BENEFIT if frame == "acc" and self.chance(0.4) else self.pick(lexicon.COMPANIONS)
            phrase = self.noun_phrase("P" if en == "for" else "PA", relative=relative)
        return f"{en} {phrase.en}", with_preposition(de, phrase, case)

    def infinitive(self, kind: str, end: bool) -> tuple[str, str]:
        """What follows `tries to`: English bare infinitive with its object, German object with zu-infinitive."""
        verb = self.pick(verbs_for(kind, self.weighted((("acc", 5), ("dat", 2), ("none", 1)))[0]))
        if not verb.objects:
            return verb.en[0], verb.zu_infinitive
        target = verb.objects[0]
        phrase = self.noun_phrase(target.kinds, relative=end)
        en = words(verb.en[0], verb.en_preposition, phrase.en)
        return en, words(phrase.de[CASES.index(target.case)], verb.zu_infinitive)

    @staticmethod
    def verb_last(vp: VerbPhrase) -> str:
        return words(vp.middle, vp.right, vp.prefix + vp.finite, vp.tail)
