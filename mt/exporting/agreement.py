"""How far an exported model agrees with the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.decoding.load import TrainedModel, load
from mt.decoding.options import SearchOptions
from mt.decoding.tagged_lines import translate_tagged
from mt.decoding.translator import Translator
from mt.evaluation.evaluation_set import load_corpus_split, read_parallel
from mt.evaluation.metrics import HEADLINE, build_metrics
from mt.exporting.tags import mark_for_hub
from mt.exporting.transformers_engine import TransformersTranslator
from mt.run_folder import RunFolder


@dataclass(frozen=True)
class Sample:
    """Sentences to translate with both models."""

    sources: list[str]
    references: list[list[str]]  # one list per reference translation
    name: str  # of the text that they come from
    tags: list[str] | None = None  # of the sources; None: that of the translator


@dataclass(frozen=True)
class Agreement:
    """A comparison of the outputs of two models."""

    sentences: int
    identical: int  # outputs that are equal, character by character
    bleu: float  # of the original
    exported_bleu: float

    def summary(self) -> str:
        """Return the comparison as one line of text."""
        share = 100 * self.identical / self.sentences
        return (
            f"{self.sentences:,} sentences: {share:.1f} % of the outputs identical, "
            f"BLEU {self.bleu:.2f} original, {self.exported_bleu:.2f} exported "
            f"({self.exported_bleu - self.bleu:+.2f})"
        )


def read_sample(run: TrainedModel, size: int, src: str | None, refs: Sequence[str]) -> Sample:
    """Read up to `size` sentences, spread evenly over a file or over the run's validation set.

    Raises MTError if the text cannot be read.
    """
    if src:
        sources, *references = read_parallel([src, *refs])
        name, tags = src, None
    else:
        validation = load_corpus_split(run.config, "val", str(run.folder))
        sources, references, name = validation.sources, validation.references, "validation"
        tags = validation.tags
    size = min(size, len(sources))
    rows = [len(sources) * number // size for number in range(size)]
    return Sample(
        [sources[row] for row in rows],
        [[lines[row] for row in rows] for lines in references],
        name,
        tags and [tags[row] for row in rows],
    )


def load_exported(
    folder: Path, backend: str, options: SearchOptions, tag: str | None
) -> Translator | TransformersTranslator:
    """Load what was exported, with the engine that it is for.

    Raises MTError if the library is missing.
    """
    if backend != "hub":
        return load(folder, backend=backend, options=options, tag=tag)
    if RunFolder(folder).config.is_file():
        return load(folder, precision="fp32", options=options, split_sentences=False, tag=tag)
    return TransformersTranslator(folder, options)


def measure_agreement(
    original: Translator,
    exported: Translator | TransformersTranslator,
    sample: Sample,
    tgt_lang: str,
) -> Agreement:
    """Translate the sample with both models and compare their outputs."""
    bleu = build_metrics(tgt_lang, references=sample.references[0])[0][HEADLINE]
    tags = sample.tags or [original.tag] * len(sample.sources)
    outputs = [
        translate_tagged(each, sample.sources, tags)
        if isinstance(each, Translator)
        else each.translate(mark_for_hub(sample.sources, tags, original.tokenizer))
        for each in (original, exported)
    ]
    scores = [bleu.corpus_score(lines, sample.references) for lines in outputs]
    identical = sum(one == other for one, other in zip(*outputs, strict=True))
    return Agreement(len(sample.sources), identical, *scores)
