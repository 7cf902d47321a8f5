"""Lines as an engine takes them, and its output as translations of lines.

Each line is normalised like the training text and encoded as subword pieces, in parts if it has
several sentences or is too long. The hypotheses for the parts are decoded and joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from mt.data.normalisation import Normaliser, is_blank
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.decoding.arguments import check_integer, check_pairs
from mt.decoding.line_counts import LineCounts
from mt.decoding.line_encoder import EncodedLine, LineEncoder
from mt.decoding.options import SearchOptions
from mt.decoding.outputs import Translation, build_translations
from mt.decoding.prefixes import PrefixEncoder
from mt.decoding.search import Hypothesis
from mt.decoding.text_settings import TextSettings


class LineCoder:
    """Encodes and decodes lines with the tokenizer and the settings of a model.

    `counts` holds the numbers of lines that needed special treatment.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_pieces: int,
        normaliser: Normaliser | None,
        text_settings: TextSettings,
    ) -> None:
        """Initialise the coder; the arguments are those of `Translator`."""
        check_integer("max_pieces", max_pieces, 1)
        self.tokenizer, self.max_pieces = tokenizer, max_pieces
        self.normaliser = normaliser or Normaliser()
        self.counts = LineCounts()
        self.set_text(text_settings)

    def set_text(self, text: TextSettings) -> None:
        """Set the languages, the tag and the splitting of lines."""
        self.text_settings = text
        self.encoder = LineEncoder(
            self.tokenizer, self.max_pieces, text.language, text.split_sentences, text.tag
        )
        self.__dict__.pop("prefix_encoder", None)  # it has rules of the target language

    @property
    def tag(self) -> str:
        """The tag in front of every source, "" for none."""
        return self.text_settings.tag

    @cached_property
    def prefix_encoder(self) -> PrefixEncoder:
        """The encoder of prefixes, which sorts the vocabulary."""
        return PrefixEncoder(self.tokenizer, self.text_settings.target_language, self.normaliser)

    def encode_lines(self, lines: Sequence[str]) -> list[EncodedLine]:
        """Normalise and split lines as for training, and encode their parts."""
        return self.encoder.encode(self._normalise(lines), self.counts)

    def decode_lines(
        self,
        lines: Sequence[EncodedLine],
        hypotheses: Sequence[Sequence[Hypothesis]],
        options: SearchOptions,
    ) -> list[Translation]:
        """Return the translations of lines, given what the engine found for each of their parts.

        `options` are those of the search.
        """
        translations = build_translations(
            lines, hypotheses, self.tokenizer, options, self.text_settings
        )
        for translation in translations:
            self.counts.add_translation(translation)
        return translations

    def _normalise(self, lines: Sequence[str]) -> list[str]:
        self.counts.add_lines(lines)
        return list(map(self.normaliser, lines))

    def normalise_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Normalise (source, target) texts like the training text; sources get the tag.

        A text without a visible character becomes "".
        """
        pairs = check_pairs(pairs)
        sources, targets = (
            ["" if is_blank(text) else text for text in self._normalise(texts)]
            for texts in ([pair[side] for pair in pairs] for side in (0, 1))
        )
        return [
            (add_tag(source, self.tag), target)
            for source, target in zip(sources, targets, strict=True)
        ]

    def report(self) -> list[str]:
        """Return one line of text for each count in `counts` that is not zero."""
        return self.counts.describe(self.max_pieces)
