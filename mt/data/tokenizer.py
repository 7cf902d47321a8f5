"""Lossless subword tokenization with SentencePiece.

Decoding returns the encoded text unchanged: normalisation is off, all white space is kept, and
characters without a piece are encoded as bytes. The one exception is U+2581, which SentencePiece
uses for a space and which is decoded as a space. A lone surrogate has no UTF-8 form and is an error
here; `mt.data.cleaning.normalise` replaces it.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import sentencepiece

from mt.config.schema import TokenizerConfig
from mt.config.setting import AUTO_NUMBER
from mt.data.sampling import SPACE, BPEDropout, Pieces, UnigramSampler
from mt.data.tags import MARK, is_tag_piece, split_tag
from mt.data.tokenizer_training import (
    MIN_AUTOMATIC,
    VocabularyTooLarge,
    VocabularyTooSmall,
    automatic_size,
    reservoir_sample,
    train_sentencepiece,
)
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.errors import MTError, UsageError
from mt.files import atomic_write
from mt.run_folder import SIDE_TOKENIZERS, TOKENIZER, RunFolder


class Tokenizer:
    """One SentencePiece model for both sides, or one for each.

    Encoding adds neither BOS nor EOS. The special tokens have the ids of `mt.data.vocabulary`.
    """

    def __init__(self, src: bytes, tgt: bytes | None = None) -> None:
        """Load serialised SentencePiece models; without `tgt`, `src` serves both sides."""
        self.joint = tgt is None
        source = SentencePieceModel(src)
        self.models = {"src": source, "tgt": source if tgt is None else SentencePieceModel(tgt)}

    @classmethod
    def train(
        cls,
        src: Callable[[], Iterable[str]],
        tgt: Callable[[], Iterable[str]],
        config: TokenizerConfig,
        seed: int = 1,
        tags: Sequence[str] = (),
    ) -> Tokenizer:
        """Train on a sample of the lines of both sides, which have no tags.

        `src` and `tgt` restart their lines at each call. At most `config.train_lines` lines, both
        sides together, are sampled and held in memory. An automatic vocabulary is reduced to the
        size that the text supports; of separate vocabularies, both to the smaller size. Raises
        MTError if the text does not support a vocabulary of the given size.

        With max_vocab_size=auto the size follows from the text, of separate vocabularies from the
        longer side: see `automatic_size`. The vocabulary of the source has `tags` too.
        """
        count = config.train_lines if config.joint else max(1, config.train_lines // 2)
        sides: dict[str, Callable[[], Iterable[str]]] = {
            "the source text": src,
            "the target text": tgt,
        }
        if config.joint:
            sides = {"the text of both sides": lambda: chain(src(), tgt())}
        size, reason = config.vocab_size or config.max_vocab_size, ""
        is_free = size == AUTO_NUMBER
        if is_free:
            size = automatic_size(max(sum(map(len, lines())) for lines in sides.values()))
        while True:
            try:
                sized = dataclasses.replace(config, vocab_size=size)
                models = (
                    train_sentencepiece(reservoir_sample(lines(), count, seed), sized, name, own)
                    for (name, lines), own in zip(sides.items(), (tags, ()), strict=False)
                )
                return cls(*models)
            except VocabularyTooLarge as error:
                if config.vocab_size or error.largest >= size:
                    raise
                size, reason = (
                    error.largest,
                    f"{error.side} supports at most {error.largest} pieces",
                )
            except VocabularyTooSmall as error:
                if is_free and not reason and error.needed > size:
                    size = error.needed + MIN_AUTOMATIC  # the text has many characters
                    continue
                if not reason:
                    raise
                raise MTError(
                    f"no vocabulary size fits both sides: {reason}, too few for the characters of "
                    "the other side; set data.tokenizer.joint=true"
                ) from error

    @cached_property
    def tags(self) -> dict[str, int]:
        """The ids of the tags of source texts; see `mt.data.tags`."""
        processor = self.models["src"].processor
        ids = itertools.takewhile(processor.is_control, range(EOS + 1, len(processor)))
        pieces = ((processor.id_to_piece(i), i) for i in ids)
        return {piece.removeprefix(MARK): i for piece, i in pieces if is_tag_piece(piece)}

    def encode(self, text: str, side: str = "src") -> list[int]:
        """Return the ids of the pieces of a text; that of a tag comes first."""
        tag, text = self._split_tag(text, side)
        ids = self.models[side].processor.encode(text)
        return [self.tags[tag], *ids] if tag else ids

    def encode_many(self, texts: Sequence[str], side: str = "src") -> list[list[int]]:
        """Encode texts on all processor cores."""
        parts = [self._split_tag(text, side) for text in texts]
        rows = self.models[side].processor.encode([plain for _, plain in parts])
        tags = (tag for tag, _ in parts)
        return [[self.tags[tag], *ids] if tag else ids for tag, ids in zip(tags, rows, strict=True)]

    def sample(self, text: str, side: str, alpha: float, seed: int) -> list[int]:
        """Sample a segmentation, the same for the same seed (>= 0) in every process.

        `alpha` must be > 0. Unigram: probabilities are raised to this power, so that smaller values
        are more random (Kudo 2018). BPE: the probability of skipping a merge, so that larger values
        are more random (Provilkov et al. 2020). A tag stays one piece.
        """
        tag, text = self._split_tag(text, side)
        ids = self.models[side].sample(text, alpha, seed)
        return [self.tags[tag], *ids] if tag else ids

    def _split_tag(self, text: str, side: str) -> tuple[str, str]:
        """Return the tag of a text and the text without it; texts have tags if there are any."""
        return split_tag(text) if side == "src" and self.tags else ("", text)

    def decode(self, ids: Sequence[int], side: str = "tgt") -> str:
        """Return the text of the pieces, without special tokens and tags.

        Bytes that are not valid UTF-8 become U+FFFD.
        """
        return self.decode_many([ids], side)[0]

    def decode_many(self, rows: Sequence[Sequence[int]], side: str = "tgt") -> list[str]:
        """Decode several rows of ids."""
        ordinary = [[int(i) for i in ids if i > EOS] for ids in rows]
        if not ordinary:
            return []  # SentencePiece would take [] for a single row
        return self.models[side].processor.decode(ordinary)

    def pieces(self, ids: Sequence[int], side: str = "tgt") -> list[str]:
        """Return the pieces as SentencePiece writes them, with U+2581 for a space."""
        return [self.models[side].processor.id_to_piece(int(i)) for i in ids]

    def vocab_size(self, side: str = "tgt") -> int:
        """Return the size of the vocabulary, special tokens included."""
        return len(self.models[side].processor)

    @property
    def kind(self) -> str:
        """The algorithm, "unigram" or "bpe"."""
        return "bpe" if self.models["src"].is_bpe else "unigram"

    def save(self, folder: Path) -> None:
        """Write tokenizer.model, or tokenizer.src.model and tokenizer.tgt.model, to a folder."""
        folder, files = Path(folder), self.files()
        for name, side in files.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(self.models[side].serialized)
        # Files of the other layout would confuse `load`.
        for name in {TOKENIZER, *SIDE_TOKENIZERS.values()} - files.keys():
            (folder / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Load a tokenizer written by `save`.

        Raises MTError if a file is missing or not a SentencePiece model with our special tokens.
        """
        folder = Path(folder)
        joint = (folder / TOKENIZER).exists()
        names = [TOKENIZER] if joint else list(SIDE_TOKENIZERS.values())
        for name in names:
            RunFolder(folder).check(folder / name)
        try:
            return cls(*((folder / name).read_bytes() for name in names))
        except FileNotFoundError as error:
            raise MTError(
                f"{folder} has no {TOKENIZER}: it is not a complete run directory"
            ) from error
        except OSError as error:
            raise MTError(f"cannot read the tokenizer in {folder}: {error.strerror}") from error
        except ValueError as error:
            raise MTError(f"cannot use the tokenizer in {folder}: {error}") from error

    def serialized(self) -> list[bytes]:
        """Return the serialised model, or both models, which identify the tokenizer."""
        return [self.models[side].serialized for side in self.files().values()]

    def files(self) -> dict[str, str]:
        """Return the side stored in each file."""
        if self.joint:
            return {TOKENIZER: "src"}
        return {name: side for side, name in SIDE_TOKENIZERS.items()}


