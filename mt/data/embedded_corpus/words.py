"""The lexicon of the embedded corpus in memory: entries read from the tables in `lexicon/`, ready to be inflected.

Each file says its columns in its first lines. Words that make one unit are joined by `_`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

Entry = TypeVar("Entry")

FOLDER = Path(__file__).parent
GROUPS = {
    "living": ("person", "animal"),
    "object": ("thing", "text", "opening", "vehicle", "clothing"),
    "ware": ("thing", "text", "opening", "vehicle", "clothing", "animal"),
    "any": (
        "person",
        "animal",
        "thing",
        "text",
        "opening",
        "vehicle",
        "clothing",
        "food",
        "drink",
        "place",
        "event",
        "idea",
    ),
}
SORTS = GROUPS["any"]


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """`rival`: the sort of the other reading of an ambiguous English noun, else empty. `preposition`: of places, German and English."""

    en: tuple[str, str]  # singular, plural
    de: tuple[str, str]
    gender: str
    sort: str
    weak: bool
    mass: bool
    preposition: tuple[str, str]
    rival: str


@dataclass(frozen=True, slots=True)
class Complement:
    """An object: its German preposition, if it has one, its case and the sorts of nouns that fit."""

    preposition: str
    case: str
    sorts: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """Principal parts of both languages and what goes with them; `frame` as in rules/frames.txt."""

    en: tuple[str, str, str, str]  # base, third person, past, participle
    particle: str
    en_preposition: str
    prefix: str
    de: tuple[
        str, str, str, str
    ]  # infinitive, third person, preterite, participle, without the prefix (the participle with it)
    auxiliary: str
    subjects: frozenset[str]
    frame: str
    objects: tuple[Complement, ...]
    passive: bool
    gift: str  # what stands before the receiver in English where the thing comes first: to, or for


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    en: tuple[str, str]  # positive, comparative (or "-")
    de: tuple[str, str]
    stem: str  # what takes endings, of the positive
    sorts: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    en: str
    de: str
    declension: str
    numbers: tuple[str, ...]
    kind: str
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    en: tuple[str, str]  # now, then (or "-")
    de: tuple[str, str, str]  # infinitive, third person, preterite (or "-")
    negated: tuple[
        str, str
    ]  # the German infinitive and third person under negation, where it is another verb
    subjects: frozenset[str]


def rows(name: str) -> Iterator[list[str]]:
    """The columns of each line of a table. ValueError names file and line where their number differs from the first's."""
    width = 0
    for number, line in enumerate(
        (FOLDER / name).read_text(encoding="utf-8").splitlines(), start=1
    ):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in f"{line} ".split("|")]
        width = width or len(columns)
        if len(columns) < width:
            raise ValueError(
                f"{name}, line {number}: {len(columns)} columns, not {width}: {line!r}"
            )
        yield columns


def sorts_of(text: str) -> frozenset[str]:
    """`living,place` -> the sorts that it names."""
    names = [sort for name in text.split(",") if name for sort in GROUPS.get(name, (name,))]
    if unknown := set(names) - set(SORTS):
        raise ValueError(
            f"unknown sort {', '.join(sorted(unknown))}: choose from {', '.join(SORTS)}"
        )
    return frozenset(names)


def spaced(text: str) -> str:
    return text.replace("_", " ")


