"""The attention maps of several systems on the same sentence, side by side (pairs.js)."""

from __future__ import annotations

from html import escape
from typing import Any

from mt.comparison.report.lookups import Results, system_names
from mt.inspection.page import records_fragment


def map_records(results: Results) -> dict[str, list[dict[str, Any]]]:
    """system -> the maps of the sentences that all its fellows have too, in one order; nothing of systems that do not attend."""
    shown = [sentence for sentence in results.get("sentences") or [] if sentence.get("attention")]
    attending = [
        name
        for name in system_names(results)
        if any(sentence["attention"].get(name) for sentence in shown)
    ]
    shown = [
        sentence for sentence in shown if all(sentence["attention"].get(name) for name in attending)
    ]
    return (
        {name: [_named(sentence, name) for sentence in shown] for name in attending}
        if shown
        else {}
    )


def maps(results: Results) -> str:
    """Two systems at a time, stepping through sentences together; without a choice where there are no more than two."""
    records = map_records(results)
    if not records:
        return ""
    names = list(records)
    choices = ""
    if len(names) > 2:
        for side, chosen in (("left", 0), ("right", len(names) - 1)):
            options = "".join(
                f'<option value="{at}"{" selected" if at == chosen else ""}>{escape(name)}</option>'
                for at, name in enumerate(names)
            )
            choices += (
                f'<label>{side.capitalize()}<select class="{side}">{options}</select></label>'
            )
        choices = f'<div class="tools">{choices}</div>'
    panes = "".join(
        f'<div class="pane" data-system="{at}"><h4>{escape(name)}</h4>{records_fragment(records[name], label=f"attention of {name}")}</div>'
        for at, name in enumerate(names)
    )
    return f'<h3 id="maps">Where they look</h3><div class="maps" data-count="{len(names)}">{choices}<div class="panes">{panes}</div></div>'


def _named(sentence: dict[str, Any], name: str) -> dict[str, Any]:
    return {**sentence["attention"][name], "name": str(sentence["index"] + 1)}
