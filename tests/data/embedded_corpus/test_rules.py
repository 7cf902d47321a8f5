"""The rule language of the embedded corpus: small grammars with known results."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mt.data.embedded_corpus.compiler import Compiler
from mt.data.embedded_corpus.grammar import Grammar
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.rules import parse_rules

Leaves = dict[str, Callable[[dict[str, Any]], dict[str, Any]]]


class Script(random.Random):
    """A random generator that returns given numbers, then 0.5."""

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.numbers: Iterator[float] = iter(numbers)

    def random(self) -> float:
        return next(self.numbers, 0.5)


def build(rules: str, leaves: Leaves | None = None, *numbers: float) -> Grammar:
    grammar = Grammar(Script(*numbers), Lexicon())
    grammar.expand = Compiler(
        parse_rules(rules, "test.rules"), grammar.derivation, leaves or {}
    ).categories["sentence"]
    return grammar


def probe(received: list[dict[str, Any]]) -> Leaves:
    """Return a category `probe` that records the features it receives."""

    def word(features: dict[str, Any]) -> dict[str, Any]:
        received.append(features)
        return {"en": [("x", ())], "de": [("y", ())]}

    return {"probe": word}


# What rules build


def test_a_rule_puts_both_languages_together() -> None:
    pair = build("""
# A comment, and an empty line:

sentence only #greeting
    # A comment in a rule.
    t = time
    h = "red wine / roter Wein"
    b = "by the way / übrigens"
    n = "- / doch"
    en: h "always" t b "."
    de: t n b "," h "."
time now
    w = "at_night / nachts"
    en: w
    de: w
""").draw_sentence(10)
    assert (pair.source, pair.target) == (
        "Red wine always at night by the way.",
        "Nachts doch übrigens, roter Wein.",
    )
    assert pair.pharaoh == "0-3 1-4 3-0 4-0 5-2 6-2 7-2"
    assert pair.constructions == {"greeting"}


def test_features_are_inherited_and_shown_to_later_constituents() -> None:
    found: list[dict[str, Any]] = []
    build(
        """
sentence only
    o = outer colour:red size:big sorts:person,animal
    p = probe taken:o.shown first:o.colour again:$colour
    en: o p
    de: o p
outer rule
    i = inner colour:blue copy:$colour
    p = probe sorts:thing shade:i.shade
    en: i p
    de: i p
    let shown: i.shade
    let colour: plain
inner rule
    p = probe sorts:$sorts
    en: p
    de: p
    let shade: $colour
""",
        probe(found),
    ).draw_sentence(10)
    inner, outer, sentence = found
    assert (inner["colour"], inner["copy"], inner["size"], inner["sorts"]) == (
        "blue",
        "red",
        "big",
        {"person", "animal"},
    )
    assert (outer["colour"], outer["size"], outer["sorts"], outer["shade"]) == (
        "red",
        "big",
        {"thing"},
        "blue",
    )
    assert (sentence["taken"], sentence["first"], sentence["again"]) == ("blue", "plain", None)
    assert "colour" not in sentence and "size" not in sentence, "features must not climb"


@pytest.mark.parametrize(
    ("conditions", "left", "holds"),
    [
        ("kind=x", 9, True),
        ("kind=y|x", 9, True),
        ("kind=y", 9, False),
        ("kind!=x", 9, False),
        ("kind!=y", 9, True),
        ("none=x", 9, False),
        ("none!=x", 9, True),
        ("sorts~person", 9, True),
        ("sorts~thing", 9, False),
        ("left>6", 6, True),
        ("left>6", 5.9, False),
        ("left<6", 5.9, True),
        ("left<6", 6, False),
        ("it", 9, False),
        ("kind=x left>6", 9, True),
        ("kind=x left>6", 3, False),
        ("kind=y left>6", 9, False),
    ],
)
def test_a_rule_applies_only_if_its_conditions_hold(
    conditions: str, left: float, holds: bool
) -> None:
    grammar = build(f"""
sentence only
    c = choice kind:x sorts:person,animal
    en: c "."
    de: c "."
choice yes [{conditions}]
    en: "taken"
    de: "genommen"
""")
    if holds:
        assert grammar.draw_sentence(left).source == "Taken."
    else:
        with pytest.raises(ValueError, match="no rule for choice"):
            grammar.draw_sentence(left)


def test_conditions_are_tested_again_for_other_features() -> None:
    rules = """
