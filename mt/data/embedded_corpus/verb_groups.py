"""The verbs of a clause in both languages, from the table of tenses in `rules/verbs.txt`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mt.data.embedded_corpus import inflection
from mt.data.embedded_corpus.entries import Modal, Verb
from mt.data.embedded_corpus.inflection import AGREEMENTS
from mt.data.embedded_corpus.tables import read_table

# English modals that take do in questions and negations: base, third person, past.
LEXICAL_MODALS = {
    "want_to": ("want", "wants", "wanted"),
    "wanted_to": ("want", "wants", "wanted"),
    "had_to": ("have", "has", "had"),
}

# Each word with its role: v is the verb, a and b are auxiliaries; d and m express verb and modal
# only in passing.
Words = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class VerbForms:
    """The verb group of a clause.

    `words` has the fields "en first" (the verb that a question puts in front), "en rest", "de
    finite", "de right" (the end of a main clause) and "de last" (the end of a subordinate clause).
    """

    words: dict[str, Words]
    has_auxiliary: bool  # in English


@cache
def tenses() -> dict[tuple[str, str], tuple[list[str], str, list[str]]]:
    """Read rules/verbs.txt: English forms, German finite form and end by tense and voice."""
    return {
        (tense, voice): (en.split(), finite, end.split())
        for tense, voice, en, finite, end in read_table("rules/verbs.txt")
    }


@cache
def verb_forms(
    verb: Verb,
    tense: str,
    voice: str,
    agreement: str,
    negated: bool,
    question: bool,
    modal: Modal | None,
) -> VerbForms:
    """Return the verb group of a clause in both languages."""
    english, finite, end = tenses()[tense, voice]
    past = english[0].endswith("past")
    en, has_auxiliary = _english_group(verb, english, past, agreement, negated or question, modal)
    german_modal = modal.de if modal else None
    if modal and negated and modal.negated[0] and not past:
        german_modal = (*modal.negated, "")
    word = _german_form(verb, german_modal, finite, agreement)
    role = "v" if finite.startswith("V") else "a"
    right = [
        (_german_form(verb, german_modal, part, agreement), "v" if part.startswith("V") else "b")
        for part in end
    ]
    last = [*right, (word, role)]
    if role == "v" and verb.prefix:
        right, last = [(verb.prefix, "v")], [(verb.prefix + word, "v")]
    fields = {
        "en first": en[:1],
        "en rest": en[1:],
        "de finite": [(word, role)],
        "de right": right,
        "de last": last,
    }
    return VerbForms({name: tuple(words) for name, words in fields.items()}, has_auxiliary)


def _english_group(
    verb: Verb, parts: list[str], past: bool, agreement: str, needs_do: bool, modal: Modal | None
) -> tuple[list[tuple[str, str]], bool]:
    """Return the English words with their roles, and True if they have an auxiliary.

    `needs_do`: a clause without auxiliary gets a form of do.
    """
    words: list[tuple[str, str]] = []
    for number, part in enumerate(parts):
        word, _, form = part.partition(".")
        if word == "M":
            assert modal is not None
            words += _english_modal(modal, form, agreement)
        elif word == "V":
            words.append((_english_form(verb, form, agreement), "v"))
        else:
            words.append((_english_form(word, form, agreement), "ab"[number]))
    lexical = LEXICAL_MODALS.get(modal.en[past]) if modal else None
    is_be = words[0][0] in ("am", "is", "are", "was", "were")
    has_auxiliary = (len(words) > 1 and not lexical) or is_be
    if has_auxiliary or not needs_do:
        return words, has_auxiliary
    do = inflection.ENGLISH_AUXILIARIES["do"][past][AGREEMENTS.index(agreement)]
    if lexical:
        return [(do, "m"), (lexical[0], "a"), *words[1:]], True
    return [(do, "d"), (verb.en[0], "v")], True


@cache
def bare_forms(verb: Verb) -> dict[str, Words]:
    """Return infinitive and imperative (second person singular).

    The fields are "en to", "en do", "en base", "de zu", "de imperative" and "de prefix".
    """
    if verb.prefix:
        zu: Words = ((f"{verb.prefix}zu{verb.de[0]}", "v"),)
    else:
        zu = (("zu", "d"), (verb.de[0], "v"))
    return {
        "en to": (("to", "d"),),
        "en do": (("do", "d"),),
        "en base": ((verb.en[0], "v"),),
        "de zu": zu,
        "de imperative": ((inflection.german_imperative(verb.de[0], verb.de[1]), "v"),),
        "de prefix": ((verb.prefix, "v"),) if verb.prefix else (),
    }


def _english_modal(modal: Modal, form: str, agreement: str) -> list[tuple[str, str]]:
    past = form == "past"
    word = modal.en[past]
    if "_" not in word:
        return [(word, "a")]
    base, third, past_form = LEXICAL_MODALS[word]
    finite = past_form if past else inflection.english_present(base, third, agreement)
    return [(finite, "a"), ("to", "a")]


def _english_form(word: Verb | str, form: str, agreement: str) -> str:
    """Return a form of a verb, or of an auxiliary given by its base form."""
    if isinstance(word, str):
        if not form:
            return word
        forms = inflection.ENGLISH_AUXILIARIES[word][form == "past"]
        return forms[AGREEMENTS.index(agreement)]
    base, third, past, participle = word.en
    if form == "present":
        return inflection.english_present(base, third, agreement)
    if form == "past":
        return inflection.english_past(base, past, agreement)
    return participle if form == "participle" else base


def _german_form(verb: Verb, modal: tuple[str, str, str] | None, part: str, agreement: str) -> str:
    """Return one form of the table of tenses: V is the verb, M the modal, A haben or sein."""
    word, _, form = part.partition(".")
    if word == "V":
        infinitive, third, preterite, participle = verb.de
        if form == "present":
            return inflection.german_present(infinitive, third, agreement)
        if form == "past":
            return inflection.german_preterite(preterite, agreement)
        return participle if form == "participle" else verb.prefix + infinitive
    if word == "M":
        assert modal is not None
        infinitive, third, preterite = modal
        if form == "past":
            return inflection.german_preterite(preterite, agreement)
        return (f"{third}n" if third.endswith("e") else infinitive) if agreement == "p" else third
    if not form:
        return word
    auxiliary = verb.auxiliary if word == "A" else word
    return inflection.AUXILIARIES[auxiliary][form == "past"][AGREEMENTS.index(agreement)]
