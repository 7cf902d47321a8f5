"""The form in which text is scored, and notes on text whose scores need an explanation.

References are often stored in decomposed form (macOS, Vietnamese, Indic scripts), while models
write composed characters: equal text must score as equal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

from mt.data.normalisation import is_blank, unescape
from mt.errors import MTError

FORM: Literal["NFC"] = "NFC"
MIN_TOKENISED_LINES = 100  # from how many lines on sacreBLEU takes text for tokenised


def scored_form(line: str) -> str:
    """Return a line in the Unicode form in which both sides are scored."""
    return unicodedata.normalize(FORM, line)


def existing_references(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return references in the form that is scored, with None for those that do not exist.

    `references` holds one list for each reference translation. A blank line of one of several lists
    means that there is no such reference, unless all references of the sentence are blank: then the
    first one is an empty reference.
    """
    sentences = zip(*references, strict=True)
    rows = [
        [None if is_blank(line) else scored_form(line) for line in lines] for lines in sentences
    ]
    for row in rows:
        if all(line is None for line in row):
            row[0] = ""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in references]


def first_references(references: Sequence[Sequence[str]]) -> list[str]:
    """Return the first existing reference of each sentence, or an empty one if there is none."""
    rows = zip(*references, strict=True)
    return [next((line for line in lines if not is_blank(line)), lines[0]) for lines in rows]


def empty_notes(references: Sequence[str]) -> list[str]:
    """Return a note if references are empty; raise MTError if all are: there is nothing to score.

    `references` are those of `first_references`.
    """
    empty = sum(map(is_blank, references))
    if empty == len(references):
        raise MTError(f"all {empty:,} references are empty: check their file")
    if not empty:
        return []
    return [f"{empty:,} of {len(references):,} references are empty: they are scored as they are"]


def text_notes(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], tokenize: str = ""
) -> list[str]:
    """Return notes on all text to score; `tokenize` names BLEU's tokenizer, if one is chosen."""
    notes = reference_notes(references) + _form_notes("outputs", hypotheses)
    return notes + tokenised_notes(hypotheses, references, tokenize)


def reference_notes(references: Sequence[Sequence[str]], model_form: str = FORM) -> list[str]:
    """Return notes on blank lines of several references, on escapes, and on their Unicode form.

    `model_form` is the form that the model writes (data.clean.unicode).
    """
    notes = []
    for number, lines in enumerate(references, start=1):
        name = "references" if len(references) == 1 else f"references {number}"
        blank = sum(map(is_blank, lines)) if len(references) > 1 else 0
        if blank:
            notes.append(
                f"{name}: {blank:,} of {len(lines):,} lines are blank; "
                "these sentences are scored with their other references"
            )
        notes += _form_notes(name, lines)
        escaped = sum(unescape(line) != line for line in lines)
        if escaped:
            notes.append(
                f"{name}: {escaped:,} of {len(lines):,} lines have HTML entities or Moses escapes, "
                "such as &quot;, which a model does not write (data.clean.unescape); scored as "
                "they are"
            )
        other = _count_other_form(lines, model_form) if model_form == "NFKC" else 0
        if other:
            notes.append(
                f"{name}: {other:,} of {len(lines):,} lines are not in Unicode NFKC, which the "
                "model writes (data.clean.unicode): it cannot match them"
            )
    return notes


def tokenised_notes(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], tokenize: str = ""
) -> list[str]:
    """Return a note if outputs or references look tokenised, as sacreBLEU decides it."""
    count = max(sum(line.endswith(" .") for line in lines) for lines in (hypotheses, *references))
    if tokenize == "none" or count < MIN_TOKENISED_LINES:
        return []
    return [
        f'{count:,} lines end in " .", so the text seems to be tokenised: such scores cannot be '
        "compared with those of plain text; detokenise it, or score it as it stands "
        "(--tokenize none of mt-evaluate, tokenize=none of mt-compare)"
    ]


def _form_notes(name: str, lines: Sequence[str]) -> list[str]:
    count = _count_other_form(lines, FORM)
    if not count:
        return []
    return [
        f"{name}: {count:,} of {len(lines):,} lines are not in Unicode {FORM}; scored in {FORM}"
    ]


def _count_other_form(lines: Sequence[str], form: str) -> int:
    return sum(not unicodedata.is_normalized(form, line) for line in lines)  # type: ignore[arg-type]
