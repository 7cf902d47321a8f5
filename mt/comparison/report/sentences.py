"""The sentence browser: outputs side by side, where they differ from the reference, to sort and to filter (sentences.js)."""

from __future__ import annotations

from html import escape
from typing import Any

from mt.comparison.report.lookups import Results, styles, system_names
from mt.comparison.report.svg import legend_key


def browser(results: Results) -> str:
    """All sentences as cards, with the controls; nothing where there are no sentences. It can be read without its script."""
    sentences = results.get("sentences") or []
    if not sentences:
        return ""
    names = system_names(results)
    orders = [
        ("spread", "systems differ most"),
        ("length", "length"),
        ("index", "place in the test set"),
    ]
    orders += [(f"score{i}", f"score of {name}") for i, name in enumerate(names)]
    options = "".join(f'<option value="{key}">{escape(text)}</option>' for key, text in orders)
    cards = "".join(_card(each, names, styles(results)) for each in sentences)
    return (
        '<div class="browser"><div class="tools" hidden>'
        f'<label>Sort by<select class="order">{options}</select></label>'
        '<label>Order<select class="direction"><option value="-1">highest first</option><option value="1">lowest first</option>'
        "</select></label>"
        '<label class="wide">Find<input class="find" type="search" placeholder="a word"></label>'
        '<p class="count" role="status"></p></div>'
        '<p class="note">Scores are chrF2 of the sentence. <mark>Marked</mark>: not as in the reference; '
        "<del>struck</del>: in the reference, and missing here.</p>"
        f'<ol class="cards">{cards}</ol><button class="more" type="button" hidden>Show more</button></div>'
    )


def _card(sentence: dict[str, Any], names: list[str], signs: dict[str, int]) -> str:
    text = sentence["source"] if sentence["source"] is not None else sentence["reference"]
    scores = " ".join(
        f'data-score{i}="{sentence["scores"][name]:.2f}"'
        for i, name in enumerate(names)
        if name in sentence["scores"]
    )
    given = {name: sentence[name] for name in ("source", "reference") if sentence[name] is not None}
    rows = [
        f'<p class="line"><span class="who">{name}</span><span class="text" dir="auto">{escape(each)}</span></p>'
        for name, each in given.items()
    ]
    for name in names:
        if name in sentence["outputs"]:
            score = sentence["scores"].get(name)
            said = "" if score is None else f'<span class="score">{score:.0f}</span>'
            rows.append(
                f'<p class="line output"><span class="who">{legend_key(signs[name])}{escape(name)}{said}</span>'
                f'<span class="text" dir="auto">{difference(sentence, name)}</span></p>'
            )
    orders = f'data-index="{sentence["index"]}" data-spread="{sentence["spread"]:.2f}" data-length="{len(text.split())}" {scores}'
    return (
        f'<li class="card" {orders}>'
        f'<p class="where">sentence {sentence["index"] + 1} <span>differ by {sentence["spread"]:.0f}</span></p>{"".join(rows)}</li>'
    )


def difference(sentence: dict[str, Any], name: str) -> str:
    """An output with what is not as in the reference marked, and what is missing struck through."""
    parts = []
    for equal, ours, theirs in (sentence.get("diff") or {}).get(name) or [
        [True, sentence["outputs"][name], ""]
    ]:
        if equal:
            parts.append(escape(ours))
        elif ours.strip():
            space = " " if ours.endswith(" ") else ""
            title = (
                f' title="reference: {escape(theirs.strip())}"'
                if theirs.strip()
                else ' title="not in the reference"'
            )
            parts.append(f"<mark{title}>{escape(ours.rstrip())}</mark>{space}")
        elif theirs.strip():
            before = "" if not parts or parts[-1].endswith(" ") else " "
            parts.append(f"{before}<del>{escape(theirs.strip())}</del> ")
    return "".join(parts) or '<em class="nothing">nothing</em>'
