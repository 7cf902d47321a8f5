"""The comparison in words: the answer in three sentences, a clause for each variant, and what to be wary of."""

from __future__ import annotations

from typing import Any

from mt.comparison.report.lookups import (
    Results,
    counted,
    find,
    groups,
    headline,
    is_small,
    listed,
    metric_title,
    named,
    seeds_tested,
    system_names,
    test_title,
)
from mt.evaluation.lengths import MIN_SENTENCES
from mt.evaluation.metrics import HEADLINE


def answer(results: Results) -> list[str]:
    """Who is better; what length does; how sure that is. Fewer where there is nothing to say."""
    said = [_who(results), _length(results), _surety(results)]
    return [sentence for sentence in said if sentence]


def clauses(results: Results) -> list[tuple[str, str]]:
    """(variant, what is known of it against the baseline by BLEU), with what other metrics and its training say against that."""
    found = []
    differences = headline(results)["overall"]["differences"]
    floor = {system["name"] for system in results["systems"] if system.get("floor")}
    for name in system_names(results):
        bleu = find(differences, name)
        if bleu is None:
            continue
        others = [d for d in differences if d["system"] == name and d["metric"] != HEADLINE]
        against = [
            metric_title(d["metric"])
            for d in others
            if {d["verdict"], bleu["verdict"]} == {"better", "worse"}
        ]
        dissent = (
            f" But {listed(against)} {'say' if len(against) > 1 else 'says'} the opposite."
            if against
            else ""
        )
        unfinished = _unfinished(results, {name, results["baseline"]})
        caveat = (
            f" {listed(unfinished)} still improved when training ended: not worse, but not done."
            if unfinished
            else ""
        )
        if name in floor and results["baseline"] in floor:
            caveat += " Neither left the floor: what tells them apart is not how they translate."
        found.append((name, f"{bleu['text']}.{dissent}{caveat}"))
    return found


def warnings(results: Results) -> list[str]:
    """What a reader must know before believing a figure, the gravest first."""
    found = []
    if failed := results.get("failed"):
        runs = listed(
            [f"{named(run['system'])} (seed {run['seed']}): {run['reason']}" for run in failed]
        )
        found.append(
            f"{counted(len(failed), 'run')} failed and {'is' if len(failed) == 1 else 'are'} in no figure: {runs}."
        )
    if floor := _floor(results):
        it = "they do" if len(floor) > 1 else "it does"
        found.append(
            f"{listed(floor)} never left the floor: what {it} with length or seeds says nothing about the method."
        )
    if unfinished := _unfinished(results, set(system_names(results))):
        verb = "were" if len(unfinished) > 1 else "was"
        found.append(
            f"{listed(unfinished)} {verb} still improving when the budget ended: an unfinished variant is not a worse one."
        )
    if single := [
        named(system["name"]) for system in results["systems"] if len(system["runs"]) == 1
    ]:
        whose = "every system" if len(single) == len(results["systems"]) else listed(single)
        found.append(
            f"Seeds were not tested for {whose} (one run): intervals cover the choice of sentences only."
        )
    few = []
    for test in results["tests"]:
        small = [group["label"] for group in groups(test) if is_small(group)]
        where = f" of the {test_title(test, results)}" if len(results["tests"]) > 1 else ""
        few += [f"{listed(small)}{where}"] if small else []
    if few:
        found.append(
            f"Too few sentences to mean much (under {MIN_SENTENCES}, grey or with a star): {'; '.join(few)}."
        )
    return found


