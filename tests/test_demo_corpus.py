"""The embedded corpus: repeatable, disjoint, of all lengths, and correct German by tables written by hand."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections import Counter

import pytest

from mt.data.demo import VERSION, generate
from mt.data.demo.grammar import Grammar, punctuate
from mt.data.demo.words import CASES, NOUNS, VERBS, german_verb, german_words
from mt.errors import UsageError

Pairs = list[tuple[str, str]]

# One or more sentences for each rule, translated by hand. Each must be among what the grammar says, with this translation.
TRANSLATIONS = """
We do not promise to thank her child. | Wir versprechen nicht, ihrem Kind zu danken.
She did not ask whether she met a boy. | Sie fragte nicht, ob sie einen Jungen traf.
Does a friend know whether the neighbour leaves the girl? | Weiß ein Freund, ob der Nachbar das Mädchen verlässt?
Tomorrow the brother whom a happy guest knows will meet him. | Morgen wird der Bruder, den ein glücklicher Gast kennt, ihn treffen.
An old girl knows that Peter needs the window. | Ein altes Mädchen weiß, dass Peter das Fenster braucht.
This doctor whom the woman answers can stand on the balcony. | Dieser Arzt, dem die Frau antwortet, kann auf dem Balkon stehen.
The letter belonged to the child whom I want to love. | Der Brief gehörte dem Kind, das ich lieben will.
The neighbour to whom the guests talked went to the kitchen. | Der Nachbar, mit dem die Gäste sprachen, ging in die Küche.
We stand in the room of which the quiet mother dreams. | Wir stehen in dem Zimmer, von dem die ruhige Mutter träumt.
He stood in the school of which I dream, but we saw it. | Er stand in der Schule, von der ich träume, aber wir sahen sie.
Last year women decided to listen to a student. | Letztes Jahr beschlossen Frauen, einem Studenten zuzuhören.
We promised to invite a woman. | Wir versprachen, eine Frau einzuladen.
The beautiful man laughed when the white picture was heavy. | Der schöne Mann lachte, als das weiße Bild schwer war.
Do they get up when she runs to the garden? | Stehen sie auf, wenn sie in den Garten läuft?
When did the sisters stand in the school? | Wann standen die Schwestern in der Schule?
They got up after our beautiful lions had heard this girl. | Sie standen auf, nachdem unsere schönen Löwen dieses Mädchen gehört hatten.
He will wait for her before the meal. | Er wird vor dem Essen auf sie warten.
They ran to the house before it rained. | Sie liefen ins Haus, bevor es regnete.
They could think that we arrived on her beach. | Sie konnten denken, dass wir an ihrem Strand ankamen.
Tomorrow my student wants to help a bird, but it eats cheese. | Morgen will mein Student einem Vogel helfen, aber er frisst Käse.
The window is white, and many sons have bought it. | Das Fenster ist weiß, und viele Söhne haben es gekauft.
Until these ill brothers closed a bag, he did not open it. | Bis diese kranken Brüder eine Tasche schlossen, machte er sie nicht auf.
Although the lion found them, we bought it. | Obwohl der Löwe sie fand, kauften wir ihn.
I do not visit the neighbour after the film today. | Ich besuche den Nachbarn heute nicht nach dem Film.
On the balcony these mice want to drink water. | Auf dem Balkon wollen diese Mäuse Wasser trinken.
It rained, but a guest and the aunt picked up Peter. | Es regnete, aber ein Gast und die Tante holten Peter ab.
He picked up the big flower. | Er hob die große Blume auf.
The cow must not get up. | Die Kuh darf nicht aufstehen.
I cannot talk to the boy. | Ich kann nicht mit dem Jungen sprechen.
She did not want to get up. | Sie wollte nicht aufstehen.
The lion stood in front of the house. | Der Löwe stand vor dem Haus.
In the famous house I trust them. | Im berühmten Haus vertraue ich ihnen.
Today a young queen has needed water. | Heute hat eine junge Königin Wasser gebraucht.
The teacher showed these men the cow. | Der Lehrer zeigte diesen Männern die Kuh.
"""
PARADIGMS = """
der alt | Mann m | der alte Mann / den alten Mann / dem alten Mann
der alt | Frau f | die alte Frau / die alte Frau / der alten Frau
der alt | Kind n | das alte Kind / das alte Kind / dem alten Kind
der alt | Mann p | die alten Männer / die alten Männer / den alten Männern
ein alt | Mann m | ein alter Mann / einen alten Mann / einem alten Mann
ein alt | Frau f | eine alte Frau / eine alte Frau / einer alten Frau
ein alt | Kind n | ein altes Kind / ein altes Kind / einem alten Kind
kein alt | Frau p | keine alten Frauen / keine alten Frauen / keinen alten Frauen
mein müde | Junge m | mein müder Junge / meinen müden Jungen / meinem müden Jungen
mein müde | Kind p | meine müden Kinder / meine müden Kinder / meinen müden Kindern
dies rot | Tasche f | diese rote Tasche / diese rote Tasche / dieser roten Tasche
dies rot | Auto n | dieses rote Auto / dieses rote Auto / diesem roten Auto
dies rot | Auto p | diese roten Autos / diese roten Autos / diesen roten Autos
jed groß | Löwe m | jeder große Löwe / jeden großen Löwen / jedem großen Löwen
viel gut | Freund p | viele gute Freunde / viele gute Freunde / vielen guten Freunden
zwei klein | Vogel p | zwei kleine Vögel / zwei kleine Vögel / zwei kleinen Vögeln
- kalt | Kaffee m | kalter Kaffee / kalten Kaffee / kaltem Kaffee
- kalt | Milch f | kalte Milch / kalte Milch / kalter Milch
- kalt | Wasser n | kaltes Wasser / kaltes Wasser / kaltem Wasser
- neu | Schlüssel p | neue Schlüssel / neue Schlüssel / neuen Schlüsseln
der - | Student m | der Student / den Studenten / dem Studenten
der - | Nachbar m | der Nachbar / den Nachbarn / dem Nachbarn
"""
VERB_FORMS = """
sehen | ich sehe, er sieht, wir sehen, ich sah, wir sahen, er hat gesehen, wir werden sehen
warten | ich warte, er wartet, wir warten, ich wartete, wir warteten, er hat gewartet, wir werden warten
wissen | ich weiß, er weiß, wir wissen, ich wusste, wir wussten, er hat gewusst, wir werden wissen
sein | ich bin, er ist, wir sind, ich war, wir waren, er ist gewesen, wir werden sein
gehen | ich gehe, er geht, wir gehen, ich ging, wir gingen, er ist gegangen, wir werden gehen
laden | ich lade, er lädt, wir laden, ich lud, wir luden, er hat eingeladen, wir werden einladen
hören | ich höre, er hört, wir hören, ich hörte, wir hörten, er hat zugehört, wir werden zuhören
"""
DER_WORDS = {  # what may stand before a noun: definite article by case, written out
    "nom": {"m": "der", "f": "die", "n": "das", "p": "die"},
    "acc": {"m": "den", "f": "die", "n": "das", "p": "die"},
    "dat": {"m": "dem", "f": "der", "n": "dem", "p": "den"},
}
GENDERS = {  # nouns whose plural looks different
    "m": "Mann Arzt Hund Tisch Brief Garten Film Stuhl Apfel Vogel König Wald",
    "f": "Frau Mutter Katze Lampe Zeitung Küche Feier Tür Birne Tasche Königin Schule",
    "n": "Kind Pferd Auto Buch Haus Konzert Ei Bild Hemd Fahrrad",
}


@pytest.fixture(scope="module")
def corpus() -> Pairs:
    return list(generate("train", 30_000))


@pytest.fixture(scope="module")
def translation(corpus: Pairs) -> dict[str, str]:
    return dict(corpus)


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def test_is_the_same_everywhere() -> None:
    """If this fails, the corpus has changed: raise VERSION, and put the new digest here."""
    digest = hashlib.sha256("\n".join(f"{src}\t{tgt}" for src, tgt in generate("train", 1000)).encode()).hexdigest()
    assert (VERSION, digest[:16]) == (1, "84158fc4bcba5c52")


def test_larger_sizes_continue_smaller_ones_and_seeds_differ() -> None:
    assert list(generate("val", 30)) == list(generate("val", 60))[:30]
    assert list(generate("val", 30)) != list(generate("val", 30, seed=1))


def test_splits_share_no_source_whatever_the_seed(corpus: Pairs) -> None:
    train = {source for source, _ in corpus}
    val, test = ({source for seed in (0, 1) for source, _ in generate(split, 300, seed)} for split in ("val", "test"))
    assert not train & val and not train & test and not val & test


def test_no_source_twice(corpus: Pairs) -> None:
    for pairs in (corpus, list(generate("test", 300))):
        assert len({source for source, _ in pairs}) == len(pairs)


def test_lengths_spread_from_3_to_40_words(corpus: Pairs) -> None:
    lengths = [len(source.split()) for source, _ in corpus]
    assert (min(lengths), max(lengths)) == (3, 40)
    buckets = Counter((length - 1) // 10 for length in lengths)
    assert all(buckets[bucket] > 0.05 * len(lengths) for bucket in range(4)), buckets
    assert 9 < sum(lengths) / len(lengths) < 14


def test_a_source_has_one_translation() -> None:
    grammar, known = Grammar(random.Random(5)), {}
    repeats = 0
    for _ in range(20_000):
        source, target = grammar.sentence()
        repeats += source in known
        assert known.setdefault(source, target) == target, source
    assert repeats > 200, "too few repeated sources to show anything"


@pytest.mark.slow
def test_a_source_has_one_translation_in_a_million() -> None:
    grammar, known = Grammar(random.Random(6)), {}
    for _ in range(1_000_000):
        source, target = grammar.sentence()
        if len(source.split()) < 10:
            assert known.setdefault(source, target) == target, source


@pytest.mark.parametrize(("source", "target"), table(TRANSLATIONS), ids=lambda text: text[:40])
def test_translations_by_hand(translation: dict[str, str], source: str, target: str) -> None:
    assert translation[source] == target


@pytest.mark.parametrize(("phrase", "noun", "expected"), table(PARADIGMS))
def test_endings_of_determiner_adjective_and_noun(phrase: str, noun: str, expected: str) -> None:
    determiner, adjective = (word.replace("-", "") for word in phrase.split())
    singular, gender = noun.split()
    entry = next(entry for entry in NOUNS if entry.de == singular)
    assert gender in (entry.gender, "p")
    assert german_words(determiner, adjective, entry, gender == "p") == tuple(expected.split(" / "))


@pytest.mark.parametrize(("infinitive", "expected"), table(VERB_FORMS))
def test_verb_forms(infinitive: str, expected: str) -> None:
    verb = next(verb for verb in VERBS if verb.de[0] == infinitive and (bool(verb.prefix) == (infinitive in ("laden", "hören"))))
    forms = []
    for pronoun, tense in (
        ("ich", "present"), ("er", "present"), ("wir", "present"), ("ich", "past"), ("wir", "past"), ("er", "perfect"), ("wir", "future"),
    ):  # fmt: skip
        finite, closing = german_verb(verb, tense, "", {"ich": "1", "er": "3", "wir": "p"}[pronoun], False)
        forms.append(f"{pronoun} {finite} {closing}".strip())
    assert ", ".join(forms) == expected


def test_case_and_gender_of_articles_after_prepositions_and_at_the_start(corpus: Pairs) -> None:
    """Articles in running text against gender and case written down here; the noun may follow an adjective."""
    gender = {noun: key for key, nouns in GENDERS.items() for noun in nouns.split()}
    noun = rf"({'|'.join(gender)})\b"
    governed = {"mit": "dat", "ohne": "acc", "für": "acc", "nach": "dat", "von": "dat"}
    seen: Counter[str] = Counter()
    for _, target in corpus:
        for preposition, article, found in re.findall(rf"\b({'|'.join(governed)}) (der|die|das|den|dem) (?:[a-zß-ü]+en )?{noun}", target):
            assert article == DER_WORDS[governed[preposition]][gender[found]], target
            seen[preposition] += 1
        if match := re.match(rf"(Der|Die|Das) (?:[a-zß-ü]+ )?{noun}", target):
            assert match[1].lower() == DER_WORDS["nom"][gender[match[2]]], target
            seen["start"] += 1
    assert all(seen[key] >= 20 for key in (*governed, "start")), seen


def test_place_of_the_finite_verb(corpus: Pairs) -> None:
    """Last after a conjunction, second after a fronted adverb: by forms and words written down here."""
    finite = (
        "habe hat haben bin ist sind war waren hatte hatten werde wird werden kann können muss müssen soll sollen "
        "will wollen darf dürfen konnte konnten wollte wollten"
    ).split()
    no_verb = "der die das ein eine kein mein unser ihr sein dieser jeder viele zwei drei er sie es ich wir ein keine".split()
    last = second = 0
    for _, target in corpus:
        for clause in re.findall(r"\b(?:weil|obwohl|nachdem|wenn|dass|ob) ([^,.?]*)[,.?]", target):
            words = clause.split()
            if " und " not in clause and set(finite) & set(words) and words[-1] != "sein":
                assert words[-1] in finite and not set(finite) & set(words[:-1]) - {"haben", "werden"}, target
                last += 1
        if match := re.match(r"(?:Heute|Gestern|Morgen|Leider|Vielleicht|Am Abend) (\w+)", target):
            assert match[1][0].islower() and match[1] not in no_verb, target
            second += 1
    assert last > 1000 and second > 500, (last, second)


def test_it_takes_the_gender_of_what_it_means(corpus: Pairs) -> None:
    gender = {noun: key for key, nouns in GENDERS.items() for noun in nouns.split()}
    pronoun = {"m": "er", "f": "sie", "n": "es"}
    source_start = re.compile(r"(The|A|My|This|Her) (\w+ )?\w+ (is|was|(will|must|can|should) be|has been) \w+(, but|, and| because) it ")
    target_start = re.compile(r"[^,]*? ([A-Z]\w+) [^,]*, (?:aber|und|weil) (\w+) ")
    checked: Counter[str] = Counter()
    for source, target in corpus:
        if source_start.match(source) and (match := target_start.match(target)):
            noun, word = match.groups()
            if noun in gender:
                assert word == pronoun[gender[noun]], (source, target)
                checked[word] += 1
    assert min(checked[word] for word in pronoun.values()) > 3, checked


def test_every_word_is_used(corpus: Pairs) -> None:
    text = set(re.findall(r"\w+", " ".join(target for _, target in corpus)))
    unused = [noun.de for noun in NOUNS if not {noun.german(case, False) for case in CASES} & text]
    unused += [verb.infinitive for verb in VERBS if not {verb.de[1], verb.de[2], verb.de[3]} & text]
    assert not unused


def test_text_is_clean(corpus: Pairs) -> None:
    for text in itertools.chain.from_iterable(corpus):
        assert re.fullmatch(r"[A-ZÄÖÜ][A-Za-zÄÖÜäöüß]*(,? [A-Za-zÄÖÜäöüß]+)*[.?]", text), text


def test_commas_meet_in_one() -> None:
    assert punctuate("der Hund , den er sieht , , weil er schläft , .") == "der Hund, den er sieht, weil er schläft."


@pytest.mark.parametrize(("split", "size"), [("dev", 5), ("train", -1)])
def test_bad_calls_say_what_to_do(split: str, size: int) -> None:
    with pytest.raises(UsageError, match="embedded corpus"):
        generate(split, size)