class Lexicon:
    """All tables; `core`: only the first part of each sort of nouns, verbs and adjectives, for corpora that are quickly learned."""

    def __init__(self, core: bool = False) -> None:
        self.core = core

    @cached_property
    def nouns(self) -> list[Noun]:
        table = [_noun(columns) for columns in rows("lexicon/nouns.txt")]
        readings: dict[str, list[Noun]] = {}
        for noun in table:
            readings.setdefault(noun.en[0], []).append(noun)
        for english, same in readings.items():
            if len(same) > 2 or (len(same) == 2 and same[0].sort == same[1].sort):
                raise ValueError(
                    f"lexicon/nouns.txt: {english} needs one reading, or two of different sorts"
                )
        pairs = {
            noun: other.sort
            for same in readings.values()
            if len(same) == 2
            for noun, other in (same, same[::-1])
        }
        complete = [
            Noun(n.en, n.de, n.gender, n.sort, n.weak, n.mass, n.preposition, pairs.get(n, ""))
            for n in table
        ]
        return self._part(complete, lambda noun: "ambiguous" if noun.rival else noun.sort, 0.2)

    @cached_property
    def verbs(self) -> list[Verb]:
        table = [_verb(columns) for columns in rows("lexicon/verbs.txt")]
        return self._part(table, lambda verb: verb.frame, 0.3)

    def _part(self, table: list[Entry], group: Callable[[Entry], str], share: float) -> list[Entry]:
        """The whole table or, for the core, the first entries of each group: this share of them, at least eight."""
        groups: dict[str, list[Entry]] = {}
        for entry in table:
            groups.setdefault(group(entry), []).append(entry)
        return [
            entry
            for entries in groups.values()
            for entry in entries[: max(8, round(share * len(entries))) if self.core else None]
        ]

    def subjects(self, verb: Verb) -> frozenset[str]:
        """The sorts that can be subjects of the English verb, whatever it means then."""
        return self._readings["subject", verb.en]

    def objects(self, verb: Verb, number: int) -> frozenset[str]:
        """The sorts that can be the object (0, 1) of the English verb, whatever it means then."""
        return self._readings.get(
            (number, verb.en, verb.particle, verb.en_preposition), frozenset()
        )

    def has_readings(self, verb: Verb) -> bool:
        """Whether the English verb, with its particle and preposition, has several German ones."""
        return self._rows[verb.en, verb.particle, verb.en_preposition] > 1

    @cached_property
    def _rows(self) -> Counter[tuple[object, ...]]:
        return Counter((verb.en, verb.particle, verb.en_preposition) for verb in self.verbs)

    def described(self, adjective: Adjective) -> frozenset[str]:
        """The sorts that the English adjective goes with, whatever it means then."""
        return self._readings["adjective", adjective.en[0]]

    @cached_property
    def _readings(self) -> dict[tuple[object, ...], frozenset[str]]:
        found: dict[tuple[object, ...], set[str]] = {}
        for verb in self.verbs:
            found.setdefault(("subject", verb.en), set()).update(verb.subjects)
            for number, complement in enumerate(verb.objects):
                found.setdefault(
                    (number, verb.en, verb.particle, verb.en_preposition), set()
                ).update(complement.sorts)
        for adjective in self.adjectives:
            found.setdefault(("adjective", adjective.en[0]), set()).update(adjective.sorts)
        return {key: frozenset(sorts) for key, sorts in found.items()}

    @cached_property
    def weather(self) -> list[Verb]:
        return [_verb(columns, "weather") for columns in rows("lexicon/weather.txt")]

    @cached_property
    def adjectives(self) -> list[Adjective]:
        table = [_adjective(columns) for columns in rows("lexicon/adjectives.txt")]
        return self._part(table, lambda adjective: min(adjective.sorts), 0.3)

    @cached_property
    def determiners(self) -> list[Determiner]:
        return [
            Determiner(spaced(en), de, declension, tuple(numbers.split()), kind, float(weight))
            for en, de, declension, numbers, kind, weight in rows("lexicon/determiners.txt")
        ]

    @cached_property
    def modals(self) -> list[Modal]:
        return [
            Modal(
                _two(en.split()),
                _three(de.split()),
                _two(negated.split() or ["", ""]),
                sorts_of(subjects),
            )
            for en, de, negated, subjects in rows("lexicon/modals.txt")
        ]

    @cached_property
    def frames(self) -> dict[str, float]:
        return {
            name: float(weight)
            for (line,) in rows("rules/frames.txt")
            for name, weight in [line.split()]
        }


def _two(items: list[str]) -> tuple[str, str]:
    first, second = items
    return first, second


def _three(items: list[str]) -> tuple[str, str, str]:
    first, second, third = items
    return first, second, third


def _noun(columns: list[str]) -> Noun:
    english, german, notes = (column.split() for column in columns[:3])
    singular, gender, plural = german
    sort, *marks = notes
    sorts_of(sort)
    if gender not in ("m", "f", "n"):
        raise ValueError(f"lexicon/nouns.txt: {english[0]} has the gender {gender}, not m, f or n")
    prepositions = [mark for mark in marks if mark not in ("weak", "mass", "ambiguous")]
    place = ("", "")
    if prepositions:
        place = (
            prepositions[0],
            prepositions[1] if len(prepositions) > 1 else "in" if prepositions[0] == "in" else "at",
        )
    return Noun(
        _two(english), (singular, plural), gender, sort, "weak" in marks, "mass" in marks, place, ""
    )


def _verb(columns: list[str], frame: str = "") -> Verb:
    english, german, subjects, complement = (
        columns[0].split(),
        columns[1].split(),
        columns[2],
        columns[3],
    )
    infinitive, *forms = german
    prefix, _, stem = infinitive.rpartition("+")
    objects = []
    if ":" in complement:
        for item in complement.split():
            government, sorts = item.split(":")
            preposition, _, case = government.rpartition("+")
            objects.append(Complement(preposition, case, sorts_of(sorts)))
    if not frame and objects:
        frame = (
            "give" if len(objects) == 2 else "prep" if objects[0].preposition else objects[0].case
        )
    frame = frame or complement or "none"
    parts = [form.partition("~") for form in english]
    words = [form.partition("_") for form, _, _ in parts]
    base, third, past, participle = (word for word, _, _ in words)
    auxiliary = "sein" if forms[-1] == "s" else "haben"
    return Verb(
        (base, third, past, participle),
        spaced(words[0][2]),
        spaced(parts[0][2]),
        prefix,
        (stem, *_three(forms[:3])),
        auxiliary,
        sorts_of(subjects),
        frame,
        tuple(objects),
        "nopassive" not in columns[4:],
        "for" if "for" in columns[4:] else "to",
    )


def _adjective(columns: list[str]) -> Adjective:
    english, german, sorts = columns[0].split(), columns[1].split(), columns[2]
    positive, _, stem = german[0].partition("/")
    return Adjective(
        _two([spaced(word) for word in english]),
        (positive, german[1]),
        stem or positive.removesuffix("e"),
        sorts_of(sorts),
    )
