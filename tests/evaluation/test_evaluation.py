"""Metrics against published figures and sacreBLEU's own interface; buckets against counting by hand."""

from __future__ import annotations

import gzip
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from mt.errors import MTError, UsageError
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.lengths import MIN_SENTENCES, score_buckets, sentence_lengths
from mt.evaluation.metrics import build_metrics, fast_metrics
from mt.evaluation.resampling import resamples
from mt.evaluation.sentence_statistics import SentenceStatistics
from mt.evaluation.tables import TEXT_WIDTH, text_table, to_dict
from mt.evaluation.tokenizers import bleu_tokenizer

WORDS = [
    f"word{i}" for i in range(500)
]  # so many that TER finds few shifts to try, which is what takes it long


def corpus(size: int, seed: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Sources of 1 to 70 words, references, and hypotheses that are the references with some words lost or changed."""
    draw = random.Random(seed)
    sources, hypotheses, references = [], [], []
    for _ in range(size):
        words = draw.choices(WORDS, k=draw.randint(1, 70))
        sources.append(" ".join(draw.choices(WORDS, k=max(1, len(words) + draw.randint(-2, 2)))))
        references.append(" ".join(words))
        hypotheses.append(
            " ".join(
                draw.choice(WORDS) if draw.random() < 0.2 else word
                for word in words
                if draw.random() > 0.1
            )
        )
    return sources, hypotheses, references


def read(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[:-1]


@pytest.mark.realdata
@pytest.mark.parametrize(
    "pair, system",
    [
        ("en-de", "OpenNMT"),
        ("en-cs", "CUNI-Bergamot"),
        *(
            pytest.param("en-de", system, marks=pytest.mark.slow)
            for system in ("PROMT", "Online-B", "Online-W")
        ),
        pytest.param("en-cs", "Online-B", marks=pytest.mark.slow),
    ],
)
def test_scores_of_wmt22_equal_the_published_ones(realdata: Path, pair: str, system: str) -> None:
    folder, target = realdata / "wmt22-systems", pair[-2:]
    table = [
        line.split("\t")
        for line in (folder / "published-scores.tsv").read_text("utf-8").splitlines()[1:]
    ]
    published = {kind: float(score) for *which, kind, score in table if which == [pair, system]}
    assert len(published) == 6
    hypotheses = read(folder / f"{pair}.hyp.{system}.{target}.gz")
    references = {
        name: read(folder / f"{pair}.ref.{name}.{target}.gz")
        for name in ("AB" if pair == "en-de" else "BC")
    }
    metrics, _ = build_metrics()
    for kind, score in published.items():
        metric, name = kind.split("-")
        used = list(references.values()) if name == "all" else [references[name]]
        assert SentenceStatistics(metrics[metric], hypotheses, used).score().value == pytest.approx(
            score, abs=1e-4
        ), kind


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
def test_scores_intervals_and_signatures_are_sacrebleus_own(name: str) -> None:
    _, hypotheses, references = corpus(60)
    second = references[1:] + references[:1]
    metrics, _ = build_metrics()
    ours = SentenceStatistics(metrics[name], hypotheses, [references, second]).score(bootstrap=200)
    theirs = {"bleu": BLEU, "chrf": CHRF, "ter": TER}[name]()
    expected = theirs.corpus_score(hypotheses, [references, second], n_bootstrap=200)
    assert ours.value == pytest.approx(expected.score, abs=1e-9)
    # sacreBLEU keeps the half-width only, and computes resamples in single precision.
    assert ours.ci is not None
    assert (ours.ci[1] - ours.ci[0]) / 2 == pytest.approx(expected._ci, abs=1e-3)
    assert ours.ci[0] < ours.value < ours.ci[1]
    assert ours.signature == theirs.get_signature().format()
    assert ours.short_signature == theirs.get_signature().format(short=True)
    assert ours.name == expected.name


def test_without_resamples_no_interval_and_no_mention_of_any() -> None:
    _, hypotheses, references = corpus(10)
    statistics = SentenceStatistics(build_metrics()[0]["bleu"], hypotheses, [references])
    assert "bs:" in statistics.score(bootstrap=100).signature
    score = statistics.score()
    assert score.ci is None and "bs:" not in score.signature


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    # A test set drawn from a corpus of known BLEU: 95 of 100 intervals should hold the value of the
    # whole.
    _, hypotheses, references = corpus(3000)
    statistics = SentenceStatistics(build_metrics()[0]["bleu"], hypotheses, [references])
    truth = statistics.score().value
    draw = np.random.default_rng(0)
    intervals = [statistics.score(draw.choice(3000, 100), bootstrap=200).ci for _ in range(200)]
    covered = sum(low <= truth <= high for low, high in intervals)  # type: ignore[misc]
    assert 0.88 < covered / 200 < 0.99


def test_resamples_are_draws_with_replacement() -> None:
    draws = list(resamples(50, 20))
    assert all(len(draw) == draw.sum() == 50 for draw in draws)
    assert len({tuple(draw) for draw in draws}) == 20
    assert [tuple(draw) for draw in resamples(50, 20)] == [tuple(draw) for draw in draws]


@pytest.mark.parametrize(
    "lang, name",
    [
        ("de", "13a"),
        ("zh", "zh"),
        ("zho_Hans", "zh"),
        ("zh-TW", "zh"),
        ("ja", "ja-mecab"),
        ("ko-KR", "ko-mecab"),
        ("th", "char"),
    ],
)
def test_the_language_chooses_the_tokenizer_of_bleu(lang: str, name: str) -> None:
    assert bleu_tokenizer(lang) == name


def test_chinese_is_split_into_characters() -> None:
    # One of six characters differs: 5/6, 4/5, 3/4, 2/3 n-grams match, at equal length.
    expected = 100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    scores = evaluate_translations(
        None, ["我喜欢大猫狗"], [["我喜欢大猫鱼"]], tgt_lang="zh", length_by="reference"
    ).scores
    assert scores["bleu"].value == pytest.approx(expected)
    assert scores["ter"].value == pytest.approx(100 / 6)
    assert "asian:yes" in scores["ter"].signature


def test_a_missing_tokenizer_is_replaced_with_a_note_unless_it_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sacrebleu.tokenizers.tokenizer_ja_mecab as module

    monkeypatch.setattr(module, "MeCab", None)
    metrics, notes = build_metrics("ja")
    assert "sacrebleu[ja]" in notes[0]
    assert (
        SentenceStatistics(metrics["bleu"], ["猫"], [["猫"]]).score().signature.count("tok:char")
        == 1
    )
    with pytest.raises(MTError, match=r"sacrebleu\[ja\]"):
        build_metrics("ja", tokenize="ja-mecab")
    with pytest.raises(UsageError, match="13a"):
        build_metrics("de", tokenize="moses")


def test_a_named_tokenizer_that_cannot_be_downloaded_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sacrebleu.tokenizers.tokenizer_spm as module

    def no_network(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(module, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(module, "download_file", no_network)
    with pytest.raises(MTError, match="no network"):
        build_metrics("de", tokenize="flores200")


def test_lowercase_ignores_case_and_tokenize_chooses_the_tokenizer() -> None:
    references, hypotheses = ["The Dog sees a big Cat ."], ["the dog sees a big cat."]
    assert (
        evaluate_translations(None, hypotheses, [references], length_by="reference")
        .scores["bleu"]
        .value
        < 50
    )
    lower = evaluate_translations(
        None, hypotheses, [references], length_by="reference", lowercase=True
    )
    assert lower.scores["bleu"].value == pytest.approx(100)
    assert (
        "case:lc" in lower.scores["bleu"].signature and "case:lc" in lower.scores["chrf"].signature
    )
    plain = evaluate_translations(
        None, hypotheses, [references], length_by="reference", lowercase=True, tokenize="none"
    )
    assert plain.scores["bleu"].value < 100 and "tok:none" in plain.scores["bleu"].signature
    cased = evaluate_translations(None, hypotheses, [references], length_by="reference")
    assert "lower-cased" in text_table(lower) and "lower-cased" not in text_table(cased)


def test_buckets_against_counting_by_hand() -> None:
    sources, hypotheses, references = corpus(200)
    edges = [10, 20, 45]
    evaluation = evaluate_translations(
        sources, hypotheses, [references], edges=edges, threshold=15, bootstrap=100
    )
    ranges = [(1, 10), (11, 20), (21, 45), (46, 10**9)]
    groups = [
        *zip(evaluation.buckets, ranges, strict=True),
        (evaluation.short, (1, 15)),
        (evaluation.long, (16, 10**9)),
    ]
    for bucket, (low, high) in groups:
        members = [i for i in range(200) if low <= len(sources[i].split()) <= high]
        assert bucket.count == len(members) > 0
        ours, theirs = [hypotheses[i] for i in members], [references[i] for i in members]
        for name, metric in {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}.items():
            assert bucket.scores[name].value == pytest.approx(
                metric.corpus_score(ours, [theirs]).score, abs=1e-9
            )
            interval = bucket.scores[name].ci
            assert interval is not None and interval[0] < bucket.scores[name].value < interval[1]
        produced, wanted = (sum(len(line.split()) for line in lines) for lines in (ours, theirs))
        assert bucket.length_ratio == pytest.approx(produced / wanted)
        assert bucket.brevity_penalty == pytest.approx(min(1.0, math.exp(1 - wanted / produced)))
        assert bucket.small == (len(members) < MIN_SENTENCES)
    assert [bucket.label for bucket in evaluation.buckets] == ["1-10", "11-20", "21-45", "46+"]
    assert (
        sum(bucket.count for bucket in evaluation.buckets)
        == evaluation.short.count + evaluation.long.count
        == 200
    )


def test_one_bucket_that_holds_all_is_the_whole() -> None:
    sources, hypotheses, references = corpus(50)
    evaluation = evaluate_translations(
        sources, hypotheses, [references], edges=[1000], bootstrap=100
    )
    whole, empty = evaluation.buckets
    assert whole.scores == evaluation.scores
    assert empty.count == 0 and empty.scores == {} and empty.length_ratio is None


def test_an_edge_belongs_to_the_bucket_below_and_blanks_to_the_first() -> None:
    _, hypotheses, references = corpus(6)
    statistics = {"bleu": SentenceStatistics(build_metrics()[0]["bleu"], hypotheses, [references])}
    buckets = score_buckets(np.array([1, 10, 11, 20, 21, 500]), [10, 20], statistics)
    assert [(b.label, b.count) for b in buckets] == [("1-10", 2), ("11-20", 2), ("21+", 2)]
    buckets = score_buckets(np.array([0, 10, 11, 20, 21, 500]), [10, 20], statistics)
    assert [(b.label, b.count) for b in buckets] == [("0-10", 2), ("11-20", 2), ("21+", 2)]


def test_lengths_are_words_or_characters() -> None:
    assert sentence_lengths(["a b  c", "", "我喜欢"]).tolist() == [3, 0, 3]
    english, chinese = ["I like cats"] * 3, ["我喜欢大猫"] * 3
    from_chinese = evaluate_translations(chinese, english, [english])
    assert (from_chinese.unit, from_chinese.threshold, from_chinese.buckets[0].high) == (
        "characters",
        40,
        20,
    )
    into_chinese = evaluate_translations(english, chinese, [chinese], tgt_lang="zh")
    assert (into_chinese.unit, into_chinese.threshold, into_chinese.buckets[0].high) == (
        "words",
        20,
        10,
    )
    by_reference = evaluate_translations(
        english, chinese, [chinese], tgt_lang="zh", length_by="reference"
    )
    assert by_reference.unit == "characters"


def test_a_language_that_was_not_named_is_noticed() -> None:
    lines = ["我喜欢大猫", "猫"]
    assert (
        "target language"
        in evaluate_translations(None, lines, [lines], length_by="reference").notes[0]
    )
    assert not evaluate_translations(
        None, lines, [lines], length_by="reference", tgt_lang="zh"
    ).notes
    assert not evaluate_translations(
        None, lines, [lines], length_by="reference", tokenize="char"
    ).notes


def test_the_table_fits_80_columns_and_shows_the_scores() -> None:
    sources, hypotheses, references = corpus(1000)
    empty = hypotheses.index(max(hypotheses, key=len))
    hypotheses[empty] = " "
    evaluation = evaluate_translations(
        sources,
        hypotheses,
        [references],
        edges=[2, 5000],
        tgt_lang="th",
        bootstrap=100,
        metrics=["bleu", "chrf", "ter"],
    )
    table = text_table(evaluation)
    assert TEXT_WIDTH == 80 and max(map(len, table.splitlines())) <= 80
    bleu = evaluation.scores["bleu"]
    assert f"{bleu.value:.2f}" in table and f"{bleu.ci[0]:.2f} - {bleu.ci[1]:.2f}" in table  # type: ignore[index]
    for score in evaluation.scores.values():
        assert score.short_signature in table
    assert f"1000 sentences, {sum(not h.strip() for h in hypotheses)} with empty output" in table
    rows = {line.split()[0]: line for line in table.splitlines() if line[:1].isdigit()}
    assert rows["5001+"].split() == ["5001+", "0", "-"]
    assert (
        rows["3-5000"].split()[1] == str(evaluation.buckets[1].count) and "*" not in rows["3-5000"]
    )
    assert "note: TER" in table and "fewer than" in table


def test_small_buckets_are_marked() -> None:
    sources, hypotheses, references = corpus(2 * MIN_SENTENCES)
    fine = text_table(
        evaluate_translations(
            sources, hypotheses, [references], edges=[1000], threshold=33, bootstrap=0
        )
    )
    assert "*" not in fine.splitlines()[-8] and "interval" not in fine
    sources = ["word"] * (MIN_SENTENCES - 1) + ["word " * 50] * (MIN_SENTENCES + 1)
    marked = text_table(
        evaluate_translations(sources, hypotheses, [references], bootstrap=0)
    ).splitlines()
    assert "*" in next(line for line in marked if line.startswith("short"))
    assert "*" not in next(line for line in marked if line.startswith("long"))


def test_ter_can_be_left_out() -> None:
    sources, hypotheses, references = corpus(30)
    evaluation = evaluate_translations(
        sources, hypotheses, [references], bootstrap=0, metrics=fast_metrics()
    )
    assert set(evaluation.scores) == set(evaluation.short.scores) == set(fast_metrics())
    assert "#:1|c:lc" not in text_table(evaluation) and "ter" not in to_dict(evaluation)["scores"]


def test_the_json_form_holds_every_score() -> None:
    sources, hypotheses, references = corpus(30)
    evaluation = evaluate_translations(sources, hypotheses, [references], bootstrap=100)
    data = json.loads(json.dumps(to_dict(evaluation)))
    assert data["format"] == 1 and data["sentences"] == 30
    assert data["scores"]["bleu"]["value"] == evaluation.scores["bleu"].value
    assert data["scores"]["bleu"]["ci"] == list(evaluation.scores["bleu"].ci or ())
    assert data["scores"]["bleu"]["signature"] == evaluation.scores["bleu"].signature
    assert [b["label"] for b in data["buckets"]] == [
        "1-10",
        "11-20",
        "21-30",
        "31-40",
        "41-50",
        "51-60",
        "61+",
    ]
    assert (
        data["short"]["label"] == "1-20"
        and data["long"]["length_ratio"] == evaluation.long.length_ratio
    )
    assert data["short"]["small"] is True


@pytest.mark.parametrize(
    "arguments, settings, message",
    [
        ((["a"], [], [[]]), {}, "nothing to evaluate"),
        ((["a"], ["a", "b"], [["a", "b"]]), {}, "hypotheses has 2 lines but sources has 1"),
        (
            (None, ["a", "b"], [["a", "b"], ["a"]]),
            {"length_by": "reference"},
            "hypotheses has 2 lines but references 2 has 1",
        ),
        ((None, ["a"], [["a"]]), {}, "no sources"),
        ((["a"], ["a"], [["a"]]), {"length_by": "target"}, "got 'target'"),
        ((["a"], ["a"], [["a"]]), {"edges": []}, "edges"),
        ((["a"], ["a"], [["a"]]), {"edges": [0, 10]}, "edges"),
        ((["a"], ["a"], [["a"]]), {"edges": [10, 10]}, "got 10,10"),
        ((["a"], ["a"], [["a"]]), {"threshold": 0}, "threshold"),
        ((["a"], ["a"], [["a"]]), {"bootstrap": 20}, ">= 100, or 0"),
        ((["a"], ["a"], [["a"]]), {"bootstrap": -1}, ">= 100, or 0"),
    ],
)
def test_texts_and_settings_that_do_not_fit_are_refused(
    arguments: tuple, settings: dict, message: str
) -> None:
    with pytest.raises(MTError, match=message):
        evaluate_translations(*arguments, **settings)


def test_nothing_translated_scores_zero() -> None:
    evaluation = evaluate_translations(["a b c"] * 2, ["", ""], [["a b c"] * 2], bootstrap=100)
    assert evaluation.empty == 2
    assert (
        evaluation.scores["bleu"].value,
        evaluation.scores["chrf"].value,
        evaluation.scores["ter"].value,
    ) == (0, 0, 100)
    assert evaluation.short.brevity_penalty == 0 and text_table(evaluation)
