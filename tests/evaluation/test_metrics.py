"""Scores, intervals and signatures of metrics, against sacreBLEU and published values."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from helpers.noisy_corpus import noisy_corpus
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.metrics import build_metrics
from mt.evaluation.resampling import resamples
from mt.evaluation.sentence_statistics import SentenceStatistics
from mt.evaluation.tables import text_table
from mt.evaluation.tokenizers import bleu_tokenizer, scored_language


def read(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[:-1]


@pytest.mark.medium
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


@pytest.mark.medium
@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
def test_scores_intervals_and_signatures_are_sacrebleus_own(name: str) -> None:
    _, hypotheses, references = noisy_corpus(60)
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


def test_without_resamples_there_is_no_interval_and_the_signature_has_none() -> None:
    _, hypotheses, references = noisy_corpus(10)
    statistics = SentenceStatistics(build_metrics()[0]["bleu"], hypotheses, [references])
    assert "bs:" in statistics.score(bootstrap=100).signature
    score = statistics.score()
    assert score.ci is None and "bs:" not in score.signature


@pytest.mark.medium
def test_intervals_cover_the_truth_about_as_often_as_stated() -> None:
    # A test set drawn from a corpus of known BLEU: 95 of 100 intervals should hold the value of the
    # whole.
    _, hypotheses, references = noisy_corpus(3000)
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


UNSPACED = {
    "zh": "我喜欢大猫狗。",
    "ja": "犬が庭で走っている。",
    "th": "สุนัขวิ่งอยู่ในสวน",
    "lo": "ໝາແລ່ນຢູ່ໃນສວນ",
    "km": "ឆ្កែរត់ក្នុងសួន",
    "my": "ခွေးသည်ဥယျာဉ်ထဲတွင်ပြေးသည်။",
    "bo": "ཁྱི་རྒྱུགས་བཞིན་འདུག",
    "khb": "ᦂᦱᧉᦐᦲᧉ",
}


@pytest.mark.parametrize("lang", UNSPACED)
def test_text_without_spaces_is_recognised_by_its_script(lang: str) -> None:
    references = [UNSPACED[lang], "OK", UNSPACED[lang] + " Word"]
    for given in ("", "de", "xx"):
        language, notes = scored_language(given, references)
        assert language == lang and len(notes) == 1
    # A language without spaces that the user names is believed.
    assert scored_language("zh-TW", references) == ("zh-TW", [])


@pytest.mark.parametrize(
    "line", ["", "ein Hund läuft", "개가 정원에서 달린다", "собака бежит", "2 + 2"]
)
def test_text_with_spaces_keeps_its_language(line: str) -> None:
    references = [line, line, "我喜欢大猫狗。"]
    assert scored_language("", references) == ("", [])
    assert scored_language("ko", references) == ("ko", [])


def test_a_named_tokenizer_is_used_for_any_script() -> None:
    metrics, notes = build_metrics("", "13a", references=[UNSPACED["zh"]])
    assert metrics["bleu"].metric.tokenizer.signature() == "13a" and not notes


def test_chinese_without_a_language_scores_as_chinese() -> None:
    given = (None, ["我喜欢大猫狗"], [["我喜欢大猫鱼"]])
    named = evaluate_translations(*given, tgt_lang="zh", length_by="reference")
    unnamed = evaluate_translations(*given, length_by="reference")
    assert unnamed.scores == named.scores and len(unnamed.notes) == 1
    assert "'zh'" in unnamed.notes[0] and "tok:zh" in unnamed.scores["bleu"].signature


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


def test_resamples_that_take_long_show_their_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = itertools.count(step=25)  # seconds
    monkeypatch.setattr("mt.progress_display.time.monotonic", lambda: float(next(now)))
    draws = resamples(5, 10)
    assert [int(next(draws).sum()) for _ in range(10)] == [5] * 10
    draws.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 2 and all("of 10 resamples, 0.0 per second" in line for line in lines)
