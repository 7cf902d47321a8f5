"""Translation with attention weights and word alignments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Unpack, overload

from mt.data.links import Links
from mt.data.tags import split_tag
from mt.data.tokenizer import EncodedPair
from mt.decoding.arguments import SearchArguments, merge_options
from mt.decoding.line_chunks import CHUNK_LINES
from mt.decoding.outputs import TranslatedPart, Translation, select_rank
from mt.decoding.search import Hypothesis
from mt.decoding.translator import Translator
from mt.inspection.alignments import (
    LayerReading,
    PairLinks,
    join_links,
    layer_readings,
    link_pairs,
)
from mt.inspection.pair_attention import PairAttention
from mt.inspection.teacher_forcing import (
    Pair,
    attention_shapes,
    attention_weights,
    group_by_memory,
    require_cross_attention,
    require_kinds,
)


@dataclass
class InspectedTranslation(Translation):
    """A translation with the attention of each of its parts."""

    # Of the best translation; None unless requested.
    attention: list[PairAttention] | None = None


class Inspector:
    """Reads the attention of a translator's model.

    For an ensemble, word alignments are read from the mean of all members, and the weights are
    those of the first member.
    """

    def __init__(self, translator: Translator) -> None:
        self.translator = translator

    @property
    def unaligned(self) -> int:
        """Return the number of lines without links, because their words cannot be recovered."""
        return self.translator.counts["unaligned"]

    @property
    def attends(self) -> bool:
        """Return whether there is attention to the source."""
        return all(model.decoder.attends for model in self.translator.models)

    def attention_shapes(self) -> dict[str, tuple[int, int]]:
        """Return the (layers, heads) of each kind of attention that the model has."""
        return attention_shapes(self.translator.models[0])

    @overload
    def translate(  # type: ignore[overload-overlap]
        self,
        lines: str,
        chunk_size: int = ...,
        seed: int | None = ...,
        progress: Callable[[int], None] | None = ...,
        alignments: bool = ...,
        prefixes: str | None = ...,
        **options: Unpack[SearchArguments],
    ) -> InspectedTranslation: ...
    @overload
    def translate(
        self,
        lines: Iterable[str],
        chunk_size: int = ...,
        seed: int | None = ...,
        progress: Callable[[int], None] | None = ...,
        alignments: bool = ...,
        prefixes: Iterable[str] | None = ...,
        **options: Unpack[SearchArguments],
    ) -> list[InspectedTranslation]: ...
    def translate(
        self,
        lines: str | Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        alignments: bool = False,
        prefixes: str | Iterable[str] | None = None,
        **options: Unpack[SearchArguments],
    ) -> InspectedTranslation | list[InspectedTranslation]:
        """Translate lines, or one line given as a string, with all attention weights of the model.

        The arguments are those of `translate_stream`, except that all kinds of attention are read.
        `Translator.translate` returns the same texts. Raises UsageError if the model has no
        attention or an argument is wrong.
        """
        merge_options(self.translator.options, options)  # names first: `attention` is ours
        kinds = tuple(self.attention_shapes())
        texts = [lines] if isinstance(lines, str) else lines
        starts = [prefixes] if isinstance(lines, str) and isinstance(prefixes, str) else prefixes
        stream = self.translate_stream(
            texts, chunk_size, seed, progress, alignments, kinds, starts, **options
        )
        results = list(stream)
        return results[0] if isinstance(lines, str) else results

    def translate_stream(
        self,
        lines: Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        alignments: bool = False,
        attention: Sequence[str] | None = None,
        prefixes: Iterable[str] | None = None,
        **options: Unpack[SearchArguments],
    ) -> Iterator[InspectedTranslation]:
        """Translate any number of lines in bounded memory, as `Translator.translate_stream` does.

        With `alignments`, outputs have links, which costs one more pass of the model over each
        pair. With `attention`, translations have the weights of these kinds; only those of a few
        lines are in memory. Raises UsageError if the model does not have the attention.
        """
        # Checked before the search, which takes longer.
        if alignments:
            require_cross_attention(self.translator.models)
        if attention is not None:
            require_kinds(self.translator.models[:1], attention)
        for translations in self.translator.translate_chunks(
            lines, chunk_size, seed, progress, prefixes, **options
        ):
            if alignments:
                translations = self.add_links(translations)
            if attention is None:
                weights: Iterable[list[PairAttention] | None] = [None] * len(translations)
            else:
                weights = self.translation_attention(translations, attention)
            for translation, part_weights in zip(translations, weights, strict=True):
                yield InspectedTranslation(
                    translation.source, translation.outputs, translation.parts, part_weights
                )

    def add_links(self, translations: Sequence[Translation]) -> list[Translation]:
        """Return the translations with the word alignments of all their outputs.

        Raises UsageError if there is no attention to the source.
        """
        require_cross_attention(self.translator.models)
        links = self._link_parts(translations)
        linked = []
        for translation in translations:
            parts, outputs = translation.parts, translation.outputs
            part_links = [[next(links) for _ in part.hypotheses] for part in parts]
            line_links = (
                self._line_links(part_links, translation.source, [o.text for o in outputs])
                if parts
                else [Links()] * len(outputs)
            )
            outputs = [
                replace(output, links=output_links)
                for output, output_links in zip(outputs, line_links, strict=True)
            ]
            linked.append(replace(translation, outputs=outputs))
        return linked

    def translation_attention(
        self, translations: Sequence[Translation], kinds: Sequence[str] = ("cross",)
    ) -> Iterator[list[PairAttention]]:
        """Yield the attention in each part of each translation, in its best hypothesis.

        The weights of a few parts are in memory. Raises UsageError if the model lacks the kinds.
        """
        best = [
            self._encoded(part, part.hypotheses[0])
            for translation in translations
            for part in translation.parts
        ]
        weights = self._attention_of(best, kinds)  # computed lazily
        for translation in translations:
            yield list(islice(weights, len(translation.parts)))

    def attention(
        self, pairs: Iterable[tuple[str, str]], kinds: Sequence[str] = ("cross",)
    ) -> list[PairAttention]:
        """Return the attention in each pair of a source and its translation."""
        return list(self.attention_stream(pairs, kinds))

    def attention_stream(
        self, pairs: Iterable[tuple[str, str]], kinds: Sequence[str] = ("cross",)
    ) -> Iterator[PairAttention]:
        """Yield the results of `attention`, with the weights of a few pairs in memory."""
        cleaned = self.translator.normalise_pairs(pairs)
        return self._attention_of(self.translator.tokenizer.encode_pairs(cleaned), kinds)

    def align(self, pairs: Iterable[tuple[str, str]]) -> list[Links]:
        """Return the links between the words of each source and those of its translation.

        Indices count the words of the normalised texts (see `mt.data.alignment_words`). Nothing is
        split or truncated. A blank text has no links.
        """
        return [links for [links] in self._align(pairs, [None])]

    def layer_readings(self) -> list[LayerReading]:
        """Return every layer of the cross-attention in every reading that the decoder has.

        Raises UsageError if there is no attention to the source.
        """
        require_cross_attention(self.translator.models)
        return layer_readings(self.translator.models[0])

    def align_layers(
        self, pairs: Iterable[tuple[str, str]], readings: Sequence[LayerReading]
    ) -> dict[LayerReading, list[Links]]:
        """Return links as `align` does, by each of these readings, from one pass of the model."""
        aligned = self._align(pairs, readings)
        return {
            reading: [links[number] for links in aligned] for number, reading in enumerate(readings)
        }

    def report(self) -> list[str]:
        """Return a line for each kind of special treatment of lines, with its count."""
        return self.translator.report()

    def _attention_of(
        self, pairs: Sequence[EncodedPair], kinds: Sequence[str]
    ) -> Iterator[PairAttention]:
        translator = self.translator
        model = translator.models[0]
        for group in group_by_memory(pairs, model, kinds) if kinds else ():
            yield from attention_weights(
                model, translator.tokenizer, group, translator.budget, translator.precision, kinds
            )

    def _align(
        self, pairs: Iterable[tuple[str, str]], readings: Sequence[LayerReading | None]
    ) -> list[list[Links]]:
        """Return the links of each pair by each reading."""
        cleaned = self.translator.normalise_pairs(pairs)
        return [
            self._line_links([links], split_tag(source)[1], [target] * len(readings))
            for links, (source, target) in zip(self._link(cleaned, readings), cleaned, strict=True)
        ]

    def _link(
        self, pairs: Sequence[Pair], readings: Sequence[LayerReading | None]
    ) -> list[list[PairLinks]]:
        return link_pairs(
            self.translator.models,
            self.translator.tokenizer,
            pairs,
            self.translator.budget,
            self.translator.precision,
            readings,
        )

    def _link_parts(self, translations: Sequence[Translation]) -> Iterator[PairLinks]:
        """Yield the links of every hypothesis of every part of every line, in order."""
        parts = [part for translation in translations for part in translation.parts]
        pairs = [self._encoded(part, each) for part in parts for each in part.hypotheses]
        yield from (links for [links] in self._link(pairs, [None]))

    def _encoded(self, part: TranslatedPart, hypothesis: Hypothesis) -> EncodedPair:
        contents = self.translator.tokenizer.symbols.contents(part.source)
        return EncodedPair(part.pieces, hypothesis.tokens, contents)

    def _line_links(
        self, parts: list[list[PairLinks]], source: str, texts: list[str]
    ) -> list[Links]:
        """Return the links of each translation of a line.

        `parts` has the links of each hypothesis of each part of the line.
        """
        joined = [
            join_links(select_rank(parts, rank), source, text) for rank, text in enumerate(texts)
        ]
        self.translator.counts["unaligned"] += None in joined
        return [links or Links() for links in joined]
