"""Adverbs, numbers, prepositions and conjunctions."""

from __future__ import annotations

from mt.data.embedded_corpus.choices import Choices
from mt.data.embedded_corpus.compiler import Expansion, Features, Node
from mt.data.embedded_corpus.derivation import Derivation


class FunctionWords:
    """Draw words that need little or no inflection, as `leaves` for the rules."""

    def __init__(self, derivation: Derivation, choices: Choices) -> None:
        self.derivation, self.choices = derivation, choices
        self.leaves: dict[str, Expansion] = {
            "adverb": self.adverb,
            "number-word": self.number_word,
            "preposition": self.preposition,
            "place-preposition": self.place_preposition,
            "conjunction": self.conjunction,
        }

    def adverb(self, features: Features) -> Node:
        """Draw an adverb; adverbs of time fit the tense."""
        kind, negated = features["kind"], features.get("neg") == "yes"
        tense = features.get("tense", "") if kind == "time" else ""
        adverbs = self.choices.adverbs(kind, tense, negated)
        return self.derivation.linked_words(*self.derivation.draw(adverbs))

    def number_word(self, features: Features) -> Node:
        """Draw a number, day, month, season or year."""
        kind = features["kind"]
        english, german = self.derivation.draw(self.choices.numbers(kind))
        ending = "en" if kind == "ordinal" else ""
        return self.derivation.linked_words(english, german + ending)

    def preposition(self, features: Features) -> Node:
        """Draw a preposition; it shows the German case and the sorts of its noun."""
        prepositions = self.choices.prepositions(features["kind"])
        english, german, case, sorts = self.derivation.draw(prepositions)
        return self.derivation.linked_words(english, german) | {"case": case, "sorts": sorts}

    def place_preposition(self, features: Features) -> Node:
        """Return the preposition of a place."""
        return self.derivation.linked_words(features["en-prep"], features["prep"])

    def conjunction(self, features: Features) -> Node:
        """Draw a conjunction; the German one depends on the time of the clause."""
        when, after_perfect = features.get("when", "now"), features.get("main") == "perfect"
        conjunctions = self.choices.conjunctions(features["kind"], when, after_perfect)
        english, now, then, restriction = self.derivation.draw(conjunctions)
        node = self.derivation.linked_words(english, now if when == "now" else then)
        return node | {"restriction": restriction, "word": english}
