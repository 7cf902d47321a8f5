"""Inflection for the embedded corpus: from the tables of `mt.data.demo.lexicon` to word forms of both languages.

Cases are nom, acc and dat; genders m, f, n and p (plural); agreement of a verb is 1 (I), 3 (he, she, it) or p (we, they).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mt.data.demo import lexicon

CASES = ("nom", "acc", "dat")
GENDERS = "mfnp"
# Endings by case, for the genders m, f, n, p in this order.
DEFINITE = {"nom": ("der", "die", "das", "die"), "acc": ("den", "die", "das", "die"), "dat": ("dem", "der", "dem", "den")}
RELATIVE = {**DEFINITE, "dat": ("dem", "der", "dem", "denen")}
STRONG = {"nom": ("er", "e", "es", "e"), "acc": ("en", "e", "es", "e"), "dat": ("em", "er", "em", "en")}
EIN_WORD = {**STRONG, "nom": ("", "e", "", "e"), "acc": ("en", "e", "", "e")}
WEAK = {"nom": ("e", "e", "e", "en"), "acc": ("en", "e", "e", "en"), "dat": ("en", "en", "en", "en")}
MIXED = {"nom": ("er", "e", "es", "en"), "acc": ("en", "e", "es", "en"), "dat": ("en", "en", "en", "en")}
IT = {"m": ("er", "ihn", "ihm"), "f": ("sie", "sie", "ihr"), "n": ("es", "es", "ihm")}
CONTRACTIONS = {"in dem": "im", "an dem": "am", "von dem": "vom", "in das": "ins"}


@dataclass(frozen=True, slots=True)
class Noun:
    en: str
    en_plural: str
    de: str
    gender: str
    de_plural: str
    kind: str
    weak: bool
    mass: bool
    preposition: str  # places: in, auf or an

    def german(self, case: str, plural: bool) -> str:
        if plural:
            return self.de_plural + ("n" if case == "dat" and self.de_plural[-1] not in "ns" else "")
        if self.weak and case != "nom":
            return self.de + ("n" if self.de[-1] in "er" else "en")
        return self.de


@dataclass(frozen=True, slots=True)
class Complement:
    """An object: its preposition, if it has one, its case and the kinds of nouns that fit."""

    preposition: str
    case: str
    kinds: str


@dataclass(frozen=True, slots=True)
class Verb:
    en: tuple[str, ...]  # base, third person, past, participle
    en_preposition: str
    particle: bool
    prefix: str
    de: tuple[str, ...]  # infinitive, third person, preterite, participle
    auxiliary: str
    subjects: str
    frame: str  # what completes it: none, acc, dat, give, prep, place, goal, adjective, that, whether, inf
    objects: tuple[Complement, ...]

    @property
    def infinitive(self) -> str:
        return self.prefix + self.de[0]

    @property
    def zu_infinitive(self) -> str:
        return f"{self.prefix}zu{self.de[0]}" if self.prefix else f"zu {self.de[0]}"


def _rows(table: str) -> list[list[str]]:
    return [[column.strip() for column in line.split("|")] for line in table.strip().splitlines()]


def _noun(row: list[str]) -> Noun:
    (en, en_plural), (de, gender, de_plural), (kind, *notes) = (column.split() for column in row)
    place = notes[0] if kind == "L" else ""
    return Noun(en, en_plural, de, gender, de_plural, kind, "weak" in notes, "mass" in notes, place)


def _verb(row: list[str]) -> Verb:
    english, (infinitive, *de), subjects, complement = row[0].split(), row[1].split(), row[2], row[3]
    prefix, _, stem = infinitive.rpartition("+")
    objects = []
    if ":" in complement:
        for item in complement.split():
            government, kinds = item.split(":")
            preposition, _, case = government.rpartition("+")
            objects.append(Complement(preposition, case, kinds))
    if len(objects) == 2:
        frame = "give"
    elif objects:
        frame = "prep" if objects[0].preposition else objects[0].case
    else:
        frame = complement or "none"
    preposition = english[0].partition("~")[2]
    forms = tuple(form.partition("~")[0].replace("_", " ") for form in english)
    auxiliary = "sein" if de[-1] == "s" else "haben"
    return Verb(forms, preposition, "_" in row[0], prefix, (stem, *de[:3]), auxiliary, subjects, frame, tuple(objects))


NOUNS = [_noun(row) for row in _rows(lexicon.NOUNS)]
VERBS = [_verb(row) for row in _rows(lexicon.VERBS)]
WEATHER = [_verb(row) for row in _rows(lexicon.WEATHER)]
ADJECTIVES = [(en, de, kinds) for en, de, kinds in _rows(lexicon.ADJECTIVES)]
PRONOUNS = [(tuple(en.split()), tuple(de.split()), agreement) for en, de, agreement in _rows(lexicon.PRONOUNS)]


@cache
def german_words(determiner: str, adjective: str, noun: Noun, plural: bool) -> tuple[str, ...]:
    """Determiner, adjective and noun in the three cases. The determiner decides which endings the adjective takes:
    none after der-words (weak), mixed after ein-words, and the full set (strong) where nothing else shows the case."""
    column = GENDERS.index("p" if plural else noun.gender)
    forms = []
    for case in CASES:
        if determiner == "der":
            first, endings = DEFINITE[case][column], WEAK
        elif determiner in ("dies", "jed"):
            first, endings = determiner + STRONG[case][column], WEAK
        elif determiner in ("", "zwei", "drei"):
            first, endings = determiner, STRONG
        elif determiner == "viel":
            first, endings = determiner + STRONG[case][column], STRONG
        else:
            first, endings = determiner + EIN_WORD[case][column], MIXED
        middle = adjective.removesuffix("e") + endings[case][column] if adjective else ""
        forms.append(" ".join(word for word in (first, middle, noun.german(case, plural)) if word))
    return tuple(forms)


def present(verb: Verb, agreement: str) -> str:
    irregular = {"sein": ("bin", "sind"), "wissen": ("weiß", "wissen")}
    first, plural = irregular.get(verb.de[0], (verb.de[0][:-1], verb.de[0]))
    return {"1": first, "3": verb.de[1], "p": plural}[agreement]


def preterite(verb: Verb, agreement: str) -> str:
    form = verb.de[2]
    return form if agreement != "p" else form + ("n" if form.endswith("e") else "en")


_AUXILIARIES = {
    "haben": {"perfect": ("habe", "hat", "haben"), "pluperfect": ("hatte", "hatte", "hatten")},
    "sein": {"perfect": ("bin", "ist", "sind"), "pluperfect": ("war", "war", "waren")},
}
_FUTURE = ("werde", "wird", "werden")


@cache
def german_verb(verb: Verb, tense: str, modal: str, agreement: str, negative: bool) -> tuple[str, str]:
    """The finite form, and what closes the clause: participle or infinitive (a separable prefix is left to the caller)."""
    index = "13p".index(agreement)
    if tense == "present":
        return present(verb, agreement), ""
    if tense == "past":
        return preterite(verb, agreement), ""
    if tense == "future":
        return _FUTURE[index], verb.infinitive
    if tense in ("modal", "modal past"):
        table = lexicon.MODALS if tense == "modal" else lexicon.PAST_MODALS
        forms = lexicon.MUST_NOT if modal == "must" and negative else table[modal]
        return forms[agreement == "p"], verb.infinitive
    return _AUXILIARIES[verb.auxiliary][tense][index], verb.de[3]


_BE = {"present": ("am", "is", "are"), "past": ("was", "was", "were")}


@cache
def english_verb(verb: Verb, tense: str, modal: str, agreement: str, negative: bool, question: bool) -> tuple[str, str]:
    """The first verb, which a question puts before the subject, and the rest of the verbs."""
    base, third, past, participle = verb.en
    third_person, no = agreement == "3", "not " if negative else ""
    if tense in ("present", "past"):
        if base == "be":
            return _BE[tense]["13p".index(agreement)], no.strip()
        if negative or question:
            return _do(tense, third_person), no + base
        return (past if tense == "past" else third if third_person else base), ""
    if tense == "perfect":
        return "has" if third_person else "have", no + participle
    if tense == "pluperfect":
        return "had", no + participle
    if tense == "future":
        return "will", no + base
    if modal == "want":
        simple = tense.replace("modal past", "past").replace("modal", "present")
        if negative or question:
            return _do(simple, third_person), f"{no}want to {base}"
        return ("wanted" if simple == "past" else "wants" if third_person else "want"), f"to {base}"
    if modal == "can" and negative:
        return "cannot", base
    return modal, no + base


def _do(tense: str, third_person: bool) -> str:
    return "did" if tense == "past" else "does" if third_person else "do"
