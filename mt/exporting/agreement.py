"""Does an exported model translate as the model that it was made from?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.decoding.translator import Translator
from mt.evaluation.metrics import HEADLINE, build_metrics


@dataclass(frozen=True)
class Agreement:
    """Of two translators on the same sentences."""

    sentences: int
    identical: int  # outputs that are the same, character by character
    bleu: float  # of the first
    exported_bleu: float

    def line(self) -> str:
        share = 100 * self.identical / self.sentences
        return (
            f"{self.sentences:,} sentences: {share:.1f} % of the outputs identical, "
            f"BLEU {self.bleu:.2f} as trained, {self.exported_bleu:.2f} exported ({self.exported_bleu - self.bleu:+.2f})"
        )


def compare(
    original: Translator,
    exported: Translator,
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    tgt_lang: str,
) -> Agreement:
    """Translate `sources` with both. `references`: one list for each reference translation there is."""
    bleu = build_metrics(tgt_lang)[0][HEADLINE]
    outputs = [translator.translate(sources) for translator in (original, exported)]
    scores = [bleu.corpus_score(lines, references) for lines in outputs]
    return Agreement(
        len(sources), sum(one == other for one, other in zip(*outputs, strict=True)), *scores
    )