class SentencePieceModel:
    """One SentencePiece model and its samplers."""

    def __init__(self, serialized: bytes) -> None:
        self.serialized = serialized
        self.processor = sentencepiece.SentencePieceProcessor()
        try:
            self.processor.load_from_serialized_proto(serialized)
            specials = (
                self.processor.pad_id(),
                self.processor.unk_id(),
                self.processor.bos_id(),
                self.processor.eos_id(),
            )
        except RuntimeError as error:
            raise ValueError("not a SentencePiece model") from error
        if specials != (PAD, UNK, BOS, EOS):
            raise ValueError(
                f"the ids of pad, unk, bos and eos must be {(PAD, UNK, BOS, EOS)}, got {specials}"
            )
        self.samplers: dict[float, UnigramSampler | BPEDropout] = {}

    @cached_property
    def vocabulary(self) -> Pieces:
        """The ordinary pieces."""
        return Pieces(self.processor)

    def sample(self, text: str, alpha: float, seed: int) -> list[int]:
        """Sample a segmentation: see `Tokenizer.sample`."""
        if alpha <= 0:
            raise UsageError(f"data.tokenizer.sampling must be > 0 to sample, got {alpha}")
        if not text:
            return []
        if alpha not in self.samplers:
            sampler_class = BPEDropout if self.is_bpe else UnigramSampler
            self.samplers[alpha] = sampler_class(self.vocabulary, alpha)
        sample_word, uniform = self.samplers[alpha], random.Random(seed).random
        words = text.replace(SPACE, " ").split(" ")
        return [i for word in words for i in sample_word(SPACE + word, uniform)]

    @cached_property
    def is_bpe(self) -> bool:
        """True for BPE, False for unigram.

        SentencePiece does not expose the type, but its BPE scores are ranks: 0, -1, -2, ...
        """
        scores = [score for score in self.vocabulary.scores.values() if score != 0]
        return all(score == int(score) for score in scores)


class Segmenter:
    """Subword regularisation for one epoch.

    A call with (text, side, row, longest) samples pieces from seed, epoch, row and side alone:
    other pieces in each epoch, the same whenever an epoch is repeated. A sample of more than
    `longest` or `max_pieces` pieces is replaced by the usual segmentation, which is known to fit.
    """

    def __init__(
        self, tokenizer: Tokenizer, alpha: float, seed: int, epoch: int, max_pieces: int
    ) -> None:
        self.tokenizer, self.alpha, self.max_pieces = tokenizer, alpha, max_pieces
        self.base = (seed << 72) + (epoch << 40)  # a row takes up to 39 bits, its side one

    def __call__(self, text: str, side: str, row: int, longest: int) -> list[int]:
        """Return the ids of the pieces of a text."""
        ids = self.tokenizer.sample(text, side, self.alpha, self.base + 2 * row + (side == "tgt"))
        if len(ids) > min(longest, self.max_pieces):
            return self.tokenizer.encode(text, side)
        return ids
