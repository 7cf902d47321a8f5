"""What results.json says of translations: scores, differences, words, sentences, and systems that have learned nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from helpers.comparing import REFERENCES, SOURCES, damaged, found, material
from mt.comparison.measures.measure import Measure, evaluate_measures
from mt.comparison.measures.source_sensitivity import Floor, floor_of
from mt.comparison.results.compare import check_resamples, compare
from mt.comparison.results.sentences import choose
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.systems import Material, TestSet, of_files
from mt.errors import UsageError
from mt.evaluation.lengths import sentence_lengths, split_by_length
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.evaluation.sentence_statistics import SentenceStatistics


def test_scores_are_those_of_sacrebleu_and_means_over_runs() -> None:
    runs = [damaged(4), damaged(5)]
    results = compare(material(perfect=[REFERENCES], poor=runs), bootstrap=100)
    each = [sacrebleu.corpus_bleu(lines, [REFERENCES]) for lines in runs]
    overall = results["tests"][0]["overall"]
    score = found(overall["scores"], "poor")
    assert score["values"] == pytest.approx([bleu.score for bleu in each])
    assert score["mean"] == pytest.approx(sum(bleu.score for bleu in each) / 2)
    assert score["brevity_penalty"] == pytest.approx(sum(bleu.bp for bleu in each) / 2)
    assert 0 <= score["interval"][0] < score["mean"] < score["interval"][1] <= 100
    assert found(overall["scores"], "perfect")["mean"] == pytest.approx(100)
    assert score["precision"] == pytest.approx(
        score["mean"] / score["brevity_penalty"], rel=0.02
    )  # it is cut short, not wrong


def test_groups_by_length_are_those_of_the_source() -> None:
    found_here = compare(
        material(a=[damaged(3)], b=[REFERENCES]), bootstrap=100, edges=[10, 20], threshold=15
    )["tests"][0]
    lengths = [len(source.split()) for source in SOURCES]
    assert [group["sentences"] for group in found_here["buckets"]] == [
        sum(n <= 10 for n in lengths),
        sum(10 < n <= 20 for n in lengths),
        sum(n > 20 for n in lengths),
    ]
    assert (
        found_here["short"]["sentences"]
        == sum(n <= 15 for n in lengths)
        == 120 - found_here["long"]["sentences"]
    )
    long = [i for i, n in enumerate(lengths) if n > 15]
    expected = sacrebleu.corpus_bleu(
        [damaged(3)[i] for i in long], [[REFERENCES[i] for i in long]]
    ).score
    assert found(found_here["long"]["scores"], "a")["mean"] == pytest.approx(expected)


def test_lengths_of_the_references_on_request() -> None:
    lengths = [len(line.split()) for line in REFERENCES]
    for given in (material(a=[REFERENCES]), material(None, a=[REFERENCES])):
        here = compare(
            given,
            bootstrap=100,
            length_by="reference" if given.tests[0].sources else "",
            edges=[12],
        )["tests"][0]
        assert here["length"]["by"] == "reference"
        assert [group["sentences"] for group in here["buckets"]] == [
            sum(n <= 12 for n in lengths),
            sum(n > 12 for n in lengths),
        ]
    with pytest.raises(UsageError, match="no sources"):
        compare(material(None, a=[REFERENCES]), bootstrap=100, length_by="source")


def test_what_is_said_is_what_was_planted() -> None:
    results = compare(
        material(base=[damaged(3)], same=[damaged(3)], worse=[damaged(1)], better=[REFERENCES]),
        bootstrap=500,
    )
    differences = results["tests"][0]["overall"]["differences"]
    verdicts = {name: found(differences, name)["verdict"] for name in ("same", "worse", "better")}
    assert verdicts == {"same": "not distinguishable", "worse": "worse", "better": "better"}
    assert found(differences, "same")["effect"] == 0
    assert (
        found(differences, "better")["text"].startswith("better (+")
        and "seeds were not tested" in found(differences, "better")["text"]
    )
    assert results["version"] == 2 and results == json.loads(json.dumps(results, allow_nan=False))


def test_seeds_are_part_of_the_interval() -> None:
    alike, apart = (
        compare(material(a=[one, other]), bootstrap=200)["tests"][0]["overall"]["scores"][0]
        for one, other in ((damaged(4), damaged(4)), (damaged(2), damaged(40)))
    )
    width = [score["interval"][1] - score["interval"][0] for score in (alike, apart)]
    assert (
        alike["seeds_tested"]
        and apart["deviation"] > alike["deviation"] == 0
        and width[1] > 2 * width[0]
    )


def test_every_test_set_has_its_figures() -> None:
    one = material(a=[REFERENCES], b=[damaged(3)])
    short = TestSet(
        "few",
        SOURCES[:40],
        REFERENCES[:40],
        {name: [lines[:40] for lines in runs] for name, runs in one.tests[0].hypotheses.items()},
    )
    results = compare(Material(one.systems, [*one.tests, short], "de"), bootstrap=100)
    assert [(test["name"], test["overall"]["sentences"]) for test in results["tests"]] == [
        ("test", 120),
        ("few", 40),
    ]
    expected = sacrebleu.corpus_bleu(damaged(3)[:40], [REFERENCES[:40]]).score
    assert found(results["tests"][1]["overall"]["scores"], "b")["mean"] == pytest.approx(expected)


def test_a_baseline_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no system 'c'.*choose one of a, b"):
        compare(material(a=[REFERENCES], b=[REFERENCES]), "c", bootstrap=100)


# --- the floor
# -----------------------------------------------------------------------------------------------------


def test_resamples_that_could_tell_nothing() -> None:
    check_resamples(120, 4)
    with pytest.raises(UsageError, match="none of 3 variants from the baseline: use 120 or more"):
        check_resamples(119, 4)


def test_a_system_that_does_not_read_its_source_is_on_the_floor() -> None:
    likely = [REFERENCES[(i * 7 + 3) % 120] for i in range(120)]  # good German, of other sentences
    results = compare(
        material(blind=[likely], poor=[damaged(1)], mute=[[""] * 120]), "poor", bootstrap=100
    )
    assert {system["name"]: system["floor"] for system in results["systems"]} == {
        "blind": True,
        "poor": False,
        "mute": True,
    }
    assert sum("never left the floor" in note for note in results["notes"]) == 2


def test_translations_are_moved_to_sentences_of_the_same_length() -> None:
    references = [
        "a b c d e f",
        "one two three four five",
        "g h i j k l",
        "six seven eight nine ten",
    ]
    lines = ["six seven eight nine one", "one two three six", "a b c d e g", "g h i j"]
    moved = [
        lines[2],
        lines[3],
        lines[1],
        lines[0],
    ]  # the order by length is 1, 3, 0, 2, and back to 1
    floor = floor_of(Bleu(), [lines, references], references)
    of_references = sacrebleu.corpus_bleu(
        [references[2], references[3], references[1], references[0]], [references]
    ).score
    assert floor.bleu == pytest.approx((sacrebleu.corpus_bleu(lines, [references]).score + 100) / 2)
    assert (
        floor.elsewhere
        == pytest.approx((sacrebleu.corpus_bleu(moved, [references]).score + of_references) / 2)
        and floor.elsewhere > 5
    )


def test_the_floor_of_one_sentence_and_of_scripts_without_spaces() -> None:
    assert floor_of(Bleu(), [["one two three four"]], ["one two three four five"]).left
    references = ["猫", "我今天早上吃了两个苹果和一个梨", "狗", "他昨天晚上看了三部电影和一本书"]
    lines = [
        references[2],
        references[3],
        references[0],
        references[1],
    ]  # each is the one of like length
    floor = floor_of(Bleu(tokenize="zh"), [lines], references)
    assert floor.elsewhere > 20 and not floor.left


def test_a_high_score_may_be_the_floor() -> None:
    references = [
        f"I know that it is the case that {word} sleep"
        for word in ("cats", "dogs", "birds", "mice")
    ]
    same = floor_of(Bleu(), [[references[0]] * 4], references)
    assert same.bleu > 50 and same.elsewhere == same.bleu and not same.left
    assert Floor(30, 14).left and not Floor(30, 16).left and not Floor(0.9, 0).left


# --- words
# ---------------------------------------------------------------------------------------------------------


def test_words_are_means_over_runs_and_lost_ones_are_found() -> None:
    half, whole = damaged(2), REFERENCES
    results = compare(material(whole=[whole], half=[half, whole]), bootstrap=100)
    words = {each["system"]: each for each in results["words"]}
    figure = words["half"]["dropped"]
    assert (
        figure["values"][1] == 0
        and figure["value"] == pytest.approx(figure["values"][0] / 2)
        and figure["values"][0] > 10
    )
    assert (
        words["whole"]["dropped"]["value"] == 0 and words["whole"]["dropped"]["difference"] is None
    )
    assert figure["interval"][0] >= 0 and figure["difference"]["effect"] == pytest.approx(
        figure["value"]
    )
    assert words["whole"]["bands"] == [] and any(
        "no accuracy by frequency" in note for note in results["notes"]
    )
    alone = compare(material(whole=[whole], half=[half]), bootstrap=100)["words"][1]
    assert alone["dropped"]["difference"]["verdict"] == "worse"


def test_without_sources_some_words_cannot_be_judged() -> None:
    results = compare(material(None, a=[REFERENCES], b=[damaged(2)]), bootstrap=100)
    assert results["words"][1]["numbers"] is None and results["words"][1]["repeated"]["value"] == 0
    assert any("no sources are given" in note for note in results["notes"])
    assert results["sentences"][0]["source"] is None


def test_measures_are_ratios_of_sums_and_not_defined_of_nothing() -> None:
    some, none = (
        Ratio(np.array([1, 0, 3]), np.array([2, 2, 4])),
        Ratio(np.array([0, 0, 0]), np.array([0, 0, 0])),
    )
    more = Ratio(np.array([1, 1, 4]), np.array([2, 2, 4]))
    found_here = evaluate_measures(
        {
            "m": Measure({"a": [some, some], "b": [none], "c": [more]}),
            "e": Measure({"a": [some]}, False, True),
        },
        "a",
        100,
    )
    assert found_here["m"]["a"]["value"] == pytest.approx(50) and found_here["m"]["a"]["cases"] == 8
    assert found_here["e"]["a"]["value"] == pytest.approx(50)  # an error rate: what is left of 100
    assert found_here["m"]["c"]["difference"]["effect"] == pytest.approx(25)  # whatever b lacks
    assert found_here["m"]["b"] == {
        "value": None,
        "values": [None],
        "interval": None,
        "cases": 0,
        "small": True,
        "difference": None,
    }


def test_no_share_is_over_a_hundred_but_of_loops() -> None:
    totals = np.full(30, 10)
    runs = [
        Ratio(np.full(30, 9), totals),
        Ratio(np.full(30, 10), totals),
    ]  # two seeds: Student's t with one degree of freedom
    shares = evaluate_measures(
        {"m": Measure({"a": runs}), "loops": Measure({"a": runs}, False, most=np.inf)}, "a", 100
    )
    assert shares["m"]["a"]["interval"][1] == 100 < shares["loops"]["a"]["interval"][1]


# --- sentences
# -----------------------------------------------------------------------------------------------------


def test_sentences_show_each_pair_from_both_sides() -> None:
    scores = {
        "base": np.array([50.0, 50, 50, 50, 50]),
        "a": np.array([90.0, 10, 50, 60, 50]),
        "b": np.array([50.0, 50, 80, 50, 0]),
    }
    assert choose(scores, "base", 9) == [
        0,
        1,
        2,
        4,
        3,
    ]  # a best, a worst, b best, b worst; then what is left
    assert choose(scores, "base", 2) == [0, 1] and choose({"base": scores["base"]}, "base", 9) == []


def test_sentences_hold_the_texts_and_where_they_differ() -> None:
    runs = [damaged(6), REFERENCES]
    results = compare(material(a=[REFERENCES], b=runs), bootstrap=100, sentences=5)
    assert len(results["sentences"]) == 5 and results["attention"] == []
    for each in results["sentences"]:
        row = each["index"]
        assert row % 6 == 0 and (each["source"], each["reference"]) == (
            SOURCES[row],
            REFERENCES[row],
        )
        assert each["outputs"] == {"a": REFERENCES[row], "b": runs[0][row]}  # of the first run
        assert each["scores"]["b"] == pytest.approx(
            sacrebleu.sentence_chrf(runs[0][row], [REFERENCES[row]]).score
        )
        assert (
            each["spread"] == pytest.approx(100 - each["scores"]["b"]) and each["attention"] is None
        )
        assert "".join(ours for _, ours, _ in each["diff"]["b"]) == runs[0][row]
        assert each["diff"]["a"] == [[True, REFERENCES[row], REFERENCES[row]]]
    spreads = [each["spread"] for each in results["sentences"]]
    assert spreads == sorted(spreads, reverse=True)


# --- real text
# -----------------------------------------------------------------------------------------------------

# By compare-mt 0.2.10 on the tokenised files (its scorer "bleu"; LengthSentenceBucketer): sentences
# and BLEU by length of the reference, and of all. Its cutoffs 10, 20, ... begin a bucket, so the
# edges here, which end one, are 9, 19, ...
COMPARE_MT = {
    "sys1": [
        (524, 23.361284),
        (979, 22.061827),
        (522, 22.430077),
        (214, 20.485722),
        (102, 21.355022),
        (52, 22.418587),
        (52, 25.940870),
    ],
    "sys2": [
        (524, 26.323574),
        (979, 24.845816),
        (522, 24.013687),
        (214, 22.052268),
        (102, 22.232519),
        (52, 22.838030),
        (52, 24.190187),
    ],
}
# It counts by NLTK, which gives each hypothesis an n-gram of every order, even one too short to
# have any (a denominator of 1 for 0).
TINY = 0.15  # BLEU that this costs, where there are hypotheses of fewer than four words


@pytest.mark.realdata
def test_ted_by_length_is_that_of_compare_mt(realdata: Path) -> None:
    folder = realdata / "compare-mt-ted"
    given = of_files(
        {name: f"{folder}/ted.{name}.eng.gz" for name in COMPARE_MT}, f"{folder}/ted.ref.eng.gz"
    )
    results = compare(given, bootstrap=200, tokenize="none", edges=[9, 19, 29, 39, 49, 59])
    here = results["tests"][0]
    metric = Bleu(tokenize="none", force=True)
    members = split_by_length(sentence_lengths(given.tests[0].references), [9, 19, 29, 39, 49, 59])
    for system, buckets in COMPARE_MT.items():
        ours = [
            (group["sentences"], found(group["scores"], system)["mean"])
            for group in here["buckets"]
        ]
        assert [sentences for sentences, _ in ours] == [sentences for sentences, _ in buckets]
        assert [bleu for _, bleu in ours] == pytest.approx([bleu for _, bleu in buckets], abs=TINY)
        rows = SentenceStatistics(
            metric, given.tests[0].hypotheses[system][0], [given.tests[0].references]
        ).rows
        rows[:, 6:] = np.maximum(rows[:, 6:], 1)  # as NLTK counts
        theirs = [
            metric.scores(rows[sentences].sum(0, keepdims=True))[0]
            for _, _, _, sentences in members
        ]
        assert theirs == pytest.approx([bleu for _, bleu in buckets], abs=1e-5)
    assert found(here["overall"]["differences"], "sys2")["verdict"] == "better"
    assert not any(system["floor"] for system in results["systems"])
