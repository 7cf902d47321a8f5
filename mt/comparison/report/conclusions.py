"""The comparison in words: conclusions, a verdict for each variant, and warnings."""

from __future__ import annotations

from mt.comparison.report.queries import (
    all_have_several_runs,
    describe_test,
    find_entry,
    headline_test,
    is_small,
    metric_title,
    nonempty_groups,
    system_names,
)
from mt.comparison.report.text import count_noun, join_words, quote_name
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import SystemScore
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import HEADLINE


def conclusions(results: Results) -> list[str]:
    """Return up to three sentences: which systems are better, by length, and how certain it is."""
    sentences = [_ranking(results), _effect_of_length(results), _certainty(results)]
    return [sentence for sentence in sentences if sentence]


def verdicts(results: Results) -> list[tuple[str, str]]:
    """Return (variant, its difference from the baseline in BLEU, with what qualifies it)."""
    verdicts = []
    differences = headline_test(results).overall.differences
    for name in system_names(results):
        bleu = find_entry(differences, name)
        if bleu is None:
            continue
        sentences = [f"{bleu.text}."]
        opposed = [
            metric_title(difference.metric)
            for difference in differences
            if difference.system == name
            and difference.metric != HEADLINE
            and {difference.verdict, bleu.verdict} == {"better", "worse"}
        ]
        if opposed:
            verb = "says" if len(opposed) == 1 else "say"
            sentences.append(f"But {join_words(opposed)} {verb} the opposite.")
        if improving := _still_improving(results, {name, results.baseline}):
            sentences.append(
                f"{join_words(improving)} {_were(improving)} still improving when training ended: "
                "longer training may change this."
            )
        if len(_ignoring_source(results, {name, results.baseline})) == 2:
            sentences.append(
                "Both systems ignore their source, so this is not a difference in how well they "
                "translate."
            )
        verdicts.append((name, " ".join(sentences)))
    return verdicts


def warnings(results: Results) -> list[str]:
    """Return what readers must know before they rely on the results, most serious first."""
    names = set(system_names(results))
    warnings = []
    if failed := results.failed:
        runs = [f"{quote_name(run.system)} (seed {run.seed}): {run.reason}" for run in failed]
        verb = "is" if len(failed) == 1 else "are"
        warnings.append(
            f"{count_noun(len(failed), 'run')} failed and {verb} not in the results: "
            f"{join_words(runs)}."
        )
    if ignoring := _ignoring_source(results, names):
        verb, their = ("ignores", "its") if len(ignoring) == 1 else ("ignore", "their")
        warnings.append(
            f"{join_words(ignoring)} {verb} {their} source: {their} results by length or by seed "
            "say nothing about the method."
        )
    if improving := _still_improving(results, names):
        warnings.append(
            f"{join_words(improving)} {_were(improving)} still improving when the budget ended: "
            "a low score does not mean that the variant is worse."
        )
    if single := [quote_name(s.name) for s in results.systems if len(s.runs) == 1]:
        systems = "every system" if len(single) == len(results.systems) else join_words(single)
        warnings.append(
            f"Only one run of {systems}: intervals cover the choice of sentences, not of seeds."
        )
    small = []
    for test in results.tests:
        labels = [group.label for group in nonempty_groups(test) if is_small(group)]
        described = describe_test(test, results)
        if labels:
            small.append(join_words(labels) + (f" of the {described}" if described else ""))
    if small:
        warnings.append(
            f"Too few sentences to mean much (under {MIN_SENTENCES}; grey or with a star): "
            f"{'; '.join(small)}."
        )
    return warnings


