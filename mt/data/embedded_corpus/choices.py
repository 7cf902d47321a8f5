"""Candidates for each place in a sentence: the entries of the lexicon that fit, cached."""

from __future__ import annotations

from functools import cache
from itertools import accumulate
from typing import NamedTuple

from mt.data.embedded_corpus.entries import Adjective, Determiner, Modal, Noun, Verb
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.tables import parse_sorts, read_table

ONE_OBJECT_FRAMES = ("acc", "dat", "prep")
SIMPLE_FRAMES = ("none", "acc", "dat", "give", "prep")
CLAUSE_FRAMES = ("that", "whether", "inf")
PLACE_FRAMES = ("place", "goal")
TABLES = ("adverbs", "names", "numbers", "prepositions", "conjunctions", "pronouns")


class VerbQuery(NamedTuple):
    """Requirements for a verb."""

    frame: str | None  # a frame, or "any", "one" (object), "simple"
    subject: str | None  # sort of the subject
    subject_rival: str | None  # sort of the other reading of its noun
    object: str | None  # sort of the object if that is fixed
    object_rival: str | None
    passive: bool
    embed: bool  # a subordinate clause is allowed
    place: bool  # a complement of place is allowed
    particle: bool  # an English particle is allowed
    ambiguous: bool  # other readings of the English verb are allowed


