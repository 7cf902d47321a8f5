"""The words of each system: rare and frequent ones, repeated and dropped ones, numbers and names: `words` in results.json."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mt.comparison.measures.copying import names_kept, numbers_kept, untranslated_words
from mt.comparison.measures.coverage import dropped_words, repeated_words
from mt.comparison.measures.measure import Measure, evaluate_measures
from mt.comparison.measures.word_accuracy import FrequencyBucket, word_accuracy
from mt.comparison.systems import Material, System, TestSet
from mt.data.word_counts import load_counts
from mt.run_folder import WORD_COUNTS

Counts = dict[str, Counter[str]]  # of the training text, by side: "src" and "tgt"

BAND = ("precision", "recall", "f1")
WITHOUT_SOURCE = ("repeated", "immediate", "missing", "dropped")
WITH_SOURCE = ("untranslated", "numbers", "names")


def words_of(
    material: Material, baseline: str, bootstrap: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """For each system its figures on the first test set, in per cent (`evaluate_measures`); and notes on what is missing."""
    test = material.tests[0]
    counts, notes = training_counts(material.systems)
    if test.sources is None:
        notes.append(
            "no sources are given, so there are no figures of untranslated words, numbers and names"
        )
    measures = plain_measures(test, counts)
    bands: list[FrequencyBucket] = []
    if counts is not None:
        bands, of_bands = band_measures(test, counts["tgt"])
        measures |= of_bands
    found = evaluate_measures(measures, baseline, bootstrap)

    def entry(system: str) -> dict[str, Any]:
        shown = [
            {
                "label": band.label,
                "low": band.low,
                "high": band.high,
                "words": band.recall.denominator,
            }
            | {part: found[f"{part} {index}"][system] for part in BAND}
            for index, band in enumerate(bands)
        ]
        others = {
            name: found[name][system] if name in found else None
            for name in (*WITHOUT_SOURCE, *WITH_SOURCE)
        }
        return {"system": system, "bands": shown, **others}

    return [entry(system) for system in test.hypotheses], notes


def plain_measures(test: TestSet, counts: Counts | None) -> dict[str, Measure]:
    """All but the frequency bands; those that look at the source where there is one."""
    source_counts, target_counts = (
        (None, None) if counts is None else (counts["src"], counts["tgt"])
    )
    repeated = {
        name: [repeated_words(lines, test.references) for lines in runs]
        for name, runs in test.hypotheses.items()
    }
    dropped = {
        name: [dropped_words(lines, test.references, target_counts) for lines in runs]
        for name, runs in test.hypotheses.items()
    }
    found = {
        "repeated": Measure(
            {name: [each.ngrams for each in runs] for name, runs in repeated.items()},
            False,
            most=math.inf,
        ),
        "immediate": Measure(
            {name: [each.immediate for each in runs] for name, runs in repeated.items()},
            False,
            most=math.inf,
        ),
        "missing": Measure(
            {name: [each.missing for each in runs] for name, runs in dropped.items()}, False
        ),
        "dropped": Measure(
            {name: [each.dropped for each in runs] for name, runs in dropped.items()}, False
        ),
    }
    if test.sources is not None:
        sources, references = test.sources, test.references
        copied, numbers, names = (
            {name: [measure(lines) for lines in runs] for name, runs in test.hypotheses.items()}
            for measure in (
                lambda lines: untranslated_words(
                    sources, lines, references, source_counts, target_counts
                ),
                lambda lines: numbers_kept(sources, lines, references),
                lambda lines: names_kept(sources, lines, references),
            )
        )
        found |= {
            "untranslated": Measure(copied, False),
            "numbers": Measure(numbers),
            "names": Measure(names),
        }
    return found


def band_measures(
    test: TestSet, counts: Counter[str]
) -> tuple[list[FrequencyBucket], dict[str, Measure]]:
    """The bands, and "precision 0" for the precision of the first of them, and so on."""
    runs = {
        name: [word_accuracy(lines, test.references, counts) for lines in found]
        for name, found in test.hypotheses.items()
    }
    bands = next(iter(runs.values()))[0]
    measures = {
        f"{part} {index}": Measure(
            {name: [getattr(each[index], part) for each in found] for name, found in runs.items()}
        )
        for index in range(len(bands))
        for part in BAND
    }
    return bands, measures


def training_counts(systems: Sequence[System]) -> tuple[Counts | None, list[str]]:
    """How often each word is in the training text, as the first run has it that has; None where none has. And notes."""
    folders = [
        run.folder.path for system in systems for run in system.runs if run.config is not None
    ]
    having = [
        folder
        for folder in folders
        if all((folder / name).is_file() for name in WORD_COUNTS.values())
    ]
    if not having:
        why = (
            "the runs keep no word counts (they were trained by an earlier version)"
            if folders
            else "files come without a training text"
        )
        return None, [
            f"{why}, so there is no accuracy by frequency in training; function words are those of the references"
        ]
    texts = {(folder / WORD_COUNTS["tgt"]).read_bytes() for folder in having}
    notes = (
        []
        if len(texts) == 1
        else [f"the runs were trained on different text: word frequencies are those of {having[0]}"]
    )
    return {side: load_counts(having[0] / name) for side, name in WORD_COUNTS.items()}, notes
