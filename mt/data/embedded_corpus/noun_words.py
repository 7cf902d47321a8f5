"""The words of noun phrases: nouns, pronouns, names, determiners and adjectives."""

from __future__ import annotations

from functools import cache

from mt.data.embedded_corpus import inflection
from mt.data.embedded_corpus.choices import Choices
from mt.data.embedded_corpus.compiler import Expansion, Features, Node
from mt.data.embedded_corpus.derivation import Derivation, Mention
from mt.data.embedded_corpus.entries import Adjective, Determiner, Noun
from mt.data.embedded_corpus.inflection import CASES, GENDERS

PLURAL_PROBABILITY = 0.22


class NounWords:
    """Draw and inflect the words of noun phrases, as `leaves` for the rules."""

    def __init__(self, derivation: Derivation, choices: Choices) -> None:
        self.derivation, self.choices = derivation, choices
        self.leaves: dict[str, Expansion] = {
            "noun": self.noun,
            "it": self.it,
            "pronoun": self.pronoun,
            "name": self.name,
            "determiner": self.determiner,
            "adjective": self.adjective,
            "relative-pronoun": self.relative_pronoun,
        }

    def noun(self, features: Features) -> Node:
        """Draw a noun of the given `sorts`."""
        sorts = features["sorts"]
        sorts = sorts if isinstance(sorts, frozenset) else frozenset((sorts,))
        readings = features.get("readings")
        readings = readings if isinstance(readings, frozenset) else sorts
        readings = readings if features.get("ambiguous") == "yes" else None
        inside = features.get("inside", "") if sorts == {"place"} else ""
        noun: Noun = self.derivation.draw(self.choices.nouns(sorts, readings, inside))
        countable = (
            not noun.mass
            and noun.sort not in ("place", "event")
            and features.get("singular") != "yes"
            and features["case"] != "gen"
        )
        plural = countable and self.derivation.random() < PLURAL_PROBABILITY
        gender = "p" if plural else noun.gender
        if noun.rival:
            self.derivation.tag("ambiguous-noun")
        concept = self._new_concept()
        self.derivation.dependencies.nouns[concept[0]] = noun
        if noun.sort != "person" and not plural:
            self.derivation.mentioned.append(Mention(noun, concept[0]))
        return {
            "en": [(noun.en[plural], concept)],
            "de": [(german_noun(noun, gender, features["case"]), concept)],
            "head": concept[0],
            "entry": noun,
            "sort": noun.sort,
            "rival": noun.rival,
            "number": "mass" if noun.mass else "plural" if plural else "singular",
            "gender": gender,
            "agr": "p" if plural else "3",
            "prep": noun.preposition[0],
            "en-prep": noun.preposition[1],
        }

    def it(self, features: Features) -> Node:
        """Refer to the antecedent."""
        antecedent = self.derivation.antecedent
        assert antecedent is not None
        self.derivation.mentioned.append(antecedent)
        noun, concept = antecedent.noun, self._new_concept()
        self.derivation.dependencies.antecedents[concept[0]] = antecedent.concept
        german = inflection.IT[noun.gender][CASES.index(features["case"])]
        return {
            "en": [("it", concept)],
            "de": [(german, concept)],
            "head": antecedent.concept,
            "sort": noun.sort,
        }

    def pronoun(self, features: Features) -> Node:
        """Draw a personal pronoun; `bar` is the subject, `her` is no if `her` is ambiguous."""
        bar = features.get("bar")
        excluded = ("I", "we") if bar in ("I", "we") else (bar,)
        if features.get("her") == "no":
            excluded = (*excluded, "she")
        english, german, agreement = self.derivation.draw(self.choices.pronouns(excluded))
        concept = self._new_concept()
        case = features["case"]
        return {
            "en": [(english[0] if case == "nom" else english[1], concept)],
            "de": [(german[CASES.index(case)], concept)],
            "head": concept[0],
            "agr": agreement,
            "word": english[0],
        }

    def name(self, features: Features) -> Node:
        """Draw the name of a person or city."""
        kind = features.get("names")
        names = self.choices.names("city" if kind == "city" else "person", kind == "owner")
        english, german = self.derivation.draw(names)
        concept = self._new_concept()
        return {
            "en": [(english, concept)],
            "de": [(german, concept)],
            "de gen": [(f"{german}s", concept)],
            "head": concept[0],
        }

    def determiner(self, features: Features) -> Node:
        """Draw a determiner; under negation, an indefinite one may become `kein`."""
        case, negated = features["case"], features.get("neg") == "yes"
        definite = features.get("definite") == "yes" or case == "gen"
        weights, determiners = self.choices.determiners(
            features["number"], features.get("only"), negated, definite
        )
        determiner: Determiner = self.derivation.draw_weighted(weights, determiners)
        concept = self.derivation.new_concept()
        kein = negated and features.get("kein") == "yes" and determiner.kind == "indef"
        stem, declension = determiner.de, determiner.declension
        if kein:
            stem, declension = "kein", "ein"
        german = german_determiner(stem, declension, case, features["gender"])
        english = [] if determiner.en == "-" else determiner.en.split()
        self.derivation.left -= determiner.en != "-"
        return {
            "en": [(word, (concept,)) for word in english],
            "de": [(german, (concept,))] if german else [],
            "de full": [(german.removeprefix("~"), (concept,))] if german else [],
            "kind": determiner.kind,
            "kein": concept if kein else None,
            "decl": {"der": "weak", "dies": "weak", "ein": "mixed"}.get(declension, "strong"),
        }

    def adjective(self, features: Features) -> Node:
        """Draw an adjective for a noun; only the attributive one is declined."""
        degree, predicate = features["degree"], features.get("position") == "predicate"
        comparative = degree == "comparative"
        # In the predicate, nothing else tells the readings of an ambiguous noun apart.
        rival = features.get("rival") if predicate else None
        adjective: Adjective = self.derivation.draw(
            self.choices.adjectives(
                features["sort"], rival, degree != "positive", features.get("but")
            )
        )
        concept = self._new_concept()
        english, german = adjective.en[comparative], adjective.de[comparative]
        if not predicate:
            stem = german if comparative else adjective.stem
            endings = inflection.ADJECTIVE[features["decl"]][features["case"]]
            german = stem + endings[GENDERS.index(features["gender"])]
        return {
            "en": [(word, concept) for word in english.split()],
            "de": [(german, concept)],
            "entry": adjective,
        }

    def relative_pronoun(self, features: Features) -> Node:
        """Return the relative pronoun for a noun."""
        case = features["case"]
        english = "that"
        if features["sort"] == "person":
            english = "who" if case == "nom" else "whom"
        concept = self._new_concept()
        german = inflection.RELATIVE[case][GENDERS.index(features["gender"])]
        return {"en": [(english, concept)], "de": [(german, concept)]}

    def _new_concept(self) -> tuple[int, ...]:
        """Return a new concept, and count its English word."""
        self.derivation.left -= 1
        return (self.derivation.new_concept(),)


@cache
def german_noun(noun: Noun, gender: str, case: str) -> str:
    """Return a noun in a case; `gender` p is the plural."""
    return inflection.german_noun(*noun.de, gender, noun.weak, case)


@cache
def german_determiner(stem: str, declension: str, case: str, gender: str) -> str:
    """Return a declined determiner. `~` marks an article that may contract with a preposition."""
    column = GENDERS.index(gender)
    if declension == "der":
        return "~" + inflection.DER[case][column]
    if declension == "strong":
        return "" if stem == "-" else stem
    return stem + (inflection.EIN if declension == "ein" else inflection.DIES)[case][column]
