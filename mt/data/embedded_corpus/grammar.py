"""Sentence pairs from the rules in `rules/` and the words in `lexicon/`, with their word alignment.

The rules call for words: `word_noun` is what they name `noun`. It gets the features that the rule
hands down, draws an entry, inflects it in both languages, and gives back tokens (see `spelling.py`)
and features.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mt.data.embedded_corpus import inflection
from mt.data.embedded_corpus.choices import Choices
from mt.data.embedded_corpus.compiler import Compiler, Features, Node, parse
from mt.data.embedded_corpus.inflection import GENDERS
from mt.data.embedded_corpus.spelling import Token, links, spell
from mt.data.embedded_corpus.verb_groups import bare_forms, verb_forms
from mt.data.embedded_corpus.words import (
    FOLDER,
    Adjective,
    Complement,
    Determiner,
    Lexicon,
    Noun,
    Verb,
    spaced,
)

NO_OBJECT = Complement("", "", frozenset())


@dataclass(frozen=True)
class Pair:
    """A sentence pair. `links`: (source word, target word, sure), words being what stands between spaces.

    `constructions` are the tags of the rules that built it, `clauses` the same by clause.
    """

    source: str
    target: str
    links: tuple[tuple[int, int, bool], ...]
    constructions: frozenset[str]
    clauses: tuple[frozenset[str], ...]

    @property
    def pharaoh(self) -> str:
        """The links as `0-0 1p2`: sure and possible."""
        return " ".join(f"{i}{'-' if sure else 'p'}{j}" for i, j, sure in self.links)


class Grammar:
    """Draws sentence pairs. Uses nothing of its random source but `random()`, which is the same in all versions of Python."""

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        self.random = rng.random
        self.left = 0.0  # words that the sentence may still take
        self.focus: Noun | None = None  # what `it` means in the next clause
        self.mentioned: list[Noun] = []  # in this sentence, all that `it` might mean
        self.concept = 0
        self.tags: list[set[str]] = []  # of each clause
        self.open: list[set[str]] = []  # the clauses that are being built, innermost last
        self.choices = Choices(lexicon)
        rules = [
            rule
            for path in sorted((FOLDER / "rules").glob("*.rules"))
            for rule in parse(path.read_text(encoding="utf-8"), path.name)
        ]
        leaves = {
            name.removeprefix("word_").replace("_", "-"): getattr(self, name)
            for name in dir(self)
            if name.startswith("word_")
        }
        self.expand = Compiler(rules, self, leaves).categories["sentence"]

    def sentence(self, length: float) -> Pair:
        """A sentence pair whose source has about `length` words."""
        self.left, self.concept, self.focus, self.mentioned = length, 0, None, []
        self.tags, self.open = [set()], []
        self.open.append(self.tags[0])
        node = self.expand({"names": "yes"})
        source, target = spell(node["en"], "en"), spell(node["de"], "de")
        tags = frozenset().union(*self.tags)
        return Pair(
            source[0],
            target[0],
            links(source[1], target[1]),
            tags,
            tuple(map(frozenset, self.tags)),
        )

    # --- what the rules ask for

    def it(self, features: Features) -> bool:
        """Could a pronoun stand for the thing in focus here?"""
        return self.focus is not None and self.focus.sort in features.get(
            "sorts", (self.focus.sort,)
        )

    def tag(self, name: str) -> None:
        self.open[-1].add(name)

    def open_scope(self) -> None:
        self.tags.append(set())
        self.open.append(self.tags[-1])

    def close_scope(self) -> None:
        self.open.pop()

    def pair(self, english: str, german: str) -> Node:
        """Two texts as one concept; word by word, where they have equally many words."""
        en, de = ([] if text == "-" else text.split() for text in (english, german))
        self.left -= len(en)
        if len(en) == len(de):
            ids = [self.new() for _ in en]
            return {
                "en": [(spaced(w), (i,)) for w, i in zip(en, ids, strict=True)],
                "de": [(spaced(w), (i,)) for w, i in zip(de, ids, strict=True)],
            }
        concept = (self.new(),)
        return {
            "en": [(spaced(word), concept) for word in en],
            "de": [(spaced(word), concept) for word in de],
        }

    def new(self) -> int:
        self.concept += 1
        return self.concept

    def pick(self, items: Sequence[Any]) -> Any:
        return items[int(self.random() * len(items))]

    def weighted(self, sums: Sequence[float], items: Sequence[Any]) -> Any:
        return items[bisect(sums, self.random() * sums[-1])]

    # --- clauses and what `it` refers to

    def word_clause_end(self, e: Features) -> Node:
        """After a clause `it` may mean what was mentioned last, if all that it could mean has one gender in German."""
        genders = {noun.gender for noun in self.mentioned}
        self.focus = self.mentioned[-1] if len(genders) == 1 else None
        return {}

    # --- nouns and what goes with them

    def word_noun(self, e: Features) -> Node:
        sorts = e["sorts"] if isinstance(e["sorts"], frozenset) else frozenset((e["sorts"],))
        readings = e["readings"] if isinstance(e.get("readings"), frozenset) else sorts
        inside = e.get("inside", "") if sorts == {"place"} else ""
        noun = self.pick(
            self.choices.nouns(sorts, readings if e.get("ambiguous") == "yes" else None, inside)
        )
        countable = (
            not noun.mass
            and noun.sort not in ("place", "event")
            and e.get("singular") != "yes"
            and e["case"] != "gen"
        )
        plural = countable and self.random() < 0.22
        number = "mass" if noun.mass else "plural" if plural else "singular"
        gender = "p" if plural else noun.gender
        if noun.sort != "person" and not plural:
            self.mentioned.append(noun)
        if noun.rival:
            self.tag("ambiguous-noun")
        concept = (self.new(),)
        self.left -= 1
        return {
            "en": [(noun.en[plural], concept)], "de": [(german_noun(noun, gender, e["case"]), concept)], "entry": noun, "sort": noun.sort,
            "rival": noun.rival, "number": number, "gender": gender, "agr": "p" if plural else "3",
            "prep": noun.preposition[0], "en-prep": noun.preposition[1],
        }  # fmt: skip

    def word_it(self, e: Features) -> Node:
        noun = self.focus
        assert noun is not None
        self.mentioned.append(noun)
        concept = (self.new(),)
        self.left -= 1
        forms = {"m": ("er", "ihn", "ihm"), "f": ("sie", "sie", "ihr"), "n": ("es", "es", "ihm")}[
            noun.gender
        ]
        return {
            "en": [("it", concept)],
            "de": [(forms[inflection.CASES.index(e["case"])], concept)],
            "sort": noun.sort,
        }

    def word_pronoun(self, e: Features) -> Node:
        barred = {"I": ("I", "we"), "we": ("I", "we")}.get(e.get("bar"), (e.get("bar"),))  # type: ignore[arg-type]
        english, german, agreement = self.pick(
            self.choices.pronouns((*barred, "she") if e.get("her") == "no" else barred)
        )
        concept = (self.new(),)
        self.left -= 1
        word = english[0] if e["case"] == "nom" else english[1]
        return {
            "en": [(word, concept)],
            "de": [(german[inflection.CASES.index(e["case"])], concept)],
            "agr": agreement,
            "word": english[0],
        }

    def word_name(self, e: Features) -> Node:
        kind = e.get("names")
        german = self.pick(
            self.choices.names("city" if kind == "city" else "person", kind == "owner")
        )
        concept = (self.new(),)
        self.left -= 1
        english, german = german
        return {
            "en": [(english, concept)],
            "de": [(german, concept)],
            "de gen": [(f"{german}s", concept)],
        }

    def word_determiner(self, e: Features) -> Node:
        negates = e.get("neg") == "yes"
        sums, choices = self.choices.determiners(
            e["number"], e.get("only"), negates, e.get("definite") == "yes" or e["case"] == "gen"
        )
        d: Determiner = self.weighted(sums, choices)
        concept = self.new()
        column, case = GENDERS.index(e["gender"]), e["case"]
        kein = negates and e.get("kein") == "yes" and d.kind == "indef"
        stem, declension = ("kein", "ein") if kein else (d.de, d.declension)
        german = german_determiner(stem, declension, case, column)
        self.left -= d.en != "-"
        return {
            "en": [] if d.en == "-" else [(word, (concept,)) for word in d.en.split()], "de": [(german, (concept,))] if german else [],
            "de full": [(german.removeprefix("~"), (concept,))] if german else [], "kind": d.kind, "kein": concept if kein else None,
            "decl": {"der": "weak", "dies": "weak", "ein": "mixed"}.get(declension, "strong"),
        }  # fmt: skip

    def word_adjective(self, e: Features) -> Node:
        comparative, graded = e["degree"] == "comparative", e["degree"] != "positive"
        adjective: Adjective = self.pick(
            self.choices.adjectives(
                e["sort"],
                e.get("rival") if e.get("position") == "predicate" else None,
                graded,
                e.get("but"),
            )
        )
        concept = (self.new(),)
        english, german = adjective.en[comparative], adjective.de[comparative]
        if e.get("position") != "predicate":
            stem = german if comparative else adjective.stem
            german = stem + inflection.ADJECTIVE[e["decl"]][e["case"]][GENDERS.index(e["gender"])]
        self.left -= 1
        return {
            "en": [(word, concept) for word in english.split()],
            "de": [(german, concept)],
            "entry": adjective,
        }

    def word_relative_pronoun(self, e: Features) -> Node:
        case = e["case"]
        english = ("who" if case == "nom" else "whom") if e["sort"] == "person" else "that"
        concept = (self.new(),)
        self.left -= 1
        return {
            "en": [(english, concept)],
            "de": [(inflection.RELATIVE[case][GENDERS.index(e["gender"])], concept)],
        }

    # --- verbs

    def word_verb(self, e: Features) -> Node:
        """A verb and its forms; with `form` (infinitive, imperative) the bare ones, else those of a tense."""
        passive = e.get("voice") == "passive"
        may = (
            e.get("embed") != "no" and self.left > 4,
            e.get("place") != "no",
            e.get("particle") != "no",
            e.get("single") != "yes",
        )
        wanted = (
            e.get("frame"),
            e.get("subject"),
            e.get("rival"),
            e.get("object"),
            e.get("object-rival"),
            passive,
        )
        verb: Verb = self.weighted(*self.choices.verbs((*wanted, *may)))
        concepts = {role: (self.new(),) for role in "vab"}
        concepts |= {"d": (-concepts["v"][0],), "m": (-concepts["a"][0],)}

        def tokens(words: Iterable[tuple[str, str]]) -> list[Token]:
            return [(word, concepts[role]) for word, role in words]

        if verb.prefix:
            self.tag("separable")
        if self.choices.lexicon.has_readings(verb):
            self.tag("ambiguous-verb")
        self.left -= 1 + bool(verb.particle) + bool(verb.en_preposition)
        objects = [*verb.objects, NO_OBJECT, NO_OBJECT]
        node: Node = {
            "frame": verb.frame, "sorts1": objects[0].sorts, "sorts2": objects[1].sorts, "case1": objects[0].case,
            "readings1": self.choices.lexicon.objects(verb, 0), "readings2": self.choices.lexicon.objects(verb, 1),
            "parted": "yes" if verb.particle else "no", "gift": verb.gift,
            "en particle": tokens([(verb.particle, "v")] if verb.particle else []), **self.verb_prepositions(verb, concepts["v"]),
        }  # fmt: skip
        if e.get("form"):
            words = bare_forms(verb)
        else:
            tense = e["tense"]
            self.tag(tense.removesuffix("-past"))
            voice, negated, question = (
                "passive" if passive else "active",
                e.get("neg") == "yes",
                e.get("order") == "question",
            )
            modal = (
                self.pick(self.choices.modals(tense, e.get("subject", ""), negated and question))
                if tense.startswith("modal")
                else None
            )
            forms = verb_forms(verb, tense, voice, e.get("agr", "3"), negated, question, modal)
            self.left -= len(forms.words["en first"]) + len(forms.words["en rest"]) - 1
            words = forms.words
            node["aux"] = "yes" if forms.has_auxiliary else "no"
        return node | {name: tokens(group) for name, group in words.items()}

    def verb_prepositions(self, verb: Verb, concept: tuple[int, ...]) -> Node:
        """Prepositions of the object, linked to each other; where only one language has one, it belongs to the verb."""
        german = verb.objects[0].preposition if verb.objects else ""
        if german and verb.en_preposition:
            concept = (self.new(),)
        english = [(word, concept) for word in verb.en_preposition.split()]
        return {"en preposition": english, "de preposition": [(german, concept)] if german else []}

    def word_not(self, e: Features) -> Node:
        """Negation: `nicht`, unless a determiner has become `kein`."""
        absorbed = e.get("absorbed")
        concept = (absorbed or self.new(),)
        self.left -= 1
        return {"en": [("not", concept)], "de": [] if absorbed else [("nicht", concept)]}

    # --- small words

    def word_adverb(self, e: Features) -> Node:
        tense = e.get("tense", "") if e["kind"] == "time" else ""
        return self.pair(*self.pick(self.choices.adverbs(e["kind"], tense, e.get("neg") == "yes")))

    def word_number_word(self, e: Features) -> Node:
        kind = e["kind"]
        english, german = self.pick(self.choices.numbers(kind))
        return self.pair(english, german + "en" if kind == "ordinal" else german)

    def word_preposition(self, e: Features) -> Node:
        english, german, case, sorts = self.pick(self.choices.prepositions(e["kind"]))
        return self.pair(english, german) | {"case": case, "sorts": sorts}

    def word_place_preposition(self, e: Features) -> Node:
        return self.pair(e["en-prep"], e["prep"])

    def word_conjunction(self, e: Features) -> Node:
        when = e.get("when", "now")
        english, now, then, restriction = self.pick(
            self.choices.conjunctions(e["kind"], when, e.get("main") == "perfect")
        )
        return self.pair(english, now if when == "now" else then) | {
            "restriction": restriction,
            "word": english,
        }


@cache
def german_noun(noun: Noun, gender: str, case: str) -> str:
    return inflection.german_noun(*noun.de, gender, noun.weak, case)


@cache
def german_determiner(stem: str, declension: str, case: str, column: int) -> str:
    """`~` marks the article that may contract with a preposition."""
    if declension == "der":
        return "~" + inflection.DER[case][column]
    if declension == "strong":
        return "" if stem == "-" else stem
    return stem + (inflection.EIN if declension == "ein" else inflection.DIES)[case][column]
