"""The verbs of a clause in both languages, from the table of tenses in `rules/verbs.txt`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from mt.data.embedded_corpus import inflection
from mt.data.embedded_corpus.words import Modal, Verb, rows

LEXICAL_MODALS = {
    "want_to": ("want", "wants", "wanted"),
    "wanted_to": ("want", "wants", "wanted"),
    "had_to": ("have", "has", "had"),
}


Words = tuple[
    tuple[str, str], ...
]  # each with what it expresses: v (the verb), a, b (auxiliaries); d, m (verb, modal, in passing)


@dataclass(frozen=True)
class VerbForms:
    """Words by field: English first (what a question puts in front) and rest; German finite, right (what closes a main
    clause) and last (what closes a subordinate one).
    """

    words: dict[str, Words]
    has_auxiliary: bool


@cache
def tenses() -> dict[tuple[str, str], tuple[list[str], str, list[str]]]:
    """rules/verbs.txt: tense, voice -> English forms, German finite form, German end of the clause."""
    return {
        (tense, voice): (en.split(), finite, end.split())
        for tense, voice, en, finite, end in rows("rules/verbs.txt")
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
    """The verb group of a clause in both languages."""
    english, finite, end = tenses()[tense, voice]
    en: list[tuple[str, str]] = []
    for number, part in enumerate(english):
        word, _, form = part.partition(".")
        role = "v" if word == "V" else "ab"[number]
        if word == "M":
            assert modal is not None
            en += _english_modal(modal, form, agreement)
        else:
            en += [(_english_form(verb if word == "V" else word, form, agreement), role)]
    lexical = LEXICAL_MODALS.get(modal.en[english[0].endswith("past")]) if modal else None
    be = en[0][0] in ("am", "is", "are", "was", "were")
    auxiliary = (len(en) > 1 and not lexical) or be
    if not auxiliary and (negated or question):
        do = inflection.ENGLISH_AUXILIARIES["do"][english[0].endswith("past")][
            inflection.AGREEMENTS.index(agreement)
        ]
        en = [(do, "m"), (lexical[0], "a"), *en[1:]] if lexical else [(do, "d"), (verb.en[0], "v")]
        auxiliary = True
    german_modal = modal.de if modal else None
    if modal and negated and modal.negated[0] and not english[0].endswith("past"):
        german_modal = (*modal.negated, "")
    de_finite = _german_form(verb, german_modal, finite, agreement)
    role = "v" if finite.startswith("V") else "a"
    right = [
        (_german_form(verb, german_modal, part, agreement), "v" if part.startswith("V") else "b")
        for part in end
    ]
    if role == "a" or not verb.prefix:
        last = [*right, (de_finite, role)]
    else:
        last = [(verb.prefix + de_finite, "v")]
        right = [(verb.prefix, "v")]
    fields = {
        "en first": en[:1],
        "en rest": en[1:],
        "de finite": [(de_finite, role)],
        "de right": right,
        "de last": last,
    }
    return VerbForms({name: tuple(words) for name, words in fields.items()}, auxiliary)


@cache
def bare_forms(verb: Verb) -> dict[str, Words]:
    """Infinitive and imperative (second person singular): English to, do, base; German zu, imperative, prefix."""
    zu = (
        ((f"{verb.prefix}zu{verb.de[0]}", "v"),)
        if verb.prefix
        else (("zu", "d"), (verb.de[0], "v"))
    )
    return {
        "en to": (("to", "d"),),
        "en do": (("do", "d"),),
        "en base": ((verb.en[0], "v"),),
        "de zu": zu,
        "de imperative": ((inflection.german_imperative(verb.de[0], verb.de[1]), "v"),),
        "de prefix": ((verb.prefix, "v"),) if verb.prefix else (),
    }


def _english_modal(modal: Modal, form: str, agreement: str) -> list[tuple[str, str]]:
    word = modal.en[form == "past"]
    if "_" not in word:
        return [(word, "a")]
    base, third, past = LEXICAL_MODALS[word]
    return [
        (past if form == "past" else inflection.english_present(base, third, agreement), "a"),
        ("to", "a"),
    ]


def _english_form(word: Verb | str, form: str, agreement: str) -> str:
    index = inflection.AGREEMENTS.index(agreement)
    if isinstance(word, str):
        return inflection.ENGLISH_AUXILIARIES[word][form == "past"][index] if form else word
    base, third, past, participle = word.en
    if form == "present":
        return inflection.english_present(base, third, agreement)
    if form == "past":
        return inflection.english_past(base, past, agreement)
    return participle if form == "participle" else base


def _german_form(verb: Verb, modal: tuple[str, str, str] | None, part: str, agreement: str) -> str:
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
    return inflection.AUXILIARIES[auxiliary][form == "past"][inflection.AGREEMENTS.index(agreement)]
