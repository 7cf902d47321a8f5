"""Translate and look at attention: what `mt.decoding.translator` gives, with alignments and weights beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, overload

from mt.data.links import Links
from mt.decoding.line_chunks import CHUNK_LINES
from mt.decoding.outputs import Translation, select_rank
from mt.decoding.translator import Translator
from mt.inspection.weights import (
    PairAttention,
    PairLinks,
    Text,
    attention_shapes,
    attention_weights,
    in_groups,
    join_links,
    link_pairs,
    require_attention,
    require_kinds,
)


@dataclass
class InspectedTranslation(Translation):
    """A translation with the attention of each of its parts."""

    # In the best translation; None unless asked for.
    attention: list[PairAttention] | None = None


class Inspector:
    """The attention of a translator's model. Of an ensemble, links are read from the mean of all, weights are the first member's."""

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.unaligned = 0  # lines without links, see `report`

    @property
    def attends(self) -> bool:
        """Return whether there is attention to the source to look at."""
        return all(model.decoder.attends for model in self.translator.models)

    def attention_shapes(self) -> dict[str, tuple[int, int]]:
        """Return the kinds of attention that the model has, with their (layers, heads)."""
        return attention_shapes(self.translator.models[0])

    @overload
    def translate(self, lines: str, **options: Any) -> InspectedTranslation: ...
    @overload
    def translate(self, lines: Iterable[str], **options: Any) -> list[InspectedTranslation]: ...
    def translate(
        self, lines: str | Iterable[str], **options: Any
    ) -> InspectedTranslation | list[InspectedTranslation]:
        """Translate lines, or one line given as a string, with all weights that the model has.

        `options` as of `Translator.translate`, whose texts are the same. UsageError if the model
        has no attention.
        """
        if isinstance(lines, str):
            return self.translate([lines], **options)[0]
        return list(
            self.translate_stream(lines, attention=tuple(self.attention_shapes()), **options)
        )

    def translate_stream(
        self,
        lines: Iterable[str],
        chunk_size: int = CHUNK_LINES,
        seed: int | None = None,
        progress: Callable[[int], None] | None = None,
        alignments: bool = False,
        attention: Sequence[str] | None = None,
        **options: Any,
    ) -> Iterator[InspectedTranslation]:
        """Translate any number of lines in bounded memory, as `Translator.translate_stream` does.

        `alignments`: outputs carry links, which cost a pass of the model over each pair.
        `attention`: translations carry weights of these kinds; those of a few lines are in memory.
        UsageError if the model has not what is asked for.
        """
        if alignments:
            require_attention(self.translator.models)  # before the search, which takes its time
        if attention is not None:
            require_kinds(self.translator.models[:1], attention)
        for translations in self.translator.translate_chunks(
            lines, chunk_size, seed, progress, **options
        ):
            linked = self._link_parts(translations) if alignments else iter(())
            best = [
                (part.pieces, part.hypotheses[0].tokens)
                for each in translations
                for part in each.parts
            ]
            attended = self._attend(best, attention or ())  # as it is asked for
            for each in translations:
                outputs = each.outputs
                if alignments:
                    parts = [[next(linked) for _ in part.hypotheses] for part in each.parts]
                    links = self._line_links(
                        parts, each.source, [output.text for output in outputs]
                    )
                    outputs = [
                        replace(output, links=found)
                        for output, found in zip(outputs, links, strict=True)
                    ]
                weights = None if attention is None else list(islice(attended, len(each.parts)))
                yield InspectedTranslation(each.source, outputs, each.parts, weights)

    def attention(
        self, pairs: Iterable[tuple[str, str]], kinds: Sequence[str] = ("cross",)
    ) -> list[PairAttention]:
        """Return the attention in each pair of a source and its translation."""
        return list(self.attention_stream(pairs, kinds))

    def attention_stream(
        self, pairs: Iterable[tuple[str, str]], kinds: Sequence[str] = ("cross",)
    ) -> Iterator[PairAttention]:
        """Yield what `attention` returns, with the weights of a few pairs in memory."""
        cleaned, tokenizer = self.translator.normalise_pairs(pairs), self.translator.tokenizer
        sides = [
            tokenizer.encode_many([pair[side] for pair in cleaned], name)
            for side, name in enumerate(("src", "tgt"))
        ]
        return self._attend(list(zip(*sides, strict=True)), kinds)

    def align(self, pairs: Iterable[tuple[str, str]]) -> list[Links]:
        """Return links between the words of each source text and those of its translation. Nothing is split or cut.

        Indices count the words of the normalised texts, as `mt.data.alignment_words` does. A blank
        text has no links.
        """
        cleaned = self.translator.normalise_pairs(pairs)
        found = self._link(cleaned)
        return [
            self._line_links([[links]], source, [target])[0]
            for links, (source, target) in zip(found, cleaned, strict=True)
        ]

    def report(self) -> list[str]:
        """Return what was counted, one line each; nothing if nothing happened."""
        counted = self.translator.report()
        if self.unaligned:
            counted.append(
                f"lines without links, because their words are not those of their pieces (as where a word was split): {self.unaligned:,}"
            )
        return counted

    def _attend(
        self, pairs: Sequence[tuple[Text, Text]], kinds: Sequence[str]
    ) -> Iterator[PairAttention]:
        of = self.translator
        for group in in_groups(pairs, of.models[0], kinds) if kinds else ():
            yield from attention_weights(
                of.models[0], of.tokenizer, group, of.budget, of.precision, kinds
            )

    def _link(self, pairs: Sequence[tuple[Text, Text]]) -> list[PairLinks]:
        return link_pairs(
            self.translator.models,
            self.translator.tokenizer,
            pairs,
            self.translator.budget,
            self.translator.precision,
        )

    def _link_parts(self, translations: Sequence[Translation]) -> Iterator[PairLinks]:
        """Yield the links of every hypothesis of every part of every line, in order."""
        parts = [part for each in translations for part in each.parts]
        yield from self._link(
            [(part.pieces, hypothesis.tokens) for part in parts for hypothesis in part.hypotheses]
        )

    def _line_links(
        self, parts: list[list[PairLinks]], source: str, texts: list[str]
    ) -> list[Links]:
        """Return the links of each translation of a line; `parts` has those of each hypothesis of its parts."""
        found = [
            join_links(select_rank(parts, rank), source, text) for rank, text in enumerate(texts)
        ]
        self.unaligned += None in found
        return [links or Links() for links in found]
