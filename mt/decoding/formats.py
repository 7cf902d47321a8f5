"""Output formats of translations: lines of text, n-best lists, tables and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mt.data.links import format_links
from mt.data.tags import MARK
from mt.decoding.outputs import Output, Translation

# Legal inside JSON strings, but some tools end a line at them.
LINE_SEPARATORS = re.compile("[\x7f-\x9f\u2028\u2029]")


def format_lines(
    translations: Iterable[Translation], style: str, nbest: int, scores: bool, start: int = 0
) -> Iterator[str]:
    """Yield each translation in the format `style`, "text", "tsv" or "jsonl".

    `nbest`: how many translations of each line were requested. `scores`: put scores before
    translations (text only: all other formats and n-best lists always have them). `start`: number
    of the first line.
    """
    for index, translation in enumerate(translations, start):
        if style == "jsonl":
            yield format_json(index, translation, nbest)
        elif style == "tsv":
            yield format_table(index, translation)
        else:
            yield format_text(index, translation, nbest, scores)


def format_text(index: int, translation: Translation, nbest: int, scores: bool) -> str:
    """Return the translation as one line, or as an n-best list if `nbest` > 1.

    An n-best list has the format of Moses, `index ||| translation ||| score`. Alignments come
    last, as in Marian.
    """
    if nbest > 1:
        return "".join(
            f"{index} ||| {output.text} ||| {output.score:.6f}{_alignment_field(output)}\n"
            for output in translation.outputs
        )
    output = translation.outputs[0]
    score = f"{output.score:.6f}\t" if scores else ""
    return f"{score}{output.text}{_alignment_field(output)}\n"


def format_table(index: int, translation: Translation) -> str:
    """Return a line for each output: index, score, translation and alignment, if requested.

    The fields are separated by tabs, which no translation contains.
    """
    rows = []
    for output in translation.outputs:
        links = [] if output.links is None else [format_links(output.links)]
        rows.append("\t".join([str(index), f"{output.score:.6f}", output.text, *links]) + "\n")
    return "".join(rows)


def _alignment_field(output: Output) -> str:
    """Return the last field of a line, or "" if no alignments were requested.

    An empty alignment still gets its separator, so that all lines have the same number of fields.
    """
    return "" if output.links is None else f" ||| {format_links(output.links)}"


def format_json(index: int, translation: Translation, nbest: int) -> str:
    """Return the translation as one JSON object on a line; the key `nbest` only if `nbest` > 1."""
    sources = [part.source for part in translation.parts]
    records = [_output_record(output, sources) for output in translation.outputs]
    record = {"index": index, "source": translation.source, **records[0]}
    if nbest > 1:
        record["nbest"] = records
    text = json.dumps(record, ensure_ascii=False)
    return LINE_SEPARATORS.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _output_record(output: Output, sources: Sequence[str]) -> dict[str, Any]:
    """Return the fields of an output.

    `alignment` is there only if alignments were requested, `parts` only if the line was split,
    `pieces` and `words` only if the engine tells their log-probabilities; `sources` are the sources
    of the parts.
    """
    omitted = ("links", "parts", "pieces")
    record = {name: value for name, value in vars(output).items() if name not in omitted}
    if output.pieces:
        pieces = ((piece.removeprefix(MARK), log_prob) for piece, log_prob in output.pieces)
        record["pieces"] = [(piece, round(log_prob, 5)) for piece, log_prob in pieces]
        record["words"] = [(word, round(log_prob, 5)) for word, log_prob in output.words]
    if output.links is not None:
        record["alignment"] = format_links(output.links)
    if output.parts:
        record["parts"] = [
            {"source": source, **_output_record(part, ())}
            for source, part in zip(sources, output.parts, strict=True)
        ]
    return record
