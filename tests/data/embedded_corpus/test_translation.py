"""Spelling and links, against expectations written by hand."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from helpers.corpus_pairs import pairs, short_pairs, split_words
from mt.data.embedded_corpus import SPLITS
from mt.data.embedded_corpus.spelling import link_words, spell

# Tokens


def spelled(text: str, language: str) -> tuple[str, str]:
    """Spell tokens such as `in:1 ~dem:2`; return the sentence and the concepts of its words."""
    pieces = [token.partition(":") for token in text.split()]
    tokens = [
        (word.replace("_", " "), tuple(map(int, ids.split(","))) if ids else ())
        for word, _, ids in pieces
    ]
    sentence, concepts = spell(tokens, language)
    assert len(sentence.split(" ")) == len(concepts)
    return sentence, " ".join(",".join(map(str, ids)) for ids in concepts)


@pytest.mark.parametrize(
    ("tokens", "text", "expected"),
    [
        ("he:1 can:2 not:3 swim:4", "He cannot swim", "1 2,3 4"),
        ("I:1 could:2 not:3 swim:4", "I could not swim", "1 2 3 4"),
        ("the:1 man:2 's dog:3", "The man's dog", "1 2 3"),
        ("a:1 old:2 man:3 and:4 a:5 man:6", "An old man and a man", "1 2 3 4 5 6"),
        ("he:1 at_night:2 .", "He at night.", "1 2 2"),
        ("who:1 sleeps:2 , , and:3 , .", "Who sleeps, and.", "1 2 3"),
        ("go:1 , !", "Go!", "1"),
    ],
)
def test_english_tokens_are_spelled_as_text(tokens: str, text: str, expected: str) -> None:
    assert spelled(tokens, "en") == (text, expected)


@pytest.mark.parametrize(
    ("tokens", "text", "expected"),
    [
        ("in:1 ~dem:2 Haus:3", "Im Haus", "1,2 3"),
        ("geht:1 zu:2 ~der:3 Frau:4", "Geht zur Frau", "1 2,3 4"),
        ("mit:1 ~dem:2 Hund:3", "Mit dem Hund", "1 2 3"),
        ("~das:1 Haus:2 an:3 ~das:4 Meer:5", "Das Haus ans Meer", "1 2 3,4 5"),
        ("Haus:1 , in:2 dem:3 er:4", "Haus, in dem er", "1 2 3 4"),
        ("am_Tag_zuvor:1 ?", "Am Tag zuvor?", "1 1 1"),
        ("über:1 ~den:2 Hund:3", "Über den Hund", "1 2 3"),
        ("er:1 sieht:2 ein:3 a:4", "Er sieht ein a", "1 2 3 4"),
    ],
)
def test_german_tokens_are_spelled_as_text(tokens: str, text: str, expected: str) -> None:
    assert spelled(tokens, "de") == (text, expected)


@pytest.mark.parametrize(
    ("article", "words"),
    [
        (
            "an",
            "apple egg old uncle umbrella unusual ugly honest hour elephant ox ambulance idea "
            "interesting artist eventful",
        ),
        (
            "a",
            "man house horse university uniform useful used European one-eyed big history yacht "
            "young wolf",
        ),
    ],
)
def test_a_and_an_go_by_sound(article: str, words: str) -> None:
    for word in words.split():
        assert spelled(f"sees:1 a:2 {word}:3", "en")[0] == f"Sees {article} {word}"


def test_words_that_share_a_concept_are_linked() -> None:
    assert link_words([(1,), (2,), (3,)], [(3,), (1,)]) == ((0, 1, True), (2, 0, True))
    assert link_words([(1,), (1,), ()], [(1,), (1,)]) == (
        (0, 0, True),
        (0, 1, True),
        (1, 0, True),
        (1, 1, True),
    )
    assert link_words([(1,), (2,)], [(1, 2)]) == ((0, 0, True), (1, 0, True)), "in the = im"


def test_a_concept_expressed_in_passing_gives_a_possible_link() -> None:
    """Did he sleep? Schlief er? And: to sleep, zu schlafen."""
    assert link_words([(-1,), (2,), (1,)], [(1,), (2,)]) == (
        (0, 0, False),
        (1, 1, True),
        (2, 0, True),
    )
    assert link_words([(-1,), (1,)], [(-1,), (1,)]) == (
        (0, 0, False),
        (0, 1, False),
        (1, 0, False),
        (1, 1, True),
    )
    assert link_words([(-1, 1)], [(1,)]) == link_words([(1, -1)], [(1,)]) == ((0, 0, True),), (
        "sure, if one of its concepts is"
    )


# Sentences

# English, German, links; `_` is any word, `der` any article.
PATTERNS = [
    ("The _ _.", "der _ _.", "0-0 1-1 2-2"),
    ("The _ cannot _.", "der _ kann nicht _.", "0-0 1-1 2-2 2-3 3-4"),
    ("The _ does not _.", "der _ _ nicht.", "0-0 1-1 2p2 3-3 4-2"),
    ("Did the _ _?", "_ der _?", "0p0 1-1 2-2 3-0"),
    ("The _ will _.", "der _ wird _.", "0-0 1-1 2-2 3-3"),
    ("The _ wants to _.", "der _ will _.", "0-0 1-1 2-2 3-2 4-3"),
    ("The _ has _.", "der _ hat _.", "0-0 1-1 2-2 3-3"),
    ("_ got up.", "_ stand auf.", "0-0 1-1 1-2 2-1 2-2"),
    ("We saw the _.", "wir sahen der _.", "0-0 1-1 2-2 3-3"),
    ("I have _ the _.", "ich habe der _ _.", "0-0 1-1 2-4 3-2 4-3"),
    ("The _ is _.", "der _ ist _.", "0-0 1-1 2-2 3-3"),
    ("The _'s _ _.", "der _ der _ _.", "0-2 1-3 2-1 3-4"),
    ("_ lives in the _.", "_ wohnt im _.", "0-0 1-1 2-2 3-2 4-3"),
    ("The _ was _.", "der _ wurde _.", "0-0 1-1 2-2 3-3"),
]


@pytest.mark.medium
def test_links_of_simple_sentences_are_as_written_by_hand() -> None:
    simple = [
        pair
        for seed in range(3)
        for pair in short_pairs(("sleep", "get", "live", "buy"), seed, 4000, longest=5)
    ]
    seen: Counter[str] = Counter()
    for english, german, expected in PATTERNS:
        source = re.compile(re.escape(english).replace("_", r"\w+"))
        target = re.compile(
            re.escape(german).replace("_", r"\w+").replace("der", r"(?:der|die|das|den|dem|des)"),
            re.IGNORECASE,
        )
        for pair in simple:
            if source.fullmatch(pair.source) and target.fullmatch(pair.target):
                assert pair.pharaoh == expected, pair
                seen[english] += 1
    assert len(seen) > len(PATTERNS) / 2, seen


def test_links_are_in_range_and_omit_only_grammatical_words() -> None:
    """Only words without a counterpart are unlinked, such as `of` in dates or `for` of a dative."""
    bare: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for pair in (pair for split in SPLITS for pair in pairs(split)):
        source, target = pair.source.split(" "), pair.target.split(" ")
        assert len({(i, j) for i, j, _ in pair.links}) == len(pair.links)
        assert all(0 <= i < len(source) and 0 <= j < len(target) for i, j, _ in pair.links), pair
        linked = {i for i, _, _ in pair.links}, {j for _, j, _ in pair.links}
        for words, known, count in zip((source, target), linked, bare, strict=True):
            count.update(
                word.lower().strip(",.?!")
                for number, word in enumerate(words)
                if number not in known
            )
    assert set(bare[0]) <= {"do", "of", "in", "to", "for"}, bare[0]
    assert set(bare[1]) <= {"der", "die", "das", "den", "dem", "des"}, bare[1]


# English words and all forms of their German translation. If both occur once, they must be linked.
TRANSLATIONS = """
dog Hund Hundes | house Haus Hauses | woman Frau | child Kind Kindes | children Kinder Kindern
book Buch Buches Buchs | window Fenster Fensters | letter Brief Briefs Briefes | cat Katze
horse Pferd Pferdes Pferds | car Auto Autos | today heute | tomorrow morgen | yesterday gestern
because weil | although obwohl | until bis | while während | without ohne | Monday Montag
May Mai | old alt alte alter altes alten altem | new neu neue neuer neues neuen neuem
sleeps schläft | slept schlief schliefen geschlafen | laughs lacht | saw sah sahen
bought kaufte kauften gekauft | and und | not nicht kein keine keinen keinem keiner | than als
my mein meine meinen meinem meiner meines | always immer | sometimes manchmal | very sehr
perhaps vielleicht | cannot kann können
"""


def test_words_are_linked_to_their_translation() -> None:
    table = [
        entry.lower().split()
        for entry in TRANSLATIONS.replace("\n", "|").split("|")
        if entry.strip()
    ]
    checked: Counter[str] = Counter()
    for pair in (pair for split in ("train", "long") for pair in pairs(split)):
        source, target = (
            [word.lower() for word in split_words(text)] for text in (pair.source, pair.target)
        )
        for english, *german in table:
            if source.count(english) == 1:
                found = [j for j, word in enumerate(target) if word in german]
                if len(found) == 1:
                    assert (source.index(english), found[0], True) in pair.links, (english, pair)
                    checked[english] += 1
    assert len(checked) >= 0.9 * len(table) and sum(checked.values()) > 3000, checked
