"""The comparison in words: conclusions, a verdict for each variant, and warnings."""

from __future__ import annotations

from collections.abc import Sequence

from mt.comparison.report.queries import (
    IGNORES_SOURCE,
    STILL_IMPROVING,
    describe_test,
    find_entry,
    find_pair,
    has_different_choices,
    headline_test,
    is_distinguishable,
    is_small,
    metric_title,
    nonempty_groups,
    system_groups,
    system_names,
)
from mt.comparison.report.text import (
    count_noun,
    format_interval,
    format_p,
    in_brackets,
    join_words,
    quote_name,
)
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import ScoreDifference
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import HEADLINE


def conclusions(results: Results) -> list[str]:
    """Return up to four sentences: which systems are better, by length, and how certain it is.

    They state no order that is not significant.
    """
    sentences = [
        _ranking(results),
        _groups(results),
        _effect_of_length(results),
        _certainty(results),
    ]
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
        if opposed := _opposed_metrics(differences, bleu):
            verb = "says" if len(opposed) == 1 else "say"
            sentences.append(f"But {join_words(opposed)} {verb} the opposite.")
        if {name, results.baseline} <= _ignoring_source(results):
            sentences.append(
                "Both systems ignore their source, so this is not a difference in how well they "
                "translate."
            )
        verdicts.append((name, " ".join(sentences)))
    return verdicts


def verdict_words(difference: ScoreDifference) -> str:
    """Return the verdict of a table, limited to these runs if a side has only one."""
    limited = is_distinguishable(difference) and not difference.seeds_tested
    return difference.verdict + (" (these runs)" if limited else "")


