"""Generation of sentence pairs from the rules in `rules/` and the words in `lexicon/`."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mt.data.annotations import Decider
from mt.data.embedded_corpus.choices import Choices
from mt.data.embedded_corpus.compiler import Compiler, Expansion, Features, Node
from mt.data.embedded_corpus.deciders import locate_deciders
from mt.data.embedded_corpus.derivation import Derivation
from mt.data.embedded_corpus.function_words import FunctionWords
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.noun_words import NounWords
from mt.data.embedded_corpus.rules import parse_rules
from mt.data.embedded_corpus.spelling import link_words, spell
from mt.data.embedded_corpus.tables import FOLDER
from mt.data.embedded_corpus.verb_words import VerbWords


@dataclass(frozen=True)
class Pair:
    """A sentence pair with its word alignment."""

    source: str
    target: str
    links: tuple[tuple[int, int, bool], ...]  # source and target word between spaces; sure?
    constructions: frozenset[str]  # tags of the rules that built the pair
    clauses: tuple[frozenset[str], ...]  # the same by clause
    deciders: tuple[Decider, ...]  # in the order of target words

    @property
    def pharaoh(self) -> str:
        """The links in Pharaoh's format: `0-0` is sure, `1p2` possible."""
        return " ".join(f"{i}{'-' if sure else 'p'}{j}" for i, j, sure in self.links)


class Grammar:
    """Draw sentence pairs.

    The rules ask for words by category, such as `noun`. A word receives the features of the rule,
    draws an entry, inflects it in both languages and returns tokens and features.
    """

    def __init__(self, rng: random.Random, lexicon: Lexicon) -> None:
        self.derivation = Derivation(rng.random)
        self.lexicon = lexicon
        self.choices = Choices(lexicon)
        rules = [
            rule
            for path in sorted((FOLDER / "rules").glob("*.rules"))
            for rule in parse_rules(path.read_text(encoding="utf-8"), path.name)
        ]
        leaves: dict[str, Expansion] = {"clause-end": self._end_clause}
        for words in (NounWords, VerbWords, FunctionWords):
            leaves |= words(self.derivation, self.choices).leaves
        self.expand = Compiler(rules, self.derivation, leaves).categories["sentence"]

    def _end_clause(self, features: Features) -> Node:
        self.derivation.end_clause()
        return {}

    def draw_sentence(self, length: float) -> Pair:
        """Draw a sentence pair whose source has about `length` words."""
        derivation = self.derivation
        derivation.start(length)
        node = self.expand({"names": "yes"})
        source, source_concepts = spell(node["en"], "en")
        target, target_concepts = spell(node["de"], "de")
        return Pair(
            source,
            target,
            link_words(source_concepts, target_concepts),
            constructions=frozenset().union(*derivation.tags),
            clauses=tuple(map(frozenset, derivation.tags)),
            deciders=locate_deciders(
                derivation.dependencies, self.lexicon, source_concepts, target_concepts
            ),
        )
