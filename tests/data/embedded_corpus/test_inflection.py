"""Inflection against paradigms written by hand, and a lexicon without ambiguity."""

from __future__ import annotations

import itertools

import pytest

from mt.data.embedded_corpus import inflection
from mt.data.embedded_corpus.entries import Verb
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.verb_groups import verb_forms

FORMS = """
sehen | ich sehe, er sieht, wir sehen, ich sah, wir sahen, er hat gesehen, wir werden sehen
warten | ich warte, er wartet, wir warten, ich wartete, wir warteten, er hat gewartet, wir werden warten
wissen | ich weiß, er weiß, wir wissen, ich wusste, wir wussten, er hat gewusst, wir werden wissen
sein | ich bin, er ist, wir sind, ich war, wir waren, er ist gewesen, wir werden sein
gehen | ich gehe, er geht, wir gehen, ich ging, wir gingen, er ist gegangen, wir werden gehen
ein+laden | ich lade ein, er lädt ein, wir laden ein, ich lud ein, wir luden ein, er hat eingeladen, wir werden einladen
zu+hören | ich höre zu, er hört zu, wir hören zu, ich hörte zu, wir hörten zu, er hat zugehört, wir werden zuhören
auf+stehen | ich stehe auf, er steht auf, wir stehen auf, ich stand auf, wir standen auf, er ist aufgestanden, wir werden aufstehen
ändern | ich ändere, er ändert, wir ändern, ich änderte, wir änderten, er hat geändert, wir werden ändern
wechseln | ich wechsle, er wechselt, wir wechseln, ich wechselte, wir wechselten, er hat gewechselt, wir werden wechseln
essen | ich esse, er isst, wir essen, ich aß, wir aßen, er hat gegessen, wir werden essen
fahren | ich fahre, er fährt, wir fahren, ich fuhr, wir fuhren, er ist gefahren, wir werden fahren
"""  # noqa: E501
PASSIVES = """
present | er wird gesehen | er gesehen wird | he is seen
past | wir wurden gesehen | wir gesehen wurden | we were seen
perfect | ich bin gesehen worden | ich gesehen worden bin | I have been seen
pluperfect | er war gesehen worden | er gesehen worden war | he had been seen
future | wir werden gesehen werden | wir gesehen werden werden | we will be seen
"""
MODALS = """
can | modal | - | he can see | er kann sehen
can | modal-past | - | we could see | wir konnten sehen
can | modal | not | he can see | er kann sehen
must | modal | - | I must see | ich muss sehen
must | modal-past | - | he had to see | er musste sehen
must | modal | not | he must see | er darf sehen
must | modal | not | we must see | wir dürfen sehen
must | modal-past | not | he did have to see | er musste sehen
should | modal | - | we should see | wir sollten sehen
want_to | modal | - | he wants to see | er will sehen
want_to | modal-past | - | I wanted to see | ich wollte sehen
want_to | modal | not | he does want to see | er will sehen
want_to | modal-past | not | we did want to see | wir wollten sehen
"""
IMPERATIVES = """
geben gibt gib | nehmen nimmt nimm | sehen sieht sieh | lesen liest lies | essen isst iss
helfen hilft hilf | werfen wirft wirf | sprechen spricht sprich | stehlen stiehlt stiehl
treffen trifft triff | vergessen vergisst vergiss | versprechen verspricht versprich
zerbrechen zerbricht zerbrich | unterbrechen unterbricht unterbrich
widersprechen widerspricht widersprich | betreten betritt betritt | öffnen öffnet öffne
warten wartet warte | reiten reitet reite | finden findet finde | zeichnen zeichnet zeichne
atmen atmet atme | kommen kommt komm,komme | laufen läuft lauf,laufe | fahren fährt fahr,fahre
tragen trägt trag,trage | schlafen schläft schlaf,schlafe | halten hält halte,halt
laden lädt lade,lad | lassen lässt lass,lasse | stoßen stößt stoß,stoße | wohnen wohnt wohn,wohne
sammeln sammelt sammle,sammele | wechseln wechselt wechsle,wechsele | ändern ändert ändere
füttern füttert füttere | lernen lernt lern,lerne | spielen spielt spiel,spiele
zählen zählt zähl,zähle | malen malt mal,male | holen holt hol,hole | stellen stellt stell,stelle
warnen warnt warn,warne | heben hebt heb,hebe | denken denkt denk,denke | stören stört stör,störe
verstehen versteht versteh,verstehe | sein ist sei | wissen weiß wisse
"""
GENITIVES = """
Mann Männer m Mannes | Hund Hunde m Hundes | Auto Autos n Autos | Bus Busse m Busses
Zeugnis Zeugnisse n Zeugnisses | Chef Chefs m Chefs | Haus Häuser n Hauses
Fuchs Füchse m Fuchses | Platz Plätze m Platzes | Tisch Tische m Tisches | Gast Gäste m Gastes
Lehrer Lehrer m Lehrers | König Könige m Königs | Freund Freunde m Freundes | Kind Kinder n Kindes
Garten Gärten m Gartens | Frau Frauen f Frau | Baby Babys n Babys | Museum Museen n Museums
See Seen m Sees
"""
WEAK = """
Junge Jungen | Student Studenten | Nachbar Nachbarn | Bauer Bauern | Bär Bären | Löwe Löwen
Herr Herrn | Mensch Menschen | Prinz Prinzen
"""
DATIVE_PLURALS = """
Männer Männern | Frauen Frauen | Autos Autos | Lehrer Lehrern | Kinder Kindern | Vögel Vögeln
Hunde Hunden | Partys Partys
"""
PHRASES = """
der alt | Mann Männer m | der alte Mann / den alten Mann / dem alten Mann / des alten Mannes
der alt | Frau Frauen f | die alte Frau / die alte Frau / der alten Frau / der alten Frau
der alt | Kind Kinder n | das alte Kind / das alte Kind / dem alten Kind / des alten Kindes
der alt | Mann Männer p | die alten Männer / die alten Männer / den alten Männern / der alten Männer
ein alt | Mann Männer m | ein alter Mann / einen alten Mann / einem alten Mann / eines alten Mannes
ein alt | Frau Frauen f | eine alte Frau / eine alte Frau / einer alten Frau / einer alten Frau
ein alt | Kind Kinder n | ein altes Kind / ein altes Kind / einem alten Kind / eines alten Kindes
kein alt | Frau Frauen p | keine alten Frauen / keine alten Frauen / keinen alten Frauen / keiner alten Frauen
mein müd | Kind Kinder p | meine müden Kinder / meine müden Kinder / meinen müden Kindern / meiner müden Kinder
dies rot | Tasche Taschen f | diese rote Tasche / diese rote Tasche / dieser roten Tasche / dieser roten Tasche
dies rot | Auto Autos n | dieses rote Auto / dieses rote Auto / diesem roten Auto / dieses roten Autos
viel gut | Freund Freunde p | viele gute Freunde / viele gute Freunde / vielen guten Freunden / vieler guter Freunde
zwei klein | Vogel Vögel p | zwei kleine Vögel / zwei kleine Vögel / zwei kleinen Vögeln / zwei kleiner Vögel
- kalt | Kaffee - m | kalter Kaffee / kalten Kaffee / kaltem Kaffee / kalten Kaffees
- kalt | Milch - f | kalte Milch / kalte Milch / kalter Milch / kalter Milch
- kalt | Wasser - n | kaltes Wasser / kaltes Wasser / kaltem Wasser / kalten Wassers
"""  # noqa: E501
# Declension of the adjective after a determiner; strong after all others.
DECLENSIONS = {"der": "weak", "dies": "weak", "ein": "mixed", "kein": "mixed", "mein": "mixed"}


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def cells(text: str) -> list[list[str]]:
    return [entry.split() for line in table(text) for entry in line]


