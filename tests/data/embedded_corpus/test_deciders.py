"""Words that decide pronouns and ambiguous words: by hand, and by gender and sort."""

from __future__ import annotations

import pytest

from helpers.corpus_pairs import pairs, split_words
from mt.data.annotations import Decider, format_deciders, parse_deciders
from mt.data.embedded_corpus import SPLITS
from mt.data.embedded_corpus.entries import Noun
from mt.data.embedded_corpus.grammar import Pair
from mt.data.embedded_corpus.inflection import IT, german_noun
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.errors import MTError

# By the editor of this file: each word that another decides, with the word that does.
EXAMPLES = {
    "We can prepare popcorn.": ["zubereiten < popcorn"],
    "This ferry worked this morning, yet it returned.": ["funktionierte < ferry", "sie < ferry"],
    # Persons and ideas help in the same German word, which is no choice.
    "This suggestion fails every year, but it does not help our thief.": ["er < suggestion"],
    "Did a captain kiss many loyal rulers?": ["Herrscher < kiss"],
    "Their tourist picked up many mushrooms.": ["hob < mushrooms", "auf < mushrooms"],
    "Every elephant was avoided.": ["gemieden < elephant"],
    "Their lamb saw a farmer as soon as this surprising danger convinced them.": ["Lamm < saw"],
    "Eva hears that the boot did not close on Sunday.": ["Kofferraum < close", "zuging < boot"],
    "The coach has avoided a mouse.": ["Trainer < avoided", "gemieden < mouse"],
}


def noun_forms() -> dict[str, list[Noun]]:
    """Return the German nouns that a form can be of."""
    forms: dict[str, list[Noun]] = {}
    for noun in Lexicon().nouns:
        for gender in (noun.gender, "p"):
            for case in ("nom", "acc", "dat", "gen"):
                entries = forms.setdefault(german_noun(*noun.de, gender, noun.weak, case), [])
                entries += [] if noun in entries else [noun]
    return forms


FORMS = noun_forms()


def linked(pair: Pair, source: int) -> list[str]:
    """Return the target words with a sure link to a source word."""
    words = split_words(pair.target)
    return [words[j] for i, j, sure in pair.links if i == source and sure]


def nouns(pair: Pair, source: int) -> list[Noun]:
    return [noun for word in linked(pair, source) for noun in FORMS.get(word, [])]


def test_deciders_are_those_that_a_reader_finds() -> None:
    found = {pair.source: pair for pair in pairs("val")}
    for source, expected in EXAMPLES.items():
        words, target = split_words(source), split_words(found[source].target)
        deciders = found[source].deciders
        assert [f"{target[j]} < {words[i]}" for i, j, _ in deciders] == expected, source


def test_a_pronoun_has_the_gender_of_its_antecedent_which_precedes_it() -> None:
    count = 0
    for pair in (pair for split in SPLITS for pair in pairs(split)[:300]):
        source, target = split_words(pair.source.lower()), split_words(pair.target.lower())
        decided = {j for _, j, kind in pair.deciders if kind == "pronoun"}
        pronouns = {j for i, j, sure in pair.links if source[i] == "it" and target[j] != "es"}
        assert pronouns <= decided
        for i, j, _ in (each for each in pair.deciders if each.kind == "pronoun"):
            (own,) = [a for a, b, _ in pair.links if b == j]
            genders = {noun.gender for noun in nouns(pair, i)}
            assert source[own] == "it" and i < own
            assert any(target[j] in IT[gender] for gender in genders), pair.source
            count += 1
    assert count > 200


def test_every_ambiguous_noun_has_a_verb_that_decides_it() -> None:
    verbs = {
        form for verb in Lexicon().verbs for form in (*verb.en, f"{verb.en[0]}ing", verb.particle)
    }
    count = 0
    for pair in pairs("train")[:2000]:
        source = split_words(pair.source.lower())
        ambiguous = {
            i
            for i, word in enumerate(source)
            if any(noun.rival for noun in nouns(pair, i))
            and (source[i - 1], word) != ("in", "spring")  # a season, which is no choice of a noun
        }
        targets = {j for _, j, kind in pair.deciders if kind == "noun"}
        decided = {i for i, j, _ in pair.links if j in targets}
        assert ambiguous == decided, pair.source
        assert bool(decided) == ("ambiguous-noun" in pair.constructions)
        for i, _, kind in pair.deciders:
            assert kind != "noun" or source[i] in verbs, (pair.source, source[i])
        count += len(decided)
    assert count > 100


def test_no_other_reading_of_a_verb_takes_the_argument_that_decides_it() -> None:
    lexicon, count = Lexicon(), 0
    for pair in pairs("train")[:2000]:
        source = split_words(pair.source.lower())
        assert "ambiguous-verb" in pair.constructions or not any(
            kind == "verb" for _, _, kind in pair.deciders
        )
        for i, j, _ in (each for each in pair.deciders if each.kind == "verb"):
            own = {source[a] for a, b, _ in pair.links if b == j}
            sorts = {noun.sort for noun in nouns(pair, i)} or {"person"}
            readings = [verb for verb in lexicon.verbs if own & set(verb.en)]
            roles = [[verb.subjects, *(o.sorts for o in verb.objects)] for verb in readings]
            # In some role, one reading takes the argument and another does not.
            taken = [[bool(sorts & each) for each in role] for role in roles]
            assert any(any(a) and not all(b) for a in taken for b in taken), pair.source
            count += 1
    assert count > 300


def test_deciders_are_written_and_read_back() -> None:
    deciders = [Decider(2, 7, "pronoun"), Decider(11, 0, "verb")]
    assert format_deciders(deciders) == "pronoun:2-7 verb:11-0"
    assert parse_deciders("pronoun:2-7 verb:11-0") == deciders and parse_deciders("") == []
    with pytest.raises(MTError, match="'2-7' is no deciding word"):
        parse_deciders("2-7")