def _ranking(results: Results) -> str:
    names, overall, baseline = (
        system_names(results),
        headline_test(results).overall,
        results.baseline,
    )

    def score(name: str) -> str:
        entry = find_entry(overall.scores, name)
        return "no score" if entry is None else f"{entry.mean:.1f}"

    sentences = count_noun(overall.sentences, "sentence")
    if len(names) == 1:
        return (
            f"{quote_name(names[0])} reaches {score(names[0])} BLEU on {sentences}, with nothing "
            "to compare it with."
        )
    clauses: list[str] = []
    for verdict, relation in (
        ("better", "better than"),
        ("worse", "worse than"),
        ("not distinguishable", "not distinguishable from"),
    ):
        variants = [
            f"{quote_name(difference.system)} ({difference.effect:+.1f})"
            for name in names
            if (difference := find_entry(overall.differences, name)) is not None
            and difference.verdict == verdict
        ]
        if variants:
            verb = "is" if len(variants) == 1 else "are"
            other = "it" if clauses else f"the baseline {quote_name(baseline)} ({score(baseline)})"
            clauses.append(f"{join_words(variants)} {verb} {relation} {other}")
    return f"By BLEU on {sentences}, {'; '.join(clauses)}."


def _effect_of_length(results: Results) -> str:
    """Say which systems retain the smallest and the largest fraction of BLEU on long sentences.

    It is a fraction because in points the system with the lowest score would lose least.
    """
    test = headline_test(results)
    retained = []  # (fraction, system, short, long)
    for system in results.systems:
        short = find_entry(test.short.scores, system.name)
        long = find_entry(test.long.scores, system.name)
        if short and long and short.mean > 0 and not system.ignores_source:
            retained.append((long.mean / short.mean, quote_name(system.name), short, long))
    if not retained:
        return ""
    retained.sort(key=lambda entry: entry[0])
    (lowest, name, short, long), (highest, best, best_short, best_long) = retained[0], retained[-1]
    begin = f"From sentences of up to {test.length.threshold} {test.length.unit} to longer ones, "
    change = f"{short.mean:.1f} to {long.mean:.1f} BLEU"
    change += f", {_cause(short, long)}" if lowest < 1 else ""
    if len(retained) == 1:
        return f"{begin}{name} goes from {change}."
    if lowest == highest:
        names = join_words([name for _, name, _, _ in retained])
        return f"{begin}{names} retain the same fraction of their BLEU ({change})."
    return (
        f"{begin}{name} retains the smallest fraction of its BLEU ({change}), {best} the largest "
        f"({best_short.mean:.1f} to {best_long.mean:.1f})."
    )


def _cause(short: SystemScore, long: SystemScore) -> str:
    """Say which of BLEU's two factors drops by more."""
    assert short.precision is not None and long.precision is not None
    assert short.brevity_penalty is not None and long.brevity_penalty is not None
    precision = long.precision / max(short.precision, 1e-9)
    brevity = long.brevity_penalty / max(short.brevity_penalty, 1e-9)
    cause = "translations are too short" if brevity < precision else "precision drops"
    return f"mostly because {cause}: brevity penalty {long.brevity_penalty:.2f}"


def _certainty(results: Results) -> str:
    systems, names = results.systems, set(system_names(results))
    runs = sorted({len(system.runs) for system in systems})
    if runs == [1]:
        scope = (
            "Each system has one run, so this holds for these runs only"
            if len(systems) > 1
            else "It has one run"
        )
        parts = [f"{scope}: another seed may give another result"]
    else:
        number = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        parts = [f"Intervals cover sentences and {number} seeds of each system"]
        if not all_have_several_runs(results):
            parts[0] += ", seeds only where a system has several runs"
    if len(systems) > 2:
        parts.append(f"p-values are corrected for {count_noun(len(systems) - 1, 'variant')}")
    if improving := _still_improving(results, names):
        parts.append(f"{join_words(improving)} {_were(improving)} still improving at the end")
    if ignoring := _ignoring_source(results, names):
        verb, their = ("ignores", "its") if len(ignoring) == 1 else ("ignore", "their")
        parts.append(
            f"{join_words(ignoring)} {verb} {their} source, having not learned to translate"
        )
    return f"{'; '.join(parts)}."


def _ignoring_source(results: Results, names: set[str]) -> list[str]:
    return [quote_name(s.name) for s in results.systems if s.ignores_source and s.name in names]


def _still_improving(results: Results, names: set[str]) -> list[str]:
    return [quote_name(s.name) for s in results.systems if s.still_improving and s.name in names]


def _were(systems: list[str]) -> str:
    return "was" if len(systems) == 1 else "were"