sentence only
    a = side kind:x
    b = side kind:y
    w = "one two three / eins zwei drei"
    c = side kind:x
    en: a b c
    de: a b c
side first [kind=x left>4]
    en: "r"
    de: "r"
side second [kind=y]
    en: "s"
    de: "s"
side third [kind=x left<4]
    en: "t"
    de: "t"
"""
    grammar = build(rules)
    assert [grammar.draw_sentence(length).source for length in (6, 9, 3, 6)] == [
        "R s t",
        "R s r",
        "T s t",
        "R s t",
    ]


def test_rules_are_drawn_by_weight_among_those_that_fit() -> None:
    rules = """
sentence only
    c = choice
    en: c
    de: c
choice a 1
    en: "r"
    de: "r"
choice b [left>5] 2
    en: "s"
    de: "s"
choice c 1
    en: "t"
    de: "t"
"""
    numbers = (0.0, 0.24, 0.26, 0.74, 0.76, 0.99)
    grammar = build(rules, None, *numbers, *numbers)
    assert "".join(grammar.draw_sentence(9).source for _ in numbers) == "RRSSTT"
    assert "".join(grammar.draw_sentence(2).source for _ in numbers) == "RRRTTT"


def test_the_first_field_line_whose_conditions_hold_counts() -> None:
    rules = """
sentence only
    o = object
    en [o.kind=pron]: "first" o
    en [left>100]: "never"
    en: "second" o
    de [o.kind!=pron]: o.mid "eins" o
    de: "zwei" o.none o
object long [left>5]
    en: "thing"
    de: "Ding"
    de mid: "mitten darin"
object short [left<5]
    en: "it"
    de: "es"
    let kind: pron
"""
    assert [(p.source, p.target) for p in map(build(rules).draw_sentence, (9, 3))] == [
        ("Second thing", "Mitten darin eins Ding"), ("First it", "Zwei es")
    ]  # fmt: skip


def test_tags_belong_to_the_innermost_open_clause() -> None:
    pair = build("""
sentence only #top
    a = clause
    b = word
    en: a b
    de: a b
clause main #outer
    scope
    s = phrase
    c = inner
    t = word
    en: s c t
    de: s c t
phrase noun #phrase
    en: "p"
    de: "p"
inner one #inner
    scope
    p = phrase
    en: p
    de: p
word any #word
    en: "w"
    de: "w"
""").draw_sentence(9)
    assert pair.clauses == (
        frozenset({"top", "word"}),
        frozenset({"outer", "phrase", "word"}),
        frozenset({"inner", "phrase"}),
    )
    assert pair.constructions == {"top", "outer", "inner", "phrase", "word"}


BODY = '    en: "x"\n    de: "y"\n'


@pytest.mark.parametrize(
    ("rules", "place", "reason"),
    [
        ("sentence\n" + BODY, 1, "expected category label"),
        ("# nothing\n\nsentence only [x 3\n" + BODY, 3, "expected category label"),
        ("sentence only heavy\n" + BODY, 1, "expected category label"),
        (BODY, 1, "belongs to no rule"),
        ("sentence only\n    gibberish\n" + BODY, 2, "expected `name = category"),
        ("sentence only\n    fr: x\n" + BODY, 2, "expected `name = category"),
        ("sentence only\n" + BODY + "    let nothing\n", 4, "cannot parse"),
        ("sentence only\n    a = word colour\n" + BODY, 2, "cannot parse"),
        ("sentence only\n    a = word\n" + BODY, 1, "unknown category word"),
        ("sentence only\n    en: x\n    de: x.mid\n", 1, "no constituent x"),
        ("probe only\n" + BODY, 1, "probe is a category of the lexicon"),
        ("sentence only [colour]\n" + BODY + "sentence other\n" + BODY, 1, "colour"),
        ('sentence only\n    en [a==b]: "x"\n    de: "y"\n', 1, "a==b"),
        ("sentence only\n    p = probe colour:q.colour\n" + BODY, 1, "q"),
    ],
)
def test_errors_name_file_and_line(rules: str, place: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        build(rules, probe([]))
    assert f"test.rules, line {place}" in str(caught.value)
