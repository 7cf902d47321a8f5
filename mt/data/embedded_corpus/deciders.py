"""Words that decide the translation of another word.

A pronoun takes the gender of its antecedent, and an ambiguous noun or verb the reading that its
verb or its argument leaves. The derivation records who depends on whom (`Dependencies`); from that
and the lexicon follows which words decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mt.data.annotations import Decider
from mt.data.embedded_corpus.entries import Noun, Verb
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.spelling import Concepts

SUBJECT, OBJECTS = "subject", ("object 1", "object 2")  # roles of arguments


@dataclass
class Dependencies:
    """The words of a sentence that depend on each other, each by the number of its concept."""

    nouns: dict[int, Noun] = field(default_factory=dict)
    verbs: dict[int, Verb] = field(default_factory=dict)
    antecedents: dict[int, int] = field(default_factory=dict)  # of each `it`: a noun
    # Verb, role and head of the argument. The head of `it` is its antecedent; the object of a
    # passive is its subject.
    arguments: list[tuple[int, str, int]] = field(default_factory=list)

    def add_argument(self, verb: int, role: str, head: int | None) -> None:
        """Add an argument of a verb, unless its head is unknown."""
        if head is not None:
            self.arguments.append((verb, role, head))

    def deciding_concepts(self, lexicon: Lexicon) -> Iterator[tuple[str, int, list[int]]]:
        """Yield kind and concept of each word that others decide, with their concepts.

        Each of them suffices. A verb is decided by an argument if it alone rules out all other
        readings with the same kind of complement; other kinds show in the form of the clause.
        """
        for pronoun, noun in self.antecedents.items():
            yield "pronoun", pronoun, [noun]
        for noun, entry in self.nouns.items():
            if entry.rival:
                verbs = [
                    verb
                    for verb, role, head in self.arguments
                    if head == noun
                    and entry.rival not in _english_sorts(lexicon, self.verbs[verb], role)
                ]
                yield "noun", noun, verbs
        for verb, reading in self.verbs.items():
            if rivals := lexicon.rivals[reading]:
                heads = [
                    head
                    for of, role, head in self.arguments
                    if of == verb
                    and not any(self._sort(head) in _sorts(rival, role) for rival in rivals)
                ]
                yield "verb", verb, heads

    def _sort(self, head: int) -> str:
        return self.nouns[head].sort if head in self.nouns else "person"  # a pronoun or a name


def _sorts(verb: Verb, role: str) -> frozenset[str]:
    """Return the sorts of the nouns that a reading of a verb takes in a role."""
    return verb.subjects if role == SUBJECT else verb.objects[OBJECTS.index(role)].sorts


def _english_sorts(lexicon: Lexicon, verb: Verb, role: str) -> frozenset[str]:
    """Return the sorts of the nouns that any reading of the English verb takes in a role."""
    if role == SUBJECT:
        return lexicon.subject_sorts(verb)
    return lexicon.object_sorts(verb, OBJECTS.index(role))


def locate_deciders(
    dependencies: Dependencies,
    lexicon: Lexicon,
    source: Sequence[Concepts],
    target: Sequence[Concepts],
) -> tuple[Decider, ...]:
    """Return the deciding source word of each target word that has one, in target order.

    `source` and `target` are the concepts of each word. Of several deciding words it is the one
    that is nearest to the word's own source words.
    """
    found = []
    for kind, concept, deciding in dependencies.deciding_concepts(lexicon):
        own = [i for i, concepts in enumerate(source) if concept in concepts]
        words = [i for i, concepts in enumerate(source) if not set(deciding).isdisjoint(concepts)]
        words = [word for word in words if word not in own]
        if own and words:
            nearest = min(words, key=lambda word: (min(abs(word - i) for i in own), word))
            found += [
                Decider(nearest, j, kind)
                for j, concepts in enumerate(target)
                if concept in concepts
            ]
    return tuple(sorted(found, key=lambda decider: decider.target))
