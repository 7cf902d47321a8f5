"""Sentences on which systems differ, with all outputs."""

from __future__ import annotations

from mt.comparison.report.blocks import DiffPart, Output, Section, SentenceBrowser, SentenceCard
from mt.comparison.report.queries import system_names
from mt.comparison.schema.results import DiffSegment, Results, SentenceResult
from mt.data.scripts import count_units


def sentences(results: Results) -> Section:
    """Show outputs side by side; in the page only."""
    systems = system_names(results)
    browser = SentenceBrowser(systems, [_card(s, systems) for s in results.sentences])
    return Section(
        "sentences",
        "Sentences on which systems differ most",
        [browser] if results.sentences else [],
        short_title="Sentences",
    )


def _card(sentence: SentenceResult, systems: list[str]) -> SentenceCard:
    source = {} if sentence.source is None else {"source": sentence.source}
    return SentenceCard(
        index=sentence.index,
        length=count_units(sentence.source or sentence.reference),
        spread=sentence.spread,
        texts={**source, "reference": sentence.reference},
        outputs=[
            Output(name, sentence.scores[name], diff_parts(sentence.diff[name])) for name in systems
        ],
    )


def diff_parts(segments: list[DiffSegment]) -> list[DiffPart]:
    """Split an output into what is as in the reference, what is not, and what is missing."""
    parts: list[DiffPart] = []
    for segment in segments:
        output, reference = segment.output, segment.reference.strip()
        if segment.equal:
            parts.append(DiffPart("same", output))
        elif output.strip():
            tooltip = f"reference: {reference}" if reference else "not in the reference"
            parts.append(DiffPart("different", output.rstrip(), tooltip))
            parts += [DiffPart("same", " ")] if output.endswith(" ") else []
        elif reference:
            needs_space = parts and not parts[-1].text.endswith(" ")
            parts += [DiffPart("same", " ")] if needs_space else []
            parts += [DiffPart("missing", reference), DiffPart("same", " ")]
    return [part for part in parts if part.text]
