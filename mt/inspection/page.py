"""Attention maps to look around in: a piece of HTML with its data, and a page that holds such pieces and all they need."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mt.inspection.attention_kinds import KINDS, default_layer
from mt.inspection.maps import SentenceMap, View

FOLDER = Path(__file__).parent
MAX_CELLS = 10_000_000  # weights on a page: about 25 MB of text, which browsers open in seconds


def attention_fragment(sentences: Sequence[SentenceMap], view: View = View()) -> str:  # noqa: B008  (it cannot change)
    """An element that shows one sentence, kind, layer and head at a time, chosen by the reader; `view` is what it opens with.

    It needs `style()` once on its page, and `script()` once after all fragments. At least one
    sentence.
    """
    return records_fragment([record(sentence) for sentence in sentences], view)


def records_fragment(
    records: Sequence[dict[str, Any]], view: View = View(), label: str = ""
) -> str:  # noqa: B008
    """The same of what `record` made of each sentence; `label` is how those who hear the page know it from others."""
    shapes = {kind: weights["shape"] for kind, weights in records[0]["weights"].items()}
    kind = view.kind if view.kind in shapes else next(iter(shapes))
    data = {
        "kinds": {
            kind: text[0].upper() + text[1:] for kind, text in KINDS.items() if kind in shapes
        },
        "start": {
            "kind": kind,
            "layer": view.layer if isinstance(view.layer, int) else default_layer(shapes[kind][0]),
            "head": view.head if isinstance(view.head, int) else -1,
        },
        "sentences": records,
    }
    named = f' aria-label="{html.escape(label)}"' if label else ""
    return f'<section class="mt-attention"{named}><script type="application/json">{script_json(data)}</script></section>'


def record(sentence: SentenceMap) -> dict[str, Any]:
    """As JSON types. Weights as whole percent, row by row, which keeps files small; gold links as [source, target, 1 if sure]."""
    gold = sentence.gold
    return {
        "name": sentence.name,
        "source": sentence.source,
        "target": sentence.target,
        "weights": {
            kind: {"shape": each.shape, "percent": percent(each)}
            for kind, each in sentence.weights.items()
        },
        "gold": []
        if gold is None
        else [[*link, int(link in gold.sure)] for link in sorted(gold.possible)],
    }


def percent(weights: np.ndarray) -> list[int]:
    """All weights in a row, as whole numbers from 0 to 100."""
    return np.clip(np.rint(100 * weights), 0, 100).astype(int).ravel().tolist()


def script_json(data: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever its strings hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def style() -> str:
    """The CSS of fragments."""
    return (FOLDER / "attention.css").read_text("utf-8")


def script() -> str:
    """The JavaScript of fragments."""
    return (FOLDER / "attention.js").read_text("utf-8")


def page(title: str, body: str, more_style: str = "", more_script: str = "") -> str:
    """A page of `body`, which is HTML, with the style and script of fragments, and more. It loads nothing, and forbids itself to."""
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>
{style()}{more_style}</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
{body}
</main>
<script>
{script()}{more_script}</script>
</body>
</html>
"""
