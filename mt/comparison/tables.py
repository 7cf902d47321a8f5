"""The results of a comparison as Markdown, which is also what the command prints."""

from __future__ import annotations

from typing import Any

from mt.evaluation.lengths import SMALL

NAMES = {"bleu": "BLEU", "chrf": "chrF2", "ter": "TER"}


def markdown(results: dict[str, Any]) -> str:
    """What is known and how surely, the scores, differences, scores by length, how it was made; ends without a newline."""
    results = results | results["tests"][0]  # the headline
    parts = [answer(results), scores_table(results), differences_table(results), lengths_table(results), footnotes(results)]
    return "\n\n".join(part for part in parts if part)


def answer(results: dict[str, Any]) -> str:
    """A sentence for each variant, by BLEU: the comparison in words."""
    names = [system["name"] for system in results["systems"]]
    if len(names) == 1:
        return f"{names[0]}: {_score(find(results['overall']['scores'], names[0], 'bleu'))} BLEU, with nothing to compare it with."
    lines = []
    for found in results["overall"]["differences"]:
        if found["metric"] == "bleu":
            unfinished = [s["name"] for s in results["systems"] if s["unfinished"] and s["name"] in (found["system"], results["baseline"])]
            caveat = f" {' and '.join(unfinished)} still improved when training ended: not worse, but not done." if unfinished else ""
            others = [d for d in results["overall"]["differences"] if d["system"] == found["system"] and d["metric"] != "bleu"]
            against = [NAMES[d["metric"]] for d in others if {d["verdict"], found["verdict"]} == {"better", "worse"}]
            dissent = f" But {' and '.join(against)} says the opposite." if against else ""
            lines.append(f"- **{found['system']}** against {results['baseline']}, by BLEU: {found['text']}.{dissent}{caveat}")
    return "\n".join(lines)


def scores_table(results: dict[str, Any]) -> str:
    """Each system on the whole test set."""
    overall, metrics = results["overall"], list(results["signatures"])
    header = ["system", "runs", *(NAMES[m] for m in metrics), "precision", "BP", "length ratio"]
    rows = []
    for system in results["systems"]:
        scores = {m: find(overall["scores"], system["name"], m) for m in metrics}
        bleu = scores["bleu"]
        label = system["name"] + (" (still improving)" if system["unfinished"] else "")
        made_of = [f"{bleu['precision']:.1f}", f"{bleu['brevity_penalty']:.3f}", f"{bleu['length_ratio']:.3f}"]
        rows.append([label, str(len(system["runs"])), *(_score(scores[m]) for m in metrics), *made_of])
    return table(header, rows)


def differences_table(results: dict[str, Any]) -> str:
    """Each variant minus the baseline."""
    rows = []
    for found in results["overall"]["differences"]:
        low, high = found["interval"]
        randomised = found.get("p_randomisation")
        cells = [f"{found['effect']:+.2f}", f"{low:+.2f} to {high:+.2f}", f"{found['p_holm']:.4f}"]
        cells += ["" if randomised is None else f"{randomised:.4f}", found["verdict"]]
        rows.append([found["system"], NAMES[found["metric"]], *cells])
    header = [f"against {results['baseline']}", "metric", "difference", "95 % interval", "p (Holm)", "p (randomisation)", "verdict"]
    return table(header, rows) if rows else ""


def lengths_table(results: dict[str, Any]) -> str:
    """BLEU of short, of long, and of each length."""
    names = [system["name"] for system in results["systems"]]
    rows = []
    for group in (results["short"], results["long"], *results["buckets"]):
        if group["sentences"]:
            label = group["label"] + ("*" if group["sentences"] < SMALL else "")
            scores = [find(group["scores"], name, "bleu") for name in names]
            rows.append([label, str(group["sentences"]), *(f"{_score(s)}, {s['length_ratio']:.2f}" for s in scores)])
    how = results["length"]
    return table([f"BLEU, length ratio by {how['by']} {how['unit']}", "sentences", *names], rows)


def footnotes(results: dict[str, Any]) -> str:
    lines = []
    if not all(score["seeds_tested"] for score in results["overall"]["scores"]):
        lines.append("Of systems with one run the seed was not tested: their intervals cover the choice of sentences only.")
    if any(0 < group["sentences"] < SMALL for group in (results["short"], results["long"], *results["buckets"])):
        lines.append(f"\\* fewer than {SMALL} sentences: too few for the scores to mean much.")
    lines.append(
        "Intervals are 95 %, over sentences and, where there are several runs, over seeds. p (Holm): paired bootstrap, corrected for the "
        "number of variants. p (randomisation): of these very runs."
    )
    lines += [f"note: {note}" for note in results["notes"]]
    lines += [f"{NAMES[name]}: `{signature}`" for name, signature in results["signatures"].items()]
    return "  \n".join(lines)


def find(scores: list[dict[str, Any]], system: str, metric: str) -> dict[str, Any]:
    return next(score for score in scores if score["system"] == system and score["metric"] == metric)


def _score(score: dict[str, Any]) -> str:
    low, high = score["interval"]
    return f"{score['mean']:.1f} ({low:.1f} - {high:.1f})"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns line up."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
