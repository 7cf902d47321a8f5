"""Word measures of each system: accuracy by frequency, repetition, omission, copying."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from mt.comparison.measures.copying import names_kept, numbers_kept, untranslated_words
from mt.comparison.measures.coverage import dropped_words, repeated_words
from mt.comparison.measures.decided_words import decided_measures, decided_words
from mt.comparison.measures.measure import Measure, evaluate_measures
from mt.comparison.measures.word_accuracy import FrequencyBucket, word_accuracy
from mt.comparison.schema.scores import DecidedWords, FrequencyBand, WordResult
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.systems import ComparisonInput, System, TestSet
from mt.data.word_counts import load_counts
from mt.run_files import WORD_COUNTS
from mt.run_folder import RunFolder

TrainingCounts = dict[str, Counter[str]]  # "src" and "tgt" -> word -> count

ACCURACIES = ("precision", "recall", "f1")  # of each frequency band
SOURCE_MEASURES = ("untranslated", "numbers", "names")


def word_results(
    inputs: ComparisonInput, baseline: str, bootstrap: int
) -> tuple[list[WordResult], list[str]]:
    """Return the word measures of each system on the first test set, and notes on missing ones."""
    test = inputs.tests[0]
    counts, notes = training_counts(inputs.systems)
    if test.sources is None:
        notes.append(
            "no sources are given, "
            "so there are no measures of untranslated words, numbers and names"
        )
    measures = target_measures(test, counts) | source_measures(test, counts)
    decided = decided_words(test)
    measures |= decided_measures(test, decided)
    buckets: list[FrequencyBucket] = []
    if counts is not None:
        buckets, accuracies = accuracy_measures(test, counts["tgt"])
        measures |= accuracies
    values = evaluate_measures(measures, baseline, bootstrap)

    def result(system: str) -> WordResult:
        bands = [
            FrequencyBand(
                label=bucket.label,
                low=bucket.low,
                high=bucket.high,
                words=bucket.recall.denominator,
                **{name: values[f"{name} {index}"][system] for name in ACCURACIES},
            )
            for index, bucket in enumerate(buckets)
        ]
        return WordResult(
            system=system,
            bands=bands,
            repeated=values["repeated"][system],
            immediate=values["immediate"][system],
            missing=values["missing"][system],
            dropped=values["dropped"][system],
            **{name: values[name][system] if name in values else None for name in SOURCE_MEASURES},
            decided=[
                DecidedWords(
                    *(group.kind, group.label, group.low, group.high, group.words),
                    values[group.name][system],
                    values[f"{group.name} others"][system],
                )
                for group in decided
            ],
        )

    return [result(system) for system in test.hypotheses], notes


def target_measures(test: TestSet, counts: TrainingCounts | None) -> dict[str, Measure]:
    """Measure repetition and omission against the references."""
    target_counts = None if counts is None else counts["tgt"]
    runs = test.hypotheses.items()
    repeated = {
        name: [repeated_words(lines, test.references) for lines in outputs]
        for name, outputs in runs
    }
    dropped = {
        name: [dropped_words(lines, test.references, target_counts) for lines in outputs]
        for name, outputs in runs
    }
    ngrams = {name: [each.ngrams for each in values] for name, values in repeated.items()}
    immediate = {name: [each.immediate for each in values] for name, values in repeated.items()}
    return {
        # A loop counts at each turn: such a share may exceed 100 per cent.
        "repeated": Measure(ngrams, False, maximum=math.inf),
        "immediate": Measure(immediate, False, maximum=math.inf),
        "missing": Measure(
            {name: [x.missing for x in each] for name, each in dropped.items()}, False
        ),
        "dropped": Measure(
            {name: [x.dropped for x in each] for name, each in dropped.items()}, False
        ),
    }


def source_measures(test: TestSet, counts: TrainingCounts | None) -> dict[str, Measure]:
    """Measure what is copied from the sources; nothing if the sources are unknown."""
    sources, references = test.sources, test.references
    if sources is None:
        return {}
    both_counts = (None, None) if counts is None else (counts["src"], counts["tgt"])

    def ratios(measure: Callable[[Sequence[str]], Ratio]) -> dict[str, list[Ratio]]:
        return {
            name: [measure(lines) for lines in outputs] for name, outputs in test.hypotheses.items()
        }

    copied = ratios(lambda lines: untranslated_words(sources, lines, references, *both_counts))
    return {
        "untranslated": Measure(copied, False),
        "numbers": Measure(ratios(lambda lines: numbers_kept(sources, lines, references))),
        "names": Measure(ratios(lambda lines: names_kept(sources, lines, references))),
    }


def accuracy_measures(
    test: TestSet, counts: Counter[str]
) -> tuple[list[FrequencyBucket], dict[str, Measure]]:
    """Return the frequency buckets, and their measures: "precision 0" for that of the first."""
    runs = {
        name: [word_accuracy(lines, test.references, counts) for lines in outputs]
        for name, outputs in test.hypotheses.items()
    }
    buckets = next(iter(runs.values()))[0]
    measures = {
        f"{accuracy} {index}": Measure(
            {
                name: [getattr(run[index], accuracy) for run in per_run]
                for name, per_run in runs.items()
            }
        )
        for index in range(len(buckets))
        for accuracy in ACCURACIES
    }
    return buckets, measures


def training_counts(systems: Sequence[System]) -> tuple[TrainingCounts | None, list[str]]:
    """Return word frequencies of the training text from the first run that has them, and notes.

    None if no run has them.
    """
    folders = [
        run.folder.path for system in systems for run in system.runs if run.config is not None
    ]
    with_counts = [
        folder
        for folder in folders
        if all((folder / name).is_file() for name in WORD_COUNTS.values())
    ]
    if not with_counts:
        reason = (
            "the runs have no word counts (an earlier version of mt trained them)"
            if folders
            else "files come without a training text"
        )
        return None, [
            f"{reason}, so there is no accuracy by frequency in training;"
            " function words are those of the references"
        ]
    first = with_counts[0]
    for folder in with_counts:
        for name in WORD_COUNTS.values():
            RunFolder(folder).check(folder / name)
    texts = {(folder / WORD_COUNTS["tgt"]).read_bytes() for folder in with_counts}
    notes = []
    if len(texts) > 1:
        notes.append(
            f"the runs were trained on different text: word frequencies are those of {first}"
        )
    return {side: load_counts(first / name) for side, name in WORD_COUNTS.items()}, notes
