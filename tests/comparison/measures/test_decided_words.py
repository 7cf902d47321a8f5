"""Recall of words that other words decide, by distance."""

from __future__ import annotations

from helpers.comparing import PAIRS, REFERENCES, SOURCES
from mt.comparison.measures.decided_words import (
    decided_measures,
    decided_words,
    recalled_words,
)
from mt.comparison.measures.words import word_results
from mt.comparison.systems import ComparisonInput, System, SystemRun, TestSet
from mt.data.annotations import Decider
from mt.data.links import parse_links


def test_words_are_recalled_in_their_form_and_each_word_of_the_output_counts_once() -> None:
    reference = "Sie sah, dass sie müde war."
    assert recalled_words(["dass sie müde ist, sah ich"], [reference]) == [
        [False, True, True, True, True, False]
    ]
    assert recalled_words(["sah sie, dass sie müde war", ""], [reference, "Ja."]) == [
        [True] * 6,
        [False],
    ]


def test_words_are_grouped_by_the_distance_to_the_nearest_linked_word() -> None:
    references = ["a b c d", "a b"]
    test = TestSet(
        "test",
        ["x " * 30, "x y"],
        references,
        {"one": [["a b c d", "a b"]], "two": [["a b", "b"]]},
        [parse_links("0-0 4-1 9-1 20-2 5p2"), parse_links("1-0")],
        None,
        [
            [Decider(3, 0, "pronoun"), Decider(13, 1, "pronoun"), Decider(4, 2, "verb")],
            [Decider(0, 0, "pronoun")],
        ],
    )
    groups = decided_words(test)
    assert [(group.name, group.low, group.high, group.rows) for group in groups] == [
        ("pronoun 1-3", 1, 3, [(0, 0), (1, 0)]),
        ("pronoun 4-7", 4, 7, [(0, 1)]),
        ("verb 16+", 16, None, [(0, 2)]),  # possible links do not count
    ]
    measures = decided_measures(test, groups)
    assert {
        name: [measure.ratios[system][0].value for system in ("one", "two")]
        for name, measure in measures.items()
    } == {
        "pronoun 1-3": [1.0, 0.5],
        "pronoun 1-3 others": [1.0, 0.5],  # d of the first sentence, b of the second
        "pronoun 4-7": [1.0, 1.0],
        "pronoun 4-7 others": [1.0, 0.0],
        "verb 16+": [1.0, 0.0],
        "verb 16+ others": [1.0, 0.0],
    }


def test_a_system_that_confuses_pronouns_is_told_from_one_that_does_not() -> None:
    deciders = [list(pair.deciders) for pair in PAIRS]
    wrong = [
        " ".join(
            "xx" if any(d.target == j and d.kind == "pronoun" for d in row) else word
            for j, word in enumerate(line.split(" "))
        )
        for line, row in zip(REFERENCES, deciders, strict=True)
    ]
    systems = {"right": [REFERENCES], "wrong": [wrong]}
    links = [parse_links(pair.pharaoh) for pair in PAIRS]
    test = TestSet("test", SOURCES, REFERENCES, systems, links, None, deciders)
    made = [System(name, [SystemRun(name)]) for name in systems]
    right, wrongs = word_results(ComparisonInput(made, [test], "de"), "right", 100)[0]
    for good, bad in zip(right.decided, wrongs.decided, strict=True):
        assert good.recall.value == 100 and good.words == good.recall.cases == bad.words
        assert bad.recall.value == (0 if bad.kind == "pronoun" else 100)
        assert good.others.value == 100 == bad.others.value and good.others.cases > good.words
        assert (bad.kind, bad.label) == (good.kind, good.label)
    assert sum(group.words for group in right.decided) == sum(map(len, deciders))
    verdicts = {(d.kind, d.label): d.recall.difference for d in wrongs.decided}
    pronoun, verb = verdicts["pronoun", "4-7"], verdicts["verb", "1-3"]
    assert pronoun and pronoun.verdict == "worse"
    assert verb and verb.verdict == "not distinguishable"
    without = TestSet("test", SOURCES, REFERENCES, systems)
    assert decided_words(without) == [] and decided_measures(without, []) == {}
