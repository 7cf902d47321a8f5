"""Correct German in the embedded corpus, checked by rules and words written by hand."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from helpers.corpus_pairs import pairs, short_pairs

SPLITS = ("train", "test", "compose")

# Nouns whose singular differs from the plural and, except for feminines, from the genitive.
GENDERS = {
    "m": "Mann Arzt Hund Tisch Brief Garten Film Stuhl Apfel Vogel König Wald Sohn Vater Bruder "
    "Koch Zug Mantel Hut Rock Schrank Fisch",
    "f": "Frau Mutter Katze Lampe Zeitung Küche Tür Birne Tasche Königin Schule Tochter Tante "
    "Jacke Stadt Maus Kuh Bluse Reise Frage Ente",
    "n": "Kind Pferd Auto Buch Haus Konzert Ei Bild Hemd Fahrrad Glas Schiff Dorf Lied Kleid Spiel "
    "Hotel Schwein Wort Geschenk Problem",
}
GENDER = {noun: gender for gender, nouns in GENDERS.items() for noun in nouns.split()}
WEAK = (
    "Junge Kollege Kunde Neffe Zeuge Löwe Affe Hase Student Soldat Präsident Tourist Elefant "
    "Nachbar Polizist Held Patient"
)

# The ending of each article, also when contracted with a preposition.
ARTICLES = {
    **{"der": "er", "die": "e", "das": "es", "den": "en", "dem": "em", "des": "es"},
    **dict.fromkeys(("im", "am", "vom", "zum", "beim"), "em"),
    **{"zur": "er", "ins": "es", "ans": "es"},
}
DIES, EIN = ("dies", "jed"), ("ein", "kein", "mein", "unser", "sein", "ihr")
DETERMINER = (
    rf"(?:{'|'.join(ARTICLES)}|(?:{'|'.join(DIES)})(?:er|es|en|em|e)"
    rf"|(?:{'|'.join(EIN)})(?:er|es|en|em|e|))"
)
# Endings of determiner and adjective by gender: nominative, accusative, dative (f: also genitive).
AFTER_DER = {"m": "er/e en/en em/en", "f": "e/e er/en", "n": "es/e em/en"}
AFTER_EIN = {"m": "/er en/en em/en", "f": "e/e er/en", "n": "/es em/en"}

# Forms that are always finite: third persons and preterites.
FINITE = set("""
ist war waren bin hat hatte hatten wird wurde wurden kann konnte konnten muss musste mussten soll
will wollte wollten sieht sah sahen gibt gab gaben nimmt nahm nahmen hilft half halfen kaufte
kauften liebt liebte liebten kennt kannte kannten wusste wussten sitzt saß saßen steht stand
standen läuft lief liefen schläft schlief schliefen findet fand fanden trinkt trank tranken isst
aß aßen
""".split())  # fmt: skip
PERSONS = """
bin ist sind | habe hat haben | werde wird werden | kann kann können | muss muss müssen
soll soll sollen | will will wollen | war war waren | hatte hatte hatten | wurde wurde wurden
konnte konnte konnten | sehe sieht sehen | gebe gibt geben | nehme nimmt nehmen
helfe hilft helfen | kaufe kauft kaufen | liebe liebt lieben | kenne kennt kennen
weiß weiß wissen | sitze sitzt sitzen | stehe steht stehen | laufe läuft laufen
schlafe schläft schlafen | arbeite arbeitet arbeiten | finde findet finden | esse isst essen
"""


@cache
def targets() -> list[str]:
    return [pair.target for split in SPLITS for pair in pairs(split)]


def ending(determiner: str) -> tuple[str, str]:
    """Split a determiner into stem and ending: `meinen` is mein, en; `der` has no stem."""
    word = determiner.lower()
    if word in ARTICLES:
        return "", ARTICLES[word]
    stem = next(stem for stem in (*DIES, *EIN) if re.fullmatch(rf"{stem}(er|es|en|em|e|)", word))
    return stem, word.removeprefix(stem)


# Noun phrases


def test_determiners_and_adjectives_fit_the_gender() -> None:
    adjective = rf"(?!{DETERMINER}\b)[a-zäöüß]{{2,}}?(er|es|en|em|e)"
    # After a comma, `der` is a relative pronoun.
    phrase = re.compile(
        rf"(?<!, )\b((?i:{DETERMINER})) "
        rf"(?:(?:sehr )?{adjective}(?: und {adjective})? )?({'|'.join(GENDER)})\b"
    )
    seen: Counter[str] = Counter()
    for target in targets():
        for determiner, first, second, noun in phrase.findall(target):
            stem, own = ending(determiner)
            allowed = (AFTER_EIN if stem in EIN else AFTER_DER)[GENDER[noun]].split()
            assert own in [pair.split("/")[0] for pair in allowed], (determiner, noun, target)
            assert all(f"{own}/{other}" in allowed for other in (first, second) if other), (
                determiner,
                noun,
                target,
            )
            seen["with an adjective" if first else "without"] += 1
            seen[noun] += 1
    assert seen["with an adjective"] > 300 and seen["without"] > 1500 and len(seen) > 45, seen


def test_adjectives_without_determiner_show_the_case() -> None:
    """Checked before mass nouns, and after numerals such as many and two."""
    adjective = (
        "(?:seltsam|ungewöhnlich|lecker|kalt|warm|frisch|gut|heiß|teur|billig|köstlich|süß|gesund"
        "|deutsch)"
    )
    gender = {
        "n": "Wasser Fleisch Brot Bier Obst Salz",
        "f": "Milch Butter Suppe Schokolade",
        "m": "Kaffee Wein Tee Saft Käse Reis Zucker",
    }
    endings = {"n": "es em", "f": "e er", "m": "er en em"}
    allowed = {
        noun: endings[key].split() for key, nouns in gender.items() for noun in nouns.split()
    }
    seen: Counter[str] = Counter()
    more = short_pairs(("drink", "buy", "order"), 1, 2500, nouns=["Mann", "Frau", "Kind", *allowed])
    for target in [*targets(), *(pair.target for pair in more)]:
        for before, found, noun in re.findall(
            rf"(\S+) {adjective}(er|es|en|em|e) ({'|'.join(allowed)})\b", target
        ):
            if not re.fullmatch(rf"{DETERMINER}|sehr|und", before, re.IGNORECASE):
                assert found in allowed[noun], target
                seen["none"] += 1
        for numeral, found in re.findall(
            r"(?<!um )(?<!halb )\b(viele|vielen|einige|einigen|zwei|drei|alle|allen) "
            r"[a-zäöüß]+?(er|es|en|em|e) [A-ZÄÖÜ]",
            target,
        ):
            assert (
                found == "en"
                if numeral.startswith("alle") or numeral.endswith("en")
                else found in ("e", "en")
            ), target
            assert numeral not in ("viele", "einige") or found == "e", target
            seen["plural"] += 1
    assert seen["none"] > 20 and seen["plural"] > 30, seen


def test_prepositions_govern_their_case() -> None:
    endings = {"dat": {"em", "er", "en"}, "acc": {"en", "e", "es", ""}, "gen": {"es", "er"}}
    government = {
        "mit": "dat",
        "von": "dat",
        "bei": "dat",
        "zu": "dat",
        "für": "acc",
        "ohne": "acc",
    }
    government |= {
        "wegen": "gen",
        "trotz": "gen",
        "anstelle": "gen",
        "am Ende": "gen",
        "am Anfang": "gen",
    }
    seen: Counter[str] = Counter()
    for target in targets():
        for preposition, determiner, noun in re.findall(
            rf"\b({'|'.join(government)}) ({DETERMINER}) (?:[a-zäöüß]+ )?(\w+)", target
        ):
            if determiner == "ihr" and government[preposition] == "dat":
                continue  # `ihr` is the pronoun here
            stem, own = ending(determiner)
            case = government[preposition]
            assert own in endings[case], (preposition, determiner, target)
            assert not (stem in EIN and case == "acc" and own == "es"), target
            # `mit den` and `mit meinen` take plurals.
            assert not (
                case == "dat" and own == "en" and (noun in GENDER or stem in ("ein", "jed"))
            ), target
            seen[preposition] += 1
        # `in dem` is `im` unless `dem` is a relative pronoun or refers to one that follows.
        assert not re.search(
            r"(?<!,) (?:in dem|in das|an dem|an das|von dem|zu dem|zu der|bei dem) "
            r"[^,]*(?!, )[.?!]",
            target,
        ), target
    assert sum(count > 15 for count in seen.values()) >= 6, seen


def test_weak_nouns_end_in_n_except_in_the_nominative_singular() -> None:
    nominative = r"(?:der|ein|kein|mein|unser|sein|ihr|dieser|jeder)"
    adjective, nouns = rf"(?:(?!{DETERMINER}\b)[a-zäöüß]+e[nr]? )?", WEAK.replace(" ", "|")
    seen: Counter[str] = Counter()
    for target in targets():
        for determiner, noun in re.findall(
            rf"(?<!, )\b((?i:{DETERMINER})) {adjective}({nouns})\b", target
        ):
            assert re.fullmatch(nominative, determiner, re.IGNORECASE), (determiner, noun, target)
            seen["nominative"] += 1
        for determiner in re.findall(
            rf"(?<!, )\b((?i:{DETERMINER})) {adjective}(?:{nouns})e?n\b", target
        ):
            assert determiner == "ihr" or not re.fullmatch(nominative, determiner, re.IGNORECASE), (
                determiner,
                target,
            )
            seen["other"] += 1
    assert min(seen["nominative"], seen["other"]) > 100, seen


def test_an_indefinite_noun_is_negated_by_kein() -> None:
    not_a = re.compile(r"\bnicht (?:ein|eine|einen|einem|einer|eines) (?!und\b)", re.IGNORECASE)
    assert not [target for target in targets() if not_a.search(target)]
    seen = 0
    for pair in (pair for split in SPLITS for pair in pairs(split)):
        if re.fullmatch(
            r"(?:\w+ ){,3}(?:does|do|did) not \w+ an? (?:\w+ )?\w+[.!]", pair.source, re.IGNORECASE
        ):
            assert re.search(r"\bkein(?:|e|en|em|er)\b", pair.target) and not re.search(
                r"\bnicht\b", pair.target
            ), pair
            seen += 1
    assert seen > 10


# Verbs


@cache
def clauses() -> list[list[str]]:
    """Return the words after the conjunction of each subordinate clause up to its end."""
    clause = re.compile(
        r"\b(?:weil|obwohl|dass|ob|nachdem|bevor|sobald|solange|damit)((?: \w+)+)(?=[,.?!])",
        re.IGNORECASE,
    )
    found = [match[1].split() for target in targets() for match in clause.finditer(target)]
    return [words for words in found if not {"und", "als", "wie"} & set(words)]


def test_verbs_agree_with_their_subject() -> None:
    persons: dict[str, set[str]] = {}
    for forms in re.split(r"[|\n]", PERSONS.strip()):
        for pronoun, form in zip(("ich", "er", "wir"), forms.split(), strict=True):
            persons.setdefault(form, set()).add(pronoun)
    seen: Counter[str] = Counter()
    for target in targets():
        found = [
            ("main", *pair)
            for pair in re.findall(
                r"(?:^|, (?:und|aber|oder|denn|doch) )(ich|er|wir) (\w+)", target, re.IGNORECASE
            )
        ]
        found += [
            ("inverted", pronoun, verb)
            for verb, pronoun in re.findall(r"(?:^|, )(\w+) (ich|er|wir)\b", target)
        ]
        for order, pronoun, verb in [
            (order, pronoun.lower(), verb.lower()) for order, pronoun, verb in found
        ]:
            if verb in persons:
                assert pronoun in persons[verb], (order, target)
                seen[order] += 1
    for words in clauses():
        if words[0] in ("ich", "er", "wir") and words[-1] in persons:
            assert words[0] in persons[words[-1]], words
            seen["last"] += 1
    assert min(seen[order] for order in ("main", "inverted", "last")) > 50, seen


def test_the_finite_verb_is_last_in_subordinate_clauses() -> None:
    seen: Counter[str] = Counter()
    for words in clauses():
        if set(words) & FINITE:
            assert words[-1] in FINITE and not set(words[:-1]) & FINITE, words
            seen[words[-1]] += 1
    assert sum(seen.values()) > 300 and len(seen) > 25, seen


def test_the_finite_verb_is_second_in_main_clauses() -> None:
    start = r"Heute|Gestern|Morgen|Leider|Vielleicht|Letztes Jahr|Natürlich|(?:Im|Am) [A-ZÄÖÜ]\w+"
    seen = 0
    for target in targets():
        if match := re.match(rf"(?:{start}) (?!Morgen|Abend|Nachmittag|zuvor)(\w+)", target):
            words = re.split(r"[ ,.?!]+", target)
            if set(words) & FINITE and "," not in target and " und " not in target:
                assert sum(word in FINITE for word in words) == 1 and match[1] in FINITE, target
                seen += 1
    assert seen > 25, seen


def test_the_position_of_a_separable_prefix_depends_on_the_clause() -> None:
    prefixes = {
        "auf",
        "an",
        "ab",
        "ein",
        "aus",
        "mit",
        "zu",
        "zurück",
        "weg",
        "herein",
        "heraus",
        "vor",
        "um",
        "weiter",
        "vorbei",
    }
    together = re.compile(
        r"\b(?:aufsteht|aufstand|aufstanden|aufwacht|aufwachte|ankam|ankommt|einlädt|einlud|anrief|mitnahm|wegwarf|ausstieg)\b"
    )
    seen: Counter[str] = Counter()
    assert not [words for words in clauses() if words[-1] in prefixes]
    more = short_pairs(("invite", "get", "wake"), 1, 1500, longest=10)
    for target in [*targets(), *(pair.target for pair in more)]:
        for match in together.finditer(target):
            assert re.match(r"[,.?!]| und | als | wie ", target[match.end() :]), target
            assert "," in target or re.match("Weil|Ob|Wenn|Als|Während", target), (
                target
            )  # not in a main clause
            seen["together"] += 1
        for match in re.finditer(r"\b(?:lädt|lud|luden) ", target):
            assert re.search(r" ein(?=[,.?!]| und)", target[match.end() - 1 :]), target
            seen["apart"] += 1
        assert not re.search(
            r"\bzu (?:auf|an|ein|mit|weg|zurück|aus)"
            r"(?:stehen|kommen|laden|rufen|nehmen|werfen|geben|steigen)\b",
            target,
        ), target
        seen["zu"] += bool(
            re.search(r"\b(?:auf|an|ab|ein|mit|weg|zurück|vor|aus)zu\w+en\b", target)
        )
    assert min(seen["together"], seen["apart"], seen["zu"]) >= 5, seen


def test_text_has_only_words_and_punctuation() -> None:
    word = r"[A-Za-zÄÖÜäöüßé0-9]+(?:-[a-z]+)?(?:'s|'clock)?"
    for pair in (pair for split in (*SPLITS, "long") for pair in pairs(split)):
        for text in (pair.source, pair.target):
            assert re.fullmatch(rf"{word}(?:,? {word})*[.?!]", text) and not text[0].islower(), text