def warnings(results: Results) -> list[str]:
    """Return what readers must know before they rely on the results, most serious first."""
    names = system_names(results)
    warnings = []
    if failed := results.failed:
        runs = [f"{quote_name(run.system)} (seed {run.seed}): {run.reason}" for run in failed]
        verb = "is" if len(failed) == 1 else "are"
        warnings.append(
            f"{count_noun(len(failed), 'run')} failed and {verb} not in the results: "
            f"{join_words(runs)}."
        )
    trials = [
        f"{quote_name(tuned.system)} ({', '.join(trial.settings)}): {trial.failure}"
        for tuned in results.tuning
        for trial in tuned.trials
        if trial.failure
    ]
    if trials:
        warnings.append(
            f"{count_noun(len(trials), 'trial')} failed, so that validation chose among fewer "
            f"settings: {join_words(trials)}."
        )
    if has_different_choices(results):
        warnings.append(
            "Validation chose different settings for different systems, which is partly chance "
            "that intervals and p-values do not cover: see Tuning."
        )
    if ignoring := [quote_name(name) for name in names if name in _ignoring_source(results)]:
        verb, their = ("ignores", "its") if len(ignoring) == 1 else ("ignore", "their")
        warnings.append(
            f"{IGNORES_SOURCE} {join_words(ignoring)} {verb} {their} source: {their} results by "
            "length or by seed say nothing about the method."
        )
    pairs = headline_test(results).pairs
    for pair in [pair for pair in pairs if pair.metric == HEADLINE]:
        same = [each for each in pairs if (each.system, each.other) == (pair.system, pair.other)]
        if all((each.effect, *each.interval) == (0, 0, 0) for each in same):
            warnings.append(
                f"The outputs of {quote_name(pair.system)} and {quote_name(pair.other)} are "
                "identical, or score as if they were: is one a copy of the other?"
            )
    if improving := _still_improving(results):
        were, their = ("was", "its") if len(improving) == 1 else ("were", "their")
        warnings.append(
            f"{STILL_IMPROVING} {join_words(improving)} {were} still improving when the budget "
            f"ended: in the second half of training {their} loss fell by 0.01 and 1 % or more, "
            f"or {their} BLEU rose by 0.5 points and 3 % or more. This compares what was learned "
            "with this budget, not what longer training would reach."
        )
    if single := [quote_name(s.name) for s in results.systems if len(s.runs) == 1]:
        systems = "every system" if len(single) == len(results.systems) else join_words(single)
        warnings.append(
            f"Only one run of {systems}: its intervals and p-values cover the choice of sentences, "
            "not of seeds, so they are about these runs. Seeds often change BLEU by more: other "
            "runs of the same systems may give another result."
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
    names, overall = system_names(results), headline_test(results).overall

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
    baseline = f"the baseline {quote_name(results.baseline)} ({score(results.baseline)})"
    ignoring = _ignoring_source(results)
    for verdict, relation in (
        ("better", "better than"),
        ("worse", "worse than"),
        ("not distinguishable", "not distinguishable from"),
        ("", ""),  # not comparable: both ignore their source
    ):
        differences = [
            difference
            for name in names
            if (difference := find_entry(overall.differences, name)) is not None
            and verdict == ("" if {name, results.baseline} <= ignoring else difference.verdict)
        ]
        if not differences:
            continue
        labels = []
        for each in differences:
            opposed = _opposed_metrics(overall.differences, each)
            opposite = "worse" if verdict == "better" else "better"
            but = f", but {opposite} by {join_words(opposed)}" if verdict and opposed else ""
            labels.append(f"{quote_name(each.system)} ({each.effect:+.1f}{but})")
        other = "it" if clauses else baseline
        if not verdict:
            both = join_words([*labels, other])
            clauses.append(f"{both} ignore their source: no conclusion")
            continue
        variants = join_words(labels)
        verb = "is" if len(differences) == 1 else "are"
        if not all(difference.seeds_tested for difference in differences):
            variants, verb = f"these runs of {variants}", "are"
            other = "those of it" if clauses else f"those of {baseline}"
        clauses.append(f"{variants} {verb} {relation} {other}")
    budget = ", with this budget" if _still_improving(results) else ""
    return f"By BLEU on {sentences}{budget}, {'; '.join(clauses)}."


def _groups(results: Results) -> str:
    """Say which of three or more systems cannot be told apart, and which orders mean nothing."""
    names, pairs = system_names(results), headline_test(results).pairs
    if len(names) < 3:
        return ""
    qualified = ""
    ignoring = [quote_name(name) for name in names if name in _ignoring_source(results)]
    if len(ignoring) > 1:
        qualified += (
            f" Among {join_words(ignoring)}, which ignore their source, this means nothing."
        )
    opposed = [
        f"{quote_name(pair.system)} and {quote_name(pair.other)}"
        for pair in pairs
        if pair.metric == HEADLINE and _opposed_metrics(pairs, pair)
    ]
    if opposed:
        qualified += f" Another metric says the opposite of {'; '.join(opposed)}."
    groups = [
        join_words([quote_name(name) for name in group])
        for group in system_groups(results, headline_test(results))
        if len(group) > 1
    ]
    if not groups:
        return f"All pairs of systems differ significantly.{qualified}"
    if len(groups) == 1 and all(quote_name(name) in groups[0] for name in names):
        return "No two systems differ significantly."
    apart = f"Not to be told apart: {'; '.join(groups)}."
    return f"{apart} Every other pair differs significantly.{qualified}"


def _effect_of_length(results: Results) -> str:
    """Say which systems keep less of their BLEU on long sentences than others, if any do.

    It is a share because in points the system with the lowest score would lose least.
    """
    test = headline_test(results)
    if test.retention is None:
        return ""
    ignoring = _ignoring_source(results)
    shares = {
        score.system: score
        for score in sorted(test.retention.scores, key=lambda score: score.mean)
        if score.system not in ignoring
    }
    if not shares:
        return ""
    longer = f"sentences of more than {test.length.threshold} {test.length.unit}"

    def share(name: str) -> str:
        score = shares[name]
        return f"{score.mean:.0f} %{in_brackets(format_interval(score.interval, 0))}"

    for name in shares:
        pairs = [
            (other, pair)
            for other in shares
            if shares[other].mean > shares[name].mean
            and (pair := find_pair(test.retention.pairs, name, other))
            and is_distinguishable(pair)
        ]
        if not pairs:
            continue
        others = [f"{quote_name(other)} ({shares[other].mean:.0f} %)" for other, _ in pairs]
        weakest = max((pair for _, pair in pairs), key=lambda pair: pair.p_holm)
        p = format_p(weakest.p_holm, weakest.p_is_bound)
        p = p if p[0] == "<" else f"= {p}"
        on = "On" if all(pair.seeds_tested for _, pair in pairs) else "In these runs, on"
        return (
            f"{on} {longer}, {quote_name(name)} keeps {share(name)} of its BLEU on shorter ones, "
            f"less than {join_words(others)}; p {p}."
        )
    if len(shares) == 1:
        return f"On {longer}, {quote_name(name)} keeps {share(name)} of its BLEU on shorter ones."
    ranges = join_words([f"{quote_name(name)} {share(name)}" for name in shares])
    all_of_them = len(shares) == len(results.systems)  # others may differ: they are not shown
    return (
        f"On {longer}, no two {'' if all_of_them else 'of these '}systems differ significantly in "
        f"how much of their BLEU on shorter ones they keep: {ranges}."
    )


def _certainty(results: Results) -> str:
    """Say what intervals and p-values cover, unless a warning does."""
    runs = sorted({len(system.runs) for system in results.systems})
    if runs == [1]:
        return ""
    number = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    parts = [f"Intervals cover sentences and {number} seeds of each system"]
    if runs[0] == 1:
        parts[0] += ", seeds only where a system has several runs"
    if (systems := len(results.systems)) > 2:
        pairs = systems * (systems - 1) // 2
        parts.append(f"p-values are corrected for all {pairs} pairs")
    return f"{'; '.join(parts)}."


def _ignoring_source(results: Results) -> set[str]:
    return {system.name for system in results.systems if system.ignores_source}


def _opposed_metrics(differences: Sequence[ScoreDifference], bleu: ScoreDifference) -> list[str]:
    """Return the metrics by which the same difference is significant in the other direction."""
    return [
        metric_title(each.metric)
        for each in differences
        if (each.system, each.other) == (bleu.system, bleu.other)
        and {each.verdict, bleu.verdict} == {"better", "worse"}
    ]


def _still_improving(results: Results) -> list[str]:
    return [quote_name(system.name) for system in results.systems if system.still_improving]