@pytest.mark.parametrize(("phrase", "noun", "expected"), table(PHRASES))
def test_a_determiner_an_adjective_and_a_noun_agree_in_every_case(
    phrase: str, noun: str, expected: str
) -> None:
    determiner, adjective = phrase.split()
    singular, plural, gender = noun.split()
    column = "mfnp".index(gender)
    if determiner in ("der", "-", "zwei"):
        articles = [
            inflection.DER[case][column] if determiner == "der" else determiner.strip("-")
            for case in inflection.CASES
        ]
    else:
        endings = inflection.EIN if determiner in ("ein", "kein", "mein") else inflection.DIES
        articles = [determiner + endings[case][column] for case in inflection.CASES]
    adjective_endings = inflection.ADJECTIVE[DECLENSIONS.get(determiner, "strong")]
    forms = [
        f"{article} {adjective}{adjective_endings[case][column]} "
        f"{inflection.german_noun(singular, plural, gender, False, case)}".strip()
        for article, case in zip(articles, ("nom", "acc", "dat", "gen"), strict=True)
    ]
    assert forms == expected.split(" / ")


def test_nouns_take_the_endings_of_their_case() -> None:
    for singular, plural, gender, genitive in cells(GENITIVES):
        assert inflection.german_noun(singular, plural, gender, False, "gen") == genitive
        assert {
            inflection.german_noun(singular, plural, gender, False, case)
            for case in ("nom", "acc", "dat")
        } == {singular}
    for singular, other in cells(WEAK):
        forms = [
            inflection.german_noun(singular, other, "m", True, case)
            for case in ("nom", "acc", "dat", "gen")
        ]
        assert forms == [singular, other, other, other]
    for plural, dative in cells(DATIVE_PLURALS):
        assert [
            inflection.german_noun("X", plural, "p", False, case) for case in ("nom", "acc", "dat")
        ] == [plural, plural, dative]


