"""Entries of the lexicon, parsed from the columns of its tables."""

from __future__ import annotations

from dataclasses import dataclass

from mt.data.embedded_corpus.tables import join_words, parse_sorts


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun in both languages."""

    en: tuple[str, str]  # singular, plural
    de: tuple[str, str]  # singular, plural
    gender: str  # m, f, n
    sort: str
    weak: bool  # weak declension
    mass: bool  # not countable
    preposition: tuple[str, str]  # of a place: German, English
    rival: str  # sort of the other reading if the English noun is ambiguous, else empty


@dataclass(frozen=True, slots=True)
class Complement:
    """An object of a verb."""

    preposition: str  # German, or empty
    case: str
    sorts: frozenset[str]  # of the nouns that fit


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A verb in both languages, with its complements."""

    en: tuple[str, str, str, str]  # base, third person, past, participle
    particle: str  # English
    en_preposition: str
    prefix: str  # German, separable
    # Infinitive, third person and preterite without the prefix; participle with the prefix.
    de: tuple[str, str, str, str]
    auxiliary: str  # haben or sein
    subjects: frozenset[str]
    frame: str  # kind of complement, as in rules/frames.txt
    objects: tuple[Complement, ...]
    passive: bool
    gift: str  # English preposition of the receiver when it follows the object: to or for


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """An adjective in both languages."""

    en: tuple[str, str]  # positive, comparative (or "-")
    de: tuple[str, str]
    stem: str  # German positive before endings
    sorts: frozenset[str]  # of the nouns that it describes


@dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    """A determiner in both languages."""

    en: str
    de: str
    declension: str
    numbers: tuple[str, ...]  # of the noun: singular, plural, mass
    kind: str  # def, indef, every, many
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """A modal verb in both languages."""

    en: tuple[str, str]  # present, past (or "-")
    de: tuple[str, str, str]  # infinitive, third person, preterite (or "-")
    # German infinitive and third person under negation if negation takes another verb, else empty.
    negated: tuple[str, str]
    subjects: frozenset[str]


def parse_noun(columns: list[str]) -> Noun:
    """Parse a line of lexicon/nouns.txt; `rival` stays empty."""
    english, german, notes = (column.split() for column in columns[:3])
    singular, gender, plural = german
    sort, *marks = notes
    parse_sorts(sort)
    if gender not in ("m", "f", "n"):
        raise ValueError(
            f"lexicon/nouns.txt: the gender of {english[0]} must be m, f or n, got {gender}"
        )
    preposition = ("", "")
    match [mark for mark in marks if mark not in ("weak", "mass", "ambiguous")]:
        case [de, en, *_]:
            preposition = (de, en)
        case [de]:
            preposition = (de, "in" if de == "in" else "at")
    return Noun(
        en=_two(english),
        de=(singular, plural),
        gender=gender,
        sort=sort,
        weak="weak" in marks,
        mass="mass" in marks,
        preposition=preposition,
        rival="",
    )


def parse_verb(columns: list[str], frame: str = "") -> Verb:
    """Parse a line of lexicon/verbs.txt; by default, the complement decides the frame."""
    english, german, subjects, complement, *marks = columns
    infinitive, *forms = german.split()
    prefix, _, stem = infinitive.rpartition("+")
    objects = []
    if ":" in complement:
        for item in complement.split():
            government, sorts = item.split(":")
            preposition, _, case = government.rpartition("+")
            objects.append(Complement(preposition, case, parse_sorts(sorts)))
    if not frame and objects:
        frame = "prep" if objects[0].preposition else objects[0].case
        frame = "give" if len(objects) == 2 else frame
    parts = [form.partition("~") for form in english.split()]
    words = [form.partition("_") for form, _, _ in parts]
    base, third, past, participle = (word for word, _, _ in words)
    return Verb(
        en=(base, third, past, participle),
        particle=join_words(words[0][2]),
        en_preposition=join_words(parts[0][2]),
        prefix=prefix,
        de=(stem, *_three(forms[:3])),
        auxiliary="sein" if forms[-1] == "s" else "haben",
        subjects=parse_sorts(subjects),
        frame=frame or complement or "none",
        objects=tuple(objects),
        passive="nopassive" not in marks,
        gift="for" if "for" in marks else "to",
    )


def parse_adjective(columns: list[str]) -> Adjective:
    """Parse a line of lexicon/adjectives.txt."""
    english, german, sorts = columns[0].split(), columns[1].split(), columns[2]
    positive, _, stem = german[0].partition("/")
    return Adjective(
        en=_two([join_words(word) for word in english]),
        de=(positive, german[1]),
        stem=stem or positive.removesuffix("e"),
        sorts=parse_sorts(sorts),
    )


def parse_determiner(columns: list[str]) -> Determiner:
    """Parse a line of lexicon/determiners.txt."""
    en, de, declension, numbers, kind, weight = columns
    return Determiner(join_words(en), de, declension, tuple(numbers.split()), kind, float(weight))


def parse_modal(columns: list[str]) -> Modal:
    """Parse a line of lexicon/modals.txt."""
    en, de, negated, subjects = columns
    return Modal(
        en=_two(en.split()),
        de=_three(de.split()),
        negated=_two(negated.split() or ["", ""]),
        subjects=parse_sorts(subjects),
    )


def _two(items: list[str]) -> tuple[str, str]:
    first, second = items
    return first, second


def _three(items: list[str]) -> tuple[str, str, str]:
    first, second, third = items
    return first, second, third