def _who(results: Results) -> str:
    names, test = system_names(results), headline(results)
    overall, baseline = test["overall"], results["baseline"]

    def score(name: str) -> str:
        entry = find(overall["scores"], name)
        return "no score" if entry is None else f"{entry['mean']:.1f}"

    if len(names) == 1:
        sentences = counted(overall["sentences"], "sentence")
        return f"{named(names[0])} reaches {score(names[0])} BLEU on {sentences}, with nothing to compare it with."
    by_verdict: dict[str, list[str]] = {"better": [], "worse": [], "not distinguishable": []}
    for name in names:
        difference = find(overall["differences"], name)
        if difference is not None:
            by_verdict[difference["verdict"]].append(f"{named(name)} ({difference['effect']:+.1f})")
    parts: list[str] = []
    for verdict, said in (
        ("better", "better than"),
        ("worse", "worse than"),
        ("not distinguishable", "not distinguishable from"),
    ):
        if found := by_verdict[verdict]:
            tail = f" {said} {'it' if parts else f'the baseline {named(baseline)} ({score(baseline)})'}"
            parts.append(f"{listed(found)} {'are' if len(found) > 1 else 'is'}{tail}")
    return f"By BLEU on {counted(overall['sentences'], 'sentence')}, {'; '.join(parts)}."


def _length(results: Results) -> str:
    """Who keeps least and most of its BLEU from short to long sentences, and whether it stops early or errs.

    As a share: in points the poorest system loses least, for want of anything to lose.
    """
    test, kept = headline(results), []
    for system in results["systems"]:
        short, long = (
            find(test["short"]["scores"], system["name"]),
            find(test["long"]["scores"], system["name"]),
        )
        if short and long and short["mean"] > 0 and not system.get("floor"):
            kept.append((long["mean"] / short["mean"], named(system["name"]), short, long))
    if not kept:
        return ""
    kept.sort(key=lambda each: each[0])
    share, name, short, long = kept[0]
    limit = f"{test['length']['threshold']} {test['length']['unit']}"
    cause = f", {_why(short, long)}" if share < 1 else ""
    first = f"{short['mean']:.1f} to {long['mean']:.1f} BLEU{cause}"
    if len(kept) == 1:
        return f"From sentences of up to {limit} to longer ones {name} goes from {first}."
    if kept[-1][0] == share:
        every = listed([each[1] for each in kept])
        return f"From sentences of up to {limit} to longer ones {every} keep the same share of their BLEU ({first})."
    _, best, short, long = kept[-1]
    least = f"{name} keeps the smallest share of its BLEU ({first})"
    return f"From sentences of up to {limit} to longer ones {least}, {best} the largest ({short['mean']:.1f} to {long['mean']:.1f})."


def _why(short: dict[str, Any], long: dict[str, Any]) -> str:
    """Precision or brevity: which of BLEU's two factors falls by more."""
    precision = long["precision"] / max(short["precision"], 1e-9)
    brevity = long["brevity_penalty"] / max(short["brevity_penalty"], 1e-9)
    if brevity < precision:
        return f"mostly because it stops early: brevity penalty {long['brevity_penalty']:.2f}"
    return f"mostly because it is wrong: brevity penalty {long['brevity_penalty']:.2f}"


def _surety(results: Results) -> str:
    systems = results["systems"]
    runs = sorted({len(system["runs"]) for system in systems})
    if runs == [1]:
        tested = (
            "One run of each was tested, so that this holds for these runs"
            if len(systems) > 1
            else "One run was tested"
        )
        said = f"{tested}: another seed may say otherwise"
    else:
        number = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        said = f"Intervals are over sentences and {number} seeds of each" + (
            "" if seeds_tested(results) else ", where there are several"
        )
    variants = len(systems) - 1
    said += f"; p-values are corrected for {counted(variants, 'variant')}" if variants > 1 else ""
    unfinished = _unfinished(results, set(system_names(results)))
    said += f"; {listed(unfinished)} had not finished learning" if unfinished else ""
    floor = _floor(results)
    said += (
        f"; {listed(floor)} {'have' if len(floor) > 1 else 'has'} not learned to translate at all"
        if floor
        else ""
    )
    return f"{said}."


def _floor(results: Results) -> list[str]:
    return [named(system["name"]) for system in results["systems"] if system.get("floor")]


def _unfinished(results: Results, among: set[str]) -> list[str]:
    return [
        named(system["name"])
        for system in results["systems"]
        if system["unfinished"] and system["name"] in among
    ]
