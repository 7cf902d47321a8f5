"""The words of verb phrases: verbs, their prepositions and negation."""

from __future__ import annotations

from collections.abc import Iterable

from mt.data.embedded_corpus.choices import Choices, VerbQuery
from mt.data.embedded_corpus.compiler import Expansion, Features, Node
from mt.data.embedded_corpus.deciders import OBJECTS, SUBJECT
from mt.data.embedded_corpus.derivation import Concept, Derivation
from mt.data.embedded_corpus.entries import Complement, Verb
from mt.data.embedded_corpus.spelling import Token
from mt.data.embedded_corpus.verb_groups import bare_forms, verb_forms

NO_OBJECT = Complement("", "", frozenset())


class VerbWords:
    """Draw and inflect the words of verb phrases, as `leaves` for the rules."""

    def __init__(self, derivation: Derivation, choices: Choices) -> None:
        self.derivation, self.choices = derivation, choices
        self.leaves: dict[str, Expansion] = {
            "verb": self.verb,
            "not": self.negation,
            "objects": self.objects,
        }

    def verb(self, features: Features) -> Node:
        """Draw a verb: the forms of a tense or, if `form` is given, infinitive and imperative."""
        derivation, lexicon = self.derivation, self.choices.lexicon
        passive = features.get("voice") == "passive"
        query = VerbQuery(
            frame=features.get("frame"),
            subject=features.get("subject"),
            subject_rival=features.get("rival"),
            object=features.get("object"),
            object_rival=features.get("object-rival"),
            passive=passive,
            embed=features.get("embed") != "no" and derivation.left > 4,
            place=features.get("place") != "no",
            particle=features.get("particle") != "no",
            ambiguous=features.get("single") != "yes",
        )
        verb: Verb = derivation.draw_weighted(*self.choices.verbs(query))
        # By role in `verb_groups.Words`; a negative concept is expressed only in passing.
        concepts: dict[str, Concept] = {role: (derivation.new_concept(),) for role in "vab"}
        concepts |= {"d": (-concepts["v"][0],), "m": (-concepts["a"][0],)}

        def tokens(words: Iterable[tuple[str, str]]) -> list[Token]:
            return [(word, concepts[role]) for word, role in words]

        head = concepts["v"][0]
        if verb.frame != "weather":
            derivation.dependencies.verbs[head] = verb
            role = OBJECTS[0] if passive else SUBJECT
            derivation.dependencies.add_argument(head, role, features.get("subject-head"))
            derivation.dependencies.add_argument(head, OBJECTS[0], features.get("object-head"))
        if verb.prefix:
            derivation.tag("separable")
        if lexicon.is_ambiguous(verb):
            derivation.tag("ambiguous-verb")
        derivation.left -= 1 + bool(verb.particle) + bool(verb.en_preposition)
        first, second, *_ = [*verb.objects, NO_OBJECT, NO_OBJECT]
        node: Node = {
            "head": head,
            "frame": verb.frame,
            "sorts1": first.sorts,
            "sorts2": second.sorts,
            "case1": first.case,
            "readings1": lexicon.object_sorts(verb, 0),
            "readings2": lexicon.object_sorts(verb, 1),
            "parted": "yes" if verb.particle else "no",
            "gift": verb.gift,
            "en particle": tokens([(verb.particle, "v")] if verb.particle else []),
            **self._prepositions(verb, concepts["v"]),
        }
        if features.get("form"):
            words = bare_forms(verb)
        else:
            tense, question = features["tense"], features.get("order") == "question"
            negated = features.get("neg") == "yes"
            derivation.tag(tense.removesuffix("-past"))
            modal = None
            if tense.startswith("modal"):
                subject = features.get("subject", "")
                modal = derivation.draw(self.choices.modals(tense, subject, negated and question))
            voice, agreement = "passive" if passive else "active", features.get("agr", "3")
            forms = verb_forms(verb, tense, voice, agreement, negated, question, modal)
            words = forms.words
            derivation.left -= len(words["en first"]) + len(words["en rest"]) - 1
            node["aux"] = "yes" if forms.has_auxiliary else "no"
        return node | {name: tokens(group) for name, group in words.items()}

    def objects(self, features: Features) -> Node:
        """Record the heads of the objects of a verb."""
        for role, head in zip(OBJECTS, (features["object1"], features["object2"]), strict=True):
            self.derivation.dependencies.add_argument(features["verb"], role, head)
        return {}

    def _prepositions(self, verb: Verb, verb_concept: Concept) -> Node:
        """Return the prepositions of the object.

        They are linked to each other. If only one language has one, it is part of the verb.
        """
        english = verb.en_preposition.split()
        german = [verb.objects[0].preposition] if verb.objects else []
        german = [word for word in german if word]
        concept = (self.derivation.new_concept(),) if english and german else verb_concept
        return {
            "en preposition": [(word, concept) for word in english],
            "de preposition": [(word, concept) for word in german],
        }

    def negation(self, features: Features) -> Node:
        """Negate by `nicht`, unless a determiner has become `kein`."""
        kein = features.get("absorbed")
        concept = (kein or self.derivation.new_concept(),)
        self.derivation.left -= 1
        return {"en": [("not", concept)], "de": [] if kein else [("nicht", concept)]}