class Choices:
    """Lists of candidates, with cumulative weights if they have weights.

    Nouns and verbs without candidates raise ValueError. All methods are cached.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.tables = {name: list(read_table(f"lexicon/{name}.txt")) for name in TABLES}
        # One cache for each instance, released with it.
        self.nouns = cache(self._nouns)
        self.pronouns = cache(self._pronouns)
        self.names = cache(self._names)
        self.determiners = cache(self._determiners)
        self.adjectives = cache(self._adjectives)
        self.verbs = cache(self._verbs)
        self.modals = cache(self._modals)
        self.adverbs = cache(self._adverbs)
        self.numbers = cache(self._numbers)
        self.prepositions = cache(self._prepositions)
        self.conjunctions = cache(self._conjunctions)

    def _nouns(
        self, sorts: frozenset[str], readings: frozenset[str] | None, inside: str
    ) -> list[Noun]:
        """Return the nouns of the given sorts.

        An ambiguous noun is included only if its other reading is not among `readings`, the sorts
        that the context allows; None excludes all ambiguous nouns. `inside` restricts places: "yes"
        to those one is in, "no" to those one is on or at.
        """

        def is_clear(noun: Noun) -> bool:
            if not noun.rival:
                return True
            return (
                readings is not None and noun.rival not in readings and self._has_clear_verbs(noun)
            )

        nouns = [noun for noun in self.lexicon.nouns if noun.sort in sorts and is_clear(noun)]
        if inside:
            nouns = [noun for noun in nouns if (noun.preposition[0] == "in") == (inside == "yes")]
        if not nouns:
            raise ValueError(f"no noun for {sorted(sorts)}")
        return nouns

    def _has_clear_verbs(self, noun: Noun) -> bool:
        """Return True if some verb rules out the other reading of an ambiguous noun in each place.

        The places are the subject, the passive and a relative clause. For some nouns the core has
        no such verbs.
        """
        subject = passive = relative = False
        for verb in self.lexicon.verbs:
            subject |= (
                verb.frame in SIMPLE_FRAMES
                and noun.sort in verb.subjects
                and noun.rival not in self.lexicon.subject_sorts(verb)
            )
            if (
                verb.frame in ONE_OBJECT_FRAMES
                and noun.sort in verb.objects[0].sorts
                and noun.rival not in self.lexicon.object_sorts(verb, 0)
            ):
                relative |= not verb.particle and "person" in verb.subjects
                passive |= verb.frame == "acc" and verb.passive and "person" in verb.subjects
        return subject and passive and relative

    def _pronouns(self, excluded: tuple[str | None, ...]) -> list[tuple[list[str], list[str], str]]:
        """Return English forms, German forms and agreement of each personal pronoun.

        `excluded` names English subject forms.
        """
        pronouns = [
            (en.split(), de.split(), agreement) for en, de, agreement in self.tables["pronouns"]
        ]
        return [pronoun for pronoun in pronouns if pronoun[0][0] not in excluded]

    def _names(self, kind: str, owner: bool) -> list[tuple[str, str]]:
        """Return English and German names of cities, or of persons for any other kind.

        An owner must have a German genitive in -s.
        """
        names = [
            (en, de or en)
            for en, name_kind, de in self.tables["names"]
            if (name_kind == "city") == (kind == "city")
        ]
        return [(en, de) for en, de in names if not (owner and de.endswith(("s", "x", "z", "ß")))]

    def _determiners(
        self, number: str, only: str | None, negated: bool, definite: bool
    ) -> tuple[list[float], list[Determiner]]:
        """Return determiners for a number of the noun; `only` names an English one.

        Quantifiers are excluded under negation, because `not every` and `not many` are ambiguous in
        scope.
        """
        kinds = {"def"} if definite else {"def", "indef"}
        if not (definite or negated):
            kinds |= {"every", "many"}
        determiners = [
            determiner
            for determiner in self.lexicon.determiners
            if number in determiner.numbers
            and determiner.kind in kinds
            and only in (None, determiner.en)
        ]
        return list(accumulate(determiner.weight for determiner in determiners)), determiners

    def _adjectives(
        self, sort: str, rival: str | None, graded: bool, excluded: Adjective | None
    ) -> list[Adjective]:
        """Return adjectives for a sort of noun.

        `rival` excludes adjectives that fit the other reading of the noun. `graded` requires a
        comparative.
        """
        return [
            adjective
            for adjective in self.lexicon.adjectives
            if sort in adjective.sorts
            and rival not in self.lexicon.described_sorts(adjective)
            and adjective is not excluded
            and not (graded and adjective.en[1] == "-")
        ]

    def _verbs(self, query: VerbQuery) -> tuple[list[float], list[Verb]]:
        """Return verbs that meet the requirements; the verbs of a frame share its weight."""
        if query.frame == "weather":
            verbs = self.lexicon.weather
            return list(accumulate(1.0 for _ in verbs)), verbs
        frames = {
            "any": tuple(self.lexicon.frames),
            "one": ONE_OBJECT_FRAMES,
            "simple": SIMPLE_FRAMES,
        }.get(query.frame or "", (query.frame,))
        excluded = (() if query.embed else CLAUSE_FRAMES) + (() if query.place else PLACE_FRAMES)
        verbs = [
            verb
            for verb in self.lexicon.verbs
            if verb.frame in frames
            and verb.frame not in excluded
            and (not verb.particle or (query.particle and not query.object))
            and (query.ambiguous or not self.lexicon.is_ambiguous(verb))
            and self._arguments_fit(verb, query)
        ]
        if not verbs:
            raise ValueError(
                f"no verb for frame {query.frame}, subject {query.subject} (not "
                f"{query.subject_rival}), object {query.object} (not {query.object_rival})"
            )
        counts = {name: sum(verb.frame == name for verb in verbs) for name in frames}
        weights = (self.lexicon.frames[verb.frame] / counts[verb.frame] for verb in verbs)
        return list(accumulate(weights)), verbs

    def _arguments_fit(self, verb: Verb, query: VerbQuery) -> bool:
        """Return True if subject and object fit the verb, and their other readings do not.

        The other readings are checked against all readings of the English verb, as a reader of the
        source would.
        """
        object_sorts = verb.objects[0].sorts if verb.objects else frozenset()
        readings = self.lexicon.object_sorts(verb, 0)
        if query.passive:
            return (
                verb.passive
                and "person" in verb.subjects
                and query.subject in object_sorts
                and query.subject_rival not in readings
            )
        return (
            query.subject in verb.subjects
            and query.subject_rival not in self.lexicon.subject_sorts(verb)
            and (
                not query.object
                or (query.object in object_sorts and query.object_rival not in readings)
            )
        )

    def _modals(self, tense: str, subject: str, negated_question: bool) -> list[Modal]:
        """Return modals for a tense and a sort of subject.

        `must` also takes things as subjects; so does `can`, but not `could`, which means more than
        konnte. A negated question with `must` is excluded: it may be nicht müssen or nicht dürfen.
        """
        past = tense == "modal-past"
        for_things = ("must",) if past else ("must", "can")
        return [
            modal
            for modal in self.lexicon.modals
            if (subject in modal.subjects or modal.en[0] in for_things)
            and not (negated_question and not past and modal.en[0] == "must")
            and not (past and "-" in (modal.en[1], modal.de[2]))
        ]

    def _adverbs(self, kind: str, tense: str, negated: bool) -> list[tuple[str, str]]:
        """Return adverbs of a kind that go with a tense, if one is given.

        Modals count as present and past. `every` is excluded under negation, because `not every
        day` is ambiguous in scope.
        """
        tense = {"modal": "present", "modal-past": "past"}.get(tense, tense)
        return [
            (en, de)
            for en, de, adverb_kind, tenses in self.tables["adverbs"]
            if adverb_kind == kind
            and (not tense or tense in tenses.split(","))
            and not (negated and en.startswith("every_"))
        ]

    def _numbers(self, kind: str) -> list[tuple[str, str]]:
        return [
            (en, de or en) for number_kind, en, de in self.tables["numbers"] if number_kind == kind
        ]

    def _prepositions(self, kind: str) -> list[tuple[str, str, str, frozenset[str]]]:
        """Return English and German form, case and sorts of each preposition of a kind."""
        return [
            (en, de, case, parse_sorts(sorts))
            for preposition_kind, en, de, case, sorts in self.tables["prepositions"]
            if preposition_kind == kind
        ]

    def _conjunctions(
        self, kind: str, when: str, after_perfect: bool
    ) -> list[tuple[str, str, str, str]]:
        """Return English form, German forms for now and then, and restriction of conjunctions.

        `after_perfect` keeps only those that follow a main clause in the English perfect.
        """
        conjunctions = [
            (en, now, then, restriction)
            for en, now, then, conjunction_kind, restriction in self.tables["conjunctions"]
            if conjunction_kind == kind
        ]
        return [
            row
            for row in conjunctions
            if (row[1] if when == "now" else row[2]) not in ("", "-")
            and (row[3] == "-" or not after_perfect)
        ]