@pytest.mark.parametrize(("infinitive", "third", "accepted"), cells(IMPERATIVES))
def test_imperatives_have_an_accepted_form(infinitive: str, third: str, accepted: str) -> None:
    assert inflection.german_imperative(infinitive, third) in accepted.split(",")


def conjugate(
    verb: Verb,
    tense: str,
    voice: str,
    pronoun: str,
    fields: str,
    negated: bool = False,
    modal: str = "",
) -> str:
    """Return the pronoun and the words of the fields."""
    agreement = {"ich": "1", "er": "3", "wir": "p", "I": "1", "he": "3", "we": "p"}[pronoun]
    choice = next((entry for entry in Lexicon().modals if entry.en[0] == modal), None)
    words = verb_forms(verb, tense, voice, agreement, negated, False, choice).words
    return " ".join(
        [pronoun, *(word for field in fields.split(", ") for word, _ in words[field] if word)]
    )


def find(infinitive: str) -> Verb:
    prefix, _, stem = infinitive.rpartition("+")
    wanted = {"fahren": "sein", "gehen": "sein"}.get(stem)
    return next(
        v
        for v in Lexicon().verbs
        if (v.prefix, v.de[0]) == (prefix, stem) and wanted in (None, v.auxiliary)
    )


@pytest.mark.parametrize(("infinitive", "expected"), table(FORMS))
def test_verbs_take_the_forms_of_every_tense(infinitive: str, expected: str) -> None:
    wanted = zip(
        "ich er wir ich wir er wir".split(),
        "present present present past past perfect future".split(),
        strict=True,
    )
    forms = [
        conjugate(find(infinitive), tense, "active", pronoun, "de finite, de right")
        for pronoun, tense in wanted
    ]
    assert ", ".join(forms) == expected


@pytest.mark.parametrize(("tense", "main", "subordinate", "english"), table(PASSIVES))
def test_the_passive_takes_the_forms_of_every_tense(
    tense: str, main: str, subordinate: str, english: str
) -> None:
    assert (
        conjugate(find("sehen"), tense, "passive", main.split()[0], "de finite, de right") == main
    )
    assert conjugate(find("sehen"), tense, "passive", main.split()[0], "de last") == subordinate
    assert (
        conjugate(find("sehen"), tense, "passive", english.split()[0], "en first, en rest")
        == english
    )


@pytest.mark.parametrize(("modal", "tense", "negated", "english", "german"), table(MODALS))
def test_modals_take_the_forms_of_every_tense_with_and_without_negation(
    modal: str, tense: str, negated: str, english: str, german: str
) -> None:
    """The forms do not include `not` and `nicht`."""
    see, no = find("sehen"), negated == "not"
    assert (
        conjugate(see, tense, "active", english.split()[0], "en first, en rest", no, modal)
        == english
    )
    assert (
        conjugate(see, tense, "active", german.split()[0], "de finite, de right", no, modal)
        == german
    )
    subordinate = german.split()
    assert (
        conjugate(see, tense, "active", subordinate[0], "de last", no, modal)
        == f"{subordinate[0]} sehen {subordinate[1]}"
    )


# The lexicon


def test_nothing_in_the_lexicon_can_be_read_in_two_ways() -> None:
    """Rows of one English word differ in complements or sorts; forms show tense and number."""
    lexicon = Lexicon()
    assert not [verb.en for verb in lexicon.verbs if verb.en[0] == verb.en[2]], (
        "present and past look alike"
    )
    assert not [noun.en for noun in lexicon.nouns if noun.en[0] == noun.en[1]], (
        "singular and plural look alike"
    )
    for one, other in itertools.combinations(lexicon.verbs, 2):
        same = [
            (verb.en, verb.particle, verb.en_preposition, verb.frame, len(verb.objects))
            for verb in (one, other)
        ]
        if same[0] == same[1] and one.subjects & other.subjects:
            assert one.objects, one
            assert not all(
                a.sorts & b.sorts for a, b in zip(one.objects, other.objects, strict=True)
            ), (one, other)
    for first, second in itertools.combinations(lexicon.adjectives, 2):
        assert not (set(first.en) & set(second.en) - {"-"} and first.sorts & second.sorts), (
            first,
            second,
        )
    participles = {verb.en[3] for verb in lexicon.verbs if verb.frame == "acc" and verb.passive}
    assert not participles & {adjective.en[0] for adjective in lexicon.adjectives}, (
        "is it a passive?"
    )
