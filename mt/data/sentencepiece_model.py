"""A SentencePiece model whose ids are those of the model that is trained on them."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
from collections.abc import Iterable, Sequence
from functools import cached_property

import sentencepiece

from mt.data.sampling import SPACE, BPEDropout, Pieces, UnigramSampler
from mt.data.symbols import MARKED, Symbols, reveal
from mt.data.tags import MARK, is_tag_piece
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.errors import UsageError
from mt.run_files import SYMBOLS

CERTAIN = 1e9  # alpha with which all samples are the best segmentation


class SentencePieceModel:
    """One SentencePiece model and its samplers."""

    known_share = 1.0  # of the ordinary pieces, which have an id

    def __init__(self, serialized: bytes) -> None:
        """Load a model. Raises ValueError if it is none, or has other ids of special tokens."""
        self.serialized = serialized
        try:
            self.processor = load_processor(serialized)
            self._check_ids()
        except RuntimeError as error:
            raise ValueError("not a SentencePiece model") from error
        self.samplers: dict[float, UnigramSampler | BPEDropout] = {}

    def _check_ids(self) -> None:
        processor = self.processor
        specials = (
            processor.pad_id(),
            processor.unk_id(),
            processor.bos_id(),
            processor.eos_id(),
        )
        if specials != (PAD, UNK, BOS, EOS):
            raise ValueError(
                f"the ids of pad, unk, bos and eos must be {(PAD, UNK, BOS, EOS)}, got {specials}"
            )

    def __len__(self) -> int:
        """Return the number of ids."""
        return len(self.processor)

    @cached_property
    def tags(self) -> dict[str, int]:
        """The ids of the tags of source texts; see `mt.data.tags`."""
        ids = filter(self.processor.is_control, range(EOS + 1, len(self.processor)))
        pieces = ((self.processor.id_to_piece(i), i) for i in ids)
        return {piece.removeprefix(MARK): i for piece, i in pieces if is_tag_piece(piece)}

    def split_written_tag(self, text: str) -> tuple[str, str]:
        """Return the tag that a source begins with in writing, such as >>fra<<, and the rest.

        Only pretrained models have such tags; "" is none.
        """
        return "", text

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of the pieces of each text, computed on all processor cores."""
        return self.processor.encode(list(texts), num_threads=threads(texts))

    def segment(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the pieces of each text as SentencePiece writes them, without a tag."""
        plain = [self.split_written_tag(text)[1] for text in texts]
        return self.processor.encode(plain, out_type=str, num_threads=threads(texts))

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each row of ids, without special tokens."""
        if not rows:
            return []  # SentencePiece would take [] for a single row
        return self.processor.decode([[i for i in ids if i > EOS] for ids in rows])

    @cached_property
    def marked(self) -> dict[int, str]:
        """The pieces of symbols and placeholders by id (`mt.data.symbols`)."""
        # They come after the special tokens and before the bytes.
        ids = range(EOS + 1, len(self.processor))
        first = itertools.takewhile(lambda i: not self.processor.is_byte(i), ids)
        pieces = {i: self.processor.id_to_piece(i) for i in first}
        return {i: piece for i, piece in pieces.items() if MARKED.fullmatch(piece)}

    def check_symbols(self, symbols: Symbols) -> None:
        """Raise ValueError if the vocabulary has no pieces for these symbols, or has others."""
        if sorted(self.marked.values()) != sorted(symbols.pieces()):
            raise ValueError(f"its symbols are not those of {SYMBOLS}")

    def restore(self, ids: Sequence[int], contents: Sequence[str]) -> str:
        """Return the text of ids in which numbers are replaced by what `contents` has for them.

        Marks that the model has spelled in bytes are none.
        """
        marked = self.marked
        starts = [0, *(place for place, i in enumerate(ids) if i in marked), len(ids)]
        first, *parts = (ids[start:end] for start, end in itertools.pairwise(starts))
        # The symbol at the beginning of a part keeps SentencePiece from removing a space there.
        texts = self.decode([first, *parts])
        symbols = [marked[part[0]] for part in parts]
        return texts[0] + "".join(
            reveal(symbol, contents) + text[len(symbol) :]
            for symbol, text in zip(symbols, texts[1:], strict=True)
        )

    def piece(self, number: int) -> str:
        """Return the piece with an id."""
        return self.processor.id_to_piece(number)

    def find(self, piece: str) -> int:
        """Return the id of a piece. Raises ValueError if there is none."""
        number = self.processor.piece_to_id(piece)
        if self.piece(number) != piece:
            raise ValueError(f"it has no piece {piece!r}")
        return number

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
        numbers = {piece: i for i, piece in self.marked.items()}
        return [
            i
            for word in words
            for part in MARKED.split(SPACE + word)
            for i in ([numbers[part]] if part in numbers else sample_word(part, uniform))
        ]

    def spell(self, piece: str) -> list[int]:
        """Return the ids of the best segmentation of a part of a word, such as a longer piece."""
        if self.is_bpe:
            return BPEDropout(self.vocabulary, 0.0)(piece, lambda: 1.0)
        return UnigramSampler(self.vocabulary, CERTAIN)(piece, lambda: 0.5)

    @cached_property
    def is_bpe(self) -> bool:
        """True for BPE, False for unigram.

        SentencePiece does not expose the type.
        """
        return has_ranks(self.vocabulary.scores.values())


def load_processor(serialized: bytes) -> sentencepiece.SentencePieceProcessor:
    """Load a serialised model. Raises RuntimeError if it is none."""
    processor = sentencepiece.SentencePieceProcessor()
    processor.load_from_serialized_proto(serialized)
    return processor


def has_ranks(scores: Iterable[float]) -> bool:
    """Return whether the scores of pieces are ranks, 0, -1, -2, ..., which BPE has."""
    return all(score == int(score) for score in scores)


def threads(texts: Sequence[str]) -> int:
    """Return the number of threads to encode texts with; -1: one for each core.

    A single text is not worth several, and the other cores are busy in one of several processes.
    Ray limits the threads of its actors by a variable of the environment.
    """
    is_worker = multiprocessing.parent_process() is not None
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return 1 if is_worker or len(texts) == 1 or limit == "1" else -1
