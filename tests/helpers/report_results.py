"""Invented results of a comparison for tests of reports, with known numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from helpers.report_attention import BUCKETS, attention_result, sentence_result
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import (
    ConstructionResult,
    DecidedWords,
    FrequencyBand,
    LengthGrouping,
    MeasureDifference,
    MeasureValue,
    Needed,
    Retention,
    ScoreDifference,
    SentenceGroup,
    SystemScore,
    TestResult,
    WordResult,
)
from mt.comparison.schema.systems import (
    Cost,
    FailedRun,
    Hardware,
    Provenance,
    RunResult,
    SystemResult,
    ValidationPoint,
)

BANDS = (("0", 40), ("1", 120), ("2-9", 480), ("10-99", 1800), ("100+", 5200))
SYSTEMS = ("none", "bahdanau", "luong", "transformer")


def results(
    systems: tuple[str, ...] = SYSTEMS, seeds: int = 3, tests: tuple[str, ...] = ("test", "long")
) -> Results:
    """Return results in which each system has 6 BLEU more than the one before it.

    The first system is the baseline. All systems have lower scores on long sentences. The fourth is
    a Transformer, which is still improving.
    """
    return Results(
        title="Which attention?",
        question="Does attention help, and most on long sentences?",
        provenance=Provenance(
            command=["mt-compare", "compare=default", "runs_dir=my runs"],
            date="2026-01-02 03:04 UTC",
            versions={"mt": "0.1.0", "torch": "2.11.0", "python": "3.12.1"},
            commit="0123abc",
            hardware=Hardware("cpu", 2, "Linux"),
            budget="4 minutes a run",
            match_parameters=["bahdanau: model.rnn.hidden=256, -0.8 %"],
            settings={"optim.lr": 0.002, "optim.optimizer": "adamw", "optim.eps": 1e-9},
        ),
        baseline=systems[0],
        lang="de",
        bootstrap=1000,
        notes=["BLEU tokenises by 13a"],
        signatures={
            "bleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.5.1",
            "chrf": "nrefs:1|case:mixed|eff:yes|nc:6",
        },
        systems=[_system(name, at, seeds) for at, name in enumerate(systems)],
        failed=[FailedRun(systems[-1], 9, "runs/compare/x-9", "the loss is not a number")],
        tests=[_test(name, systems, seeds) for name in tests],
        words=[_words(name, at) for at, name in enumerate(systems)],
        attention=[attention_result(name, at) for at, name in enumerate(systems)],
        sentences=[sentence_result(at, systems) for at in range(9)],
    )


def _system(name: str, at: int, seeds: int) -> SystemResult:
    is_transformer = at == 3
    cost = Cost(
        parameters=1_000_000 * (at + 1),
        steps=1000,
        target_tokens=800_000,
        flops=4.2e15 * (at + 1),
        minutes=4.0,
        training_minutes=3.6,
        tokens_per_second=3700.0 - 200 * at,
        peak_memory=700 * 2**20,
        memory_of="process",
        test_sentences=785,
        test_seconds=12.0 + at,
        test_beam=4,
        device="cpu",
        sentences_per_second=785 / (12.0 + at),
    )
    return SystemResult(
        name=name,
        still_improving=is_transformer,
        ignores_source=False,
        bleu_on_other_sentences=0.3,
        parameters=1_000_000 * (at + 1),
        settings={
            "model.decoder": "transformer" if is_transformer else "rnn",
            "model.rnn.attention": name,
        },
        runs=[_run(name, at, seed, cost) for seed in range(1, seeds + 1)],
        cost=cost,
    )


def _run(name: str, at: int, seed: int, cost: Cost) -> RunResult:
    curve = [
        ValidationPoint(
            step=50 * number,
            minutes=0.2 * number,
            target_tokens=40_000 * number,
            bleu=(20 + 6 * at) * number / (number + 4) + seed * 0.3,
            loss=None,
        )
        for number in range(1, 21)
    ]
    minutes_to_bleu = {
        level: next((point.minutes for point in curve if point.bleu >= float(level)), None)
        for level in ("10", "20", "30")
    }
    path = f"runs/compare/{name}-{seed}-0a1b2c"
    return RunResult(path, seed, at == 3, cost, curve, minutes_to_bleu)


def _test(name: str, systems: tuple[str, ...], seeds: int) -> TestResult:
    drop = 6 if name == "test" else 12

    def group(label: str, sentences: int, position: float) -> SentenceGroup:
        return _group(label, sentences, systems, seeds, drop * position, position)

    buckets = [group(label, count, at) for at, (label, count) in enumerate(BUCKETS)]
    overall, short, long = (
        group("all", 785, 1.0),
        group("short 1-20", 530, 0.5),
        group("long 21+", 255, 2.0),
    )
    pairs = [
        _difference(one.system, other.system, one.metric, one.mean - other.mean, 1.9, 785, seeds)
        for metric in ("bleu", "chrf")
        for one, other in combinations([s for s in overall.scores[2:] if s.metric == metric], 2)
    ]
    return TestResult(
        name=name,
        length=LengthGrouping("source", "words", 20),
        overall=overall,
        short=short,
        long=long,
        buckets=[*buckets, SentenceGroup("51+", 0, [], [])],
        pairs=[*pairs, *overall.differences],
        retention=_retention(short, long, systems[0], seeds),
        constructions=[
            _construction(name, count, systems, seeds)
            for name, count in (("passive", 217), ("imperative", 24))
        ],
    )


def _construction(
    name: str, sentences: int, systems: tuple[str, ...], seeds: int
) -> ConstructionResult:
    """Return scores that are lower with the construction, and least so without it."""
    group, others = (
        _group(label, sentences, systems, seeds, drop, 1.0) for label, drop in ((name, 9), ("", 3))
    )
    retention = _retention(others, group, systems[0], seeds)
    retention.pairs = [pair for pair in retention.pairs if pair.other == systems[0]]
    return ConstructionResult(group, 3.5 * sentences, None if sentences < 30 else retention)


def _retention(short: SentenceGroup, long: SentenceGroup, baseline: str, seeds: int) -> Retention:
    """Return shares of BLEU that differ in a pair of systems if they are 20 points apart."""
    scores = []
    for one, other in zip(short.scores, long.scores, strict=True):
        if one.metric == "bleu":
            share = 100 * other.mean / one.mean
            scores.append(replace(other, mean=share, interval=(share - 6, share + 6)))
    variants = [score for score in scores if score.system != baseline]
    pairs = [
        _difference(
            one.system, other.system, "bleu", one.mean - other.mean, 9.0, 785, seeds, least=20
        )
        for one, other in combinations([*variants, scores[0]], 2)
    ]
    return Retention(scores, pairs)


def _group(
    label: str,
    sentences: int,
    systems: tuple[str, ...],
    seeds: int,
    drop: float,
    position: float,
) -> SentenceGroup:
    scores: list[SystemScore] = []
    differences = []
    width = 0.8 + 30 / sentences**0.5
    for at, system in enumerate(systems):
        for metric, base in (("bleu", 20.0), ("chrf", 45.0)):
            mean = max(0.6, base + 6 * at - drop / (1 + at))
            is_bleu = metric == "bleu"
            scores.append(
                SystemScore(
                    system=system,
                    metric=metric,
                    mean=mean,
                    interval=(max(0.0, mean - width), mean + width),
                    values=[mean + 0.3 * (run - (seeds - 1) / 2) for run in range(seeds)],
                    deviation=0.3 if seeds > 1 else None,
                    sentences=sentences,
                    seeds_tested=seeds > 1,
                    small=sentences < 100,
                    details={
                        "precision": mean + 2,
                        "brevity_penalty": 1 - 0.08 * position / (1 + at),
                        "length_ratio": 0.97,
                    }
                    if is_bleu
                    else {},
                )
            )
            if at:
                effect = mean - scores[0 if is_bleu else 1].mean if at > 1 else 0.2
                difference = _difference(
                    system, systems[0], metric, effect, width, sentences, seeds
                )
                difference.p_randomisation = 0.001 if label == "all" else None
                differences.append(difference)
    return SentenceGroup(label, sentences, scores, differences)


def _difference(
    system: str,
    other: str,
    metric: str,
    effect: float,
    width: float,
    sentences: int,
    seeds: int,
    least: float = 1.0,
) -> ScoreDifference:
    differs = abs(effect) > least
    verdict = ("better" if effect > 0 else "worse") if differs else "not distinguishable"
    interval = (effect - width, effect + width)
    return ScoreDifference(
        system=system,
        other=other,
        metric=metric,
        effect=effect,
        interval=interval,
        p=0.0002 if differs else 0.4,
        p_holm=0.0006 if differs else 0.4,
        p_is_bound=differs,
        p_randomisation=None,
        seeds_tested=seeds > 1,
        small=sentences < 100,
        verdict=verdict,
        text=f"{verdict} ({effect:+.1f}, 95 % interval {interval[0]:+.1f} to {interval[1]:+.1f}, "
        "p < 0.001)",
        needed=None if differs else Needed(seeds=14, sentences=None, seeds_tested=True),
    )


def _words(name: str, at: int) -> WordResult:
    def measure(value: float, cases: int = 400) -> MeasureValue:
        effect = 2.0 * at
        difference = MeasureDifference(effect, (effect - 1, effect + 1), 0.01, "better", "better")
        return MeasureValue(
            value,
            [value] * 3,
            (value - 1, value + 1),
            cases,
            cases < 100,
            difference if at else None,
        )

    bands = []
    for place, (label, words) in enumerate(BANDS):
        f1 = min(95.0, 10 + 14 * place + 6 * at)
        precision, recall = measure(f1 + 2, words), measure(f1 - 2, words)
        bands.append(
            FrequencyBand(label, place, None, words, precision, recall, measure(f1, words))
        )
    return WordResult(
        system=name,
        bands=bands,
        repeated=measure(4.0 / (1 + at)),
        immediate=measure(0.5),
        missing=measure(30.0),
        dropped=measure(5.0),
        untranslated=measure(1.0),
        numbers=measure(90.0),
        names=None,
        decided=[
            DecidedWords(
                *(kind, label, low, None, cases),
                measure(95.0 - 3 * low + at, cases),
                measure(97.0 - low, 20 * cases),
            )
            for kind in ("noun", "pronoun")
            for label, low, cases in (("1-3", 1, 300), ("4-7", 4, 60))
        ],
    )


def results_of_files() -> Results:
    """Return results of files of translations: no seeds, costs, curves, words or attention."""
    of_files = results(seeds=1, tests=("test",))
    of_files.title = of_files.question = ""
    of_files.failed, of_files.words, of_files.attention = [], [], []
    of_files.tests[0].constructions = []
    of_files.provenance = Provenance(
        ["mt-compare"], "", {}, None, Hardware("cpu", 2, "Linux"), "", []
    )
    for system in of_files.systems:
        system.cost = system.parameters = None
        system.settings, system.still_improving = {}, False
        for run in system.runs:
            run.seed = run.cost = None
            run.curve, run.minutes_to_bleu, run.still_improving = [], {}, False
    for sentence in of_files.sentences:
        sentence.source = sentence.attention = None
    return of_files
