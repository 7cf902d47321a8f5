"""Words whose translation the context decides, against expectations written by hand."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from helpers.corpus_pairs import pairs, short_pairs
from mt.data.embedded_corpus.grammar import Pair


def forms(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{text.replace(' ', '|')})\b", re.IGNORECASE)


NOUNS = (
    "Mann Frau Kind Junge Hund Katze Pferd Löwe Kuh Vogel Apfel Brot Käse Wasser Haus Garten Buch "
    "Frage Film Konzert Krieg Reise Auto Tisch"
)


@cache
def varied_pairs() -> list[Pair]:
    found = [pair for split in ("train", "test", "compose") for pair in pairs(split)]
    return found + [
        pair
        for seed in range(3)
        for pair in short_pairs(("know", "eat", "sleep"), seed, 2500, nouns=NOUNS.split())
    ]


@pytest.mark.medium
def test_know_is_wissen_or_kennen() -> None:
    know, wissen = forms("know knows knew known"), forms("weiß wissen wisse wusste wussten gewusst")
    kennen = forms("kenne kenn kennt kennen kannte kannten gekannt")
    seen: Counter[str] = Counter()
    for pair in varied_pairs():
        if len(know.findall(pair.source)) == 1 and not re.search(
            r"\bwhite\b|about (?:which|whom)", pair.source
        ):
            clause = re.search(
                rf"{know.pattern} (?:that|whether|about)\b", pair.source, re.IGNORECASE
            )
            assert [bool(verb.search(pair.target)) for verb in (wissen, kennen)] == [
                bool(clause),
                not clause,
            ], pair
            seen["clause" if clause else "object"] += 1
    assert min(seen["clause"], seen["object"]) > 20, seen


def test_eat_is_essen_or_fressen() -> None:
    eat, essen, fressen = (
        forms("eats ate"),
        forms("esse isst essen aß aßen"),
        forms("frisst fressen fraß fraßen"),
    )
    subjects = {
        "person": forms(
            "I we he she they man men woman women child children boys? girls? friends? mothers? "
            "Peter Anna"
        ),
        "animal": forms(
            "dogs? cats? horses? birds? lions? cows? mouse mice bears? monkeys? wolf wolves fox "
            "foxes pigs? ducks? goats? it"
        ),
    }
    seen: Counter[str] = Counter()
    for pair in varied_pairs():
        if len(eat.findall(pair.source)) == 1 and not re.search(
            r"\b(?:who|that|which|whom)\b", pair.source
        ):
            for sort, subject in subjects.items():
                if re.search(rf"{subject.pattern} {eat.pattern}", pair.source, re.IGNORECASE):
                    assert [bool(verb.search(pair.target)) for verb in (essen, fressen)] == [
                        sort == "person",
                        sort == "animal",
                    ], pair
                    seen[sort] += 1
    assert min(seen["person"], seen["animal"]) > 5, seen


def test_before_is_vor_or_bevor() -> None:
    event = (
        r"(?:film|meal|concert|exam|war|wedding|race|visit|journey|dinner|flight|picnic|walk|party"
        r"|lesson|holiday|trip|storm|speech)"
    )
    seen: Counter[str] = Counter()
    for pair in varied_pairs():
        if len(re.findall(r"\bbefore\b", pair.source, re.IGNORECASE)) == 1 and not re.search(
            r"(?:day|time|shortly) before", pair.source
        ):
            if re.search(r"\bbefore (?:I|he|she|it|we|they)\b", pair.source, re.IGNORECASE):
                seen["bevor"] += 1
                assert re.search(r"\bbevor\b", pair.target, re.IGNORECASE), pair
            elif re.search(rf"\bbefore \w+ (?:\w+ )?{event}[,.?!]", pair.source, re.IGNORECASE):
                seen["vor"] += 1
                assert re.search(r"\bvor\b", pair.target, re.IGNORECASE) and not re.search(
                    r"\bbevor\b", pair.target, re.IGNORECASE
                ), pair
    assert min(seen["bevor"], seen["vor"]) > 3, seen


def test_when_is_wenn_or_als() -> None:
    tenses = {
        "wenn": forms("is has sleeps works laughs comes cries sings runs buys gives eats"),
        "als": forms("was were slept worked laughed came cried sang ran bought gave ate"),
    }
    seen: Counter[str] = Counter()
    for pair in varied_pairs():
        if len(re.findall(r"\bwhen\b", pair.source, re.IGNORECASE)) == 1 and not re.search(
            "\\?|ever|than|who|that|if", pair.source
        ):
            for german, verb in tenses.items():
                if re.search(rf"\bwhen (?:\w+ ){{1,3}}{verb.pattern}", pair.source, re.IGNORECASE):
                    assert {"wenn", "als"} & set(pair.target.lower().split()) == {german}, pair
                    seen[german] += 1
    assert min(seen["wenn"], seen["als"]) > 5, seen


GENDERS = {
    "m": "Mann Arzt König Bruder Hund Vogel Tisch Stuhl Brief Roman Schrank Zug Mantel Hut Apfel "
    "Garten Wald",
    "f": "Frau Mutter Königin Tochter Katze Kuh Lampe Zeitung Tür Tasche Fähre Bluse Jacke Birne "
    "Küche Schule",
    "n": "Kind Pferd Schwein Bild Messer Buch Gedicht Fenster Auto Schiff Hemd Kleid Ei Haus Dorf",
}
PEOPLE = set(
    "Mann Männer Arzt Ärzte König Könige Bruder Brüder Frau Frauen Mutter Mütter Königin Tochter "
    "Töchter Kind Kinder".split()
)


@pytest.mark.medium
def test_it_takes_the_gender_of_its_antecedent() -> None:
    """In the second of two clauses, `it` refers to the nouns of the first that are not persons."""
    gender = {noun: key for key, nouns in GENDERS.items() for noun in nouns.split()}
    pronouns = {"m": "er", "f": "sie", "n": "es"}
    source = re.compile(
        r"[^,]*(?:, (?:and|but|for|yet|or)| because| although| until| while) it \w+"
    )
    target = re.compile(
        r"\w+((?: \w+)+), (?:und|aber|denn|doch|oder|weil|obwohl|bis|während) (\w+) "
    )
    seen: Counter[str] = Counter()
    for pair in short_pairs(("open", "wait", "lie", "buy"), 3, 9000, longest=14, nouns=gender):
        first, match = source.match(pair.source), target.match(pair.target)
        if first and match and not re.search("rain|snow|hail|thunder", pair.source):
            nouns = [word for word in match[1].split() if word[0].isupper() and word not in PEOPLE]
            if nouns and all(word in gender for word in nouns):
                assert {match[2]} == {pronouns[gender[noun]] for noun in nouns}, pair
                seen[match[2]] += 1
    assert min(seen[word] for word in pronouns.values()) > 10, seen
