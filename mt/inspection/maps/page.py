"""Attention maps as HTML: fragments for any page, and a page that needs no other file."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mt.inspection.attention_kinds import KINDS, alignment_layer
from mt.inspection.maps.sentence_map import SentenceMap, View

FOLDER = Path(__file__).parent
MAX_PAGE_WEIGHTS = 10_000_000  # about 25 MB of text, which browsers open in seconds
DEFAULT_VIEW = View()
MEAN_HEAD = -1  # stands for the mean of the heads in attention.js


def attention_fragment(sentences: Sequence[SentenceMap], view: View = DEFAULT_VIEW) -> str:
    """Return an HTML element that shows one sentence, kind, layer and head at a time.

    The reader selects them; `view` is the initial selection. The page must have `style()` once, and
    `script()` once after all fragments. There must be at least one sentence.
    """
    return records_fragment([sentence_record(sentence) for sentence in sentences], view)


def records_fragment(
    records: Sequence[dict[str, Any]], view: View = DEFAULT_VIEW, label: str = ""
) -> str:
    """Return `attention_fragment` of the results of `sentence_record`.

    `label` names the element for screen readers.
    """
    shapes = {kind: weights["shape"] for kind, weights in records[0]["weights"].items()}
    kind = view.kind if view.kind in shapes else next(iter(shapes))
    layer = view.layer if isinstance(view.layer, int) else alignment_layer(shapes[kind][0])
    head = view.head if isinstance(view.head, int) else MEAN_HEAD
    titles = {name: text[0].upper() + text[1:] for name, text in KINDS.items() if name in shapes}
    start = {"kind": kind, "layer": layer, "head": head}
    data = {"kinds": titles, "start": start, "sentences": records}
    return _render("fragment.html.j2", {"label": label}, {"data": script_json(data)})


def sentence_record(sentence: SentenceMap) -> dict[str, Any]:
    """Convert a map to JSON types.

    Weights are whole per cent, row by row, which keeps files small. A gold link is [source, target,
    1 if sure].
    """
    gold = [] if sentence.gold is None else sorted(sentence.gold.possible)
    sure = set() if sentence.gold is None else sentence.gold.sure
    return {
        "name": sentence.name,
        "source": sentence.source,
        "target": sentence.target,
        "weights": {
            kind: {"shape": weights.shape, "percent": to_percent(weights)}
            for kind, weights in sentence.weights.items()
        },
        "gold": [[*link, int(link in sure)] for link in gold],
    }


def to_percent(weights: np.ndarray) -> list[int]:
    """Flatten weights and round them to whole numbers from 0 to 100."""
    return np.clip(np.rint(100 * weights), 0, 100).astype(int).ravel().tolist()


def script_json(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in, whatever its strings hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def style() -> str:
    """Return the CSS of fragments."""
    return (FOLDER / "attention.css").read_text("utf-8")


def script() -> str:
    """Return the JavaScript of fragments."""
    return (FOLDER / "attention.js").read_text("utf-8")


def page(title: str, body: str, more_style: str = "", more_script: str = "") -> str:
    """Return a page with the style and script of fragments.

    `body` is HTML; `more_style` and `more_script` are appended. The page loads nothing, and its
    content security policy forbids it to.
    """
    # Formatting yields plain strings; `+` would escape one that is added to markup.
    trusted = {
        "body": body,
        "style": f"{style()}{more_style}",
        "script": f"{script()}{more_script}",
    }
    return _render("page.html.j2", {"title": title}, trusted) + "\n"


def _render(template: str, texts: dict[str, str], trusted: dict[str, str]) -> str:
    """Render a template of this folder; `texts` are escaped, `trusted` markup is not."""
    from markupsafe import Markup

    markup = {name: Markup(text) for name, text in trusted.items()}
    return _environment().get_template(template).render(**texts, **markup)


@functools.cache
def _environment() -> Any:
    # Imported here because translation without maps does not need Jinja.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
