"""Text to subword pieces and back: SentencePiece, set up so that any text comes back as it was.

That needs identity normalisation, all white space kept, and bytes for characters without a piece.
The one exception is U+2581, which SentencePiece uses to write a space and which comes back as a
space. A lone surrogate is no text and has no UTF-8; `mt.data.cleaning.normalise` takes it out, and
here it is an error.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import sentencepiece

from mt.config.schema import TokenizerConfig
from mt.data.sampling import SPACE, BPEDropout, Pieces, UnigramSampler
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.errors import MTError, UsageError
from mt.files import atomic_write
from mt.run_folder import SIDE_TOKENIZERS, TOKENIZER

SIDES = ("src", "tgt")
THREADS = 8  # for training: sums are split by thread, so another number gives another vocabulary


class Tokenizer:
    """One SentencePiece model for both sides, or one for each. Ids have no BOS and no EOS; specials as in `mt.data.vocabulary`."""

    def __init__(self, src: bytes, tgt: bytes | None = None) -> None:
        """`src`, `tgt`: serialised SentencePiece models; without `tgt`, `src` serves both sides."""
        self.joint = tgt is None
        source = Model(src)
        self.models = {"src": source, "tgt": source if tgt is None else Model(tgt)}

    @classmethod
    def train(
        cls,
        src: Callable[[], Iterable[str]],
        tgt: Callable[[], Iterable[str]],
        config: TokenizerConfig,
        seed: int = 1,
    ) -> Tokenizer:
        """Train on the lines of both sides; at most `config.train_lines` (of both together) are sampled and held in memory.

        `src` and `tgt` give the lines anew at each call. MTError when the text does not support the
        vocabulary.
        """
        if config.joint:
            return cls(
                train_model(reservoir(chain(src(), tgt()), config.train_lines, seed), config)
            )
        return cls(
            *(
                train_model(reservoir(lines(), max(1, config.train_lines // 2), seed), config)
                for lines in (src, tgt)
            )
        )

    def encode(self, text: str, side: str = "src") -> list[int]:
        return self.models[side].processor.encode(text)

    def encode_many(self, texts: Sequence[str], side: str = "src") -> list[list[int]]:
        """Encode with all processor cores."""
        return self.models[side].processor.encode(list(texts))

    def sample(self, text: str, side: str, alpha: float, seed: int) -> list[int]:
        """A random segmentation, the same for the same seed (not negative) in every process.

        alpha > 0. Unigram: probabilities are raised to this power, so that less is more random
        (Kudo 2018). BPE: the probability of skipping a merge, so that more is more random
        (Provilkov et al. 2020).
        """
        return self.models[side].sample(text, alpha, seed)

    def decode(self, ids: Sequence[int], side: str = "tgt") -> str:
        """Text of the pieces. Specials have no text; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_many([ids], side)[0]

    def decode_many(self, rows: Sequence[Sequence[int]], side: str = "tgt") -> list[str]:
        plain = [[int(i) for i in ids if i > EOS] for ids in rows]
        return (
            self.models[side].processor.decode(plain) if plain else []
        )  # SentencePiece takes [] for one row

    def pieces(self, ids: Sequence[int], side: str = "tgt") -> list[str]:
        """The pieces as SentencePiece writes them, with U+2581 for a space."""
        return [self.models[side].processor.id_to_piece(int(i)) for i in ids]

    def vocab_size(self, side: str = "tgt") -> int:
        return len(self.models[side].processor)

    @property
    def kind(self) -> str:
        """ "unigram" or "bpe"."""
        return "bpe" if self.models["src"].is_bpe else "unigram"

    def save(self, folder: Path) -> None:
        """Write tokenizer.model, or tokenizer.src.model and tokenizer.tgt.model, into the folder."""
        for name, side in self._files().items():
            with atomic_write(Path(folder) / name) as temporary:
                temporary.write_bytes(self.models[side].serialized)
        for name in {TOKENIZER, *SIDE_TOKENIZERS.values()} - self._files().keys():
            (Path(folder) / name).unlink(
                missing_ok=True
            )  # of the other layout, which `load` would take

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Read what `save` wrote. MTError where it is missing or no SentencePiece model of ours."""
        folder = Path(folder)
        joint = (folder / TOKENIZER).exists()
        names = [TOKENIZER] if joint else list(SIDE_TOKENIZERS.values())
        try:
            return cls(*((folder / name).read_bytes() for name in names))
        except FileNotFoundError as error:
            raise MTError(
                f"{folder} has no {TOKENIZER}: it is not a complete run directory"
            ) from error
        except OSError as error:
            raise MTError(f"cannot read the tokenizer in {folder}: {error.strerror}") from error
        except ValueError as error:
            raise MTError(f"the tokenizer in {folder} cannot be used: {error}") from error

    def serialized(self) -> list[bytes]:
        """The model, or both models: what identifies a tokenizer."""
        return [self.models[side].serialized for side in self._files().values()]

    def _files(self) -> dict[str, str]:
        return (
            {TOKENIZER: "src"}
            if self.joint
            else {name: side for side, name in SIDE_TOKENIZERS.items()}
        )


class Model:
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
            raise ValueError("it is no SentencePiece model") from error
        if specials != (PAD, UNK, BOS, EOS):
            raise ValueError(
                f"its special pieces pad, unk, bos, eos are {specials}, not {(PAD, UNK, BOS, EOS)}"
            )
        self.samplers: dict[float, UnigramSampler | BPEDropout] = {}

    @cached_property
    def vocabulary(self) -> Pieces:
        return Pieces(self.processor)

    def sample(self, text: str, alpha: float, seed: int) -> list[int]:
        if alpha <= 0:
            raise UsageError("data.tokenizer.sampling must be above 0 to sample")
        if not text:
            return []
        if alpha not in self.samplers:
            kind = BPEDropout if self.is_bpe else UnigramSampler
            self.samplers[alpha] = kind(self.vocabulary, alpha)
        draw, uniform = self.samplers[alpha], random.Random(seed).random
        return [
            i for word in text.replace(SPACE, " ").split(" ") for i in draw(SPACE + word, uniform)
        ]

    @cached_property
    def is_bpe(self) -> bool:
        # SentencePiece does not tell the type, but it numbers BPE pieces by rank, with scores 0,
        # -1, -2, ...
        scores = [score for score in self.vocabulary.scores.values() if score != 0]
        return all(score == int(score) for score in scores)


def train_model(lines: list[str], config: TokenizerConfig) -> bytes:
    """Train SentencePiece on the lines and return the serialised model: the same for the same lines."""
    if not any(lines):
        raise MTError("there is no text to train the tokenizer on")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=config.type,
            vocab_size=config.vocab_size,
            character_coverage=config.character_coverage,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            byte_fallback=True,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            # Bytes; SentencePiece would drop longer lines without a word.
            max_sentence_length=max(len(line.encode()) for line in lines) + 1,
            train_extremely_large_corpus=len(lines) > 10_000_000,
            num_threads=THREADS,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise MTError(explain(str(error), config)) from error
    return model.getvalue()


def explain(message: str, config: TokenizerConfig) -> str:
    """What to do about SentencePiece's refusal to train."""
    too_large = re.search(r"set it to a value <= (\d+)", message)
    if too_large:
        return (
            f"the text is too small for data.tokenizer.vocab_size={config.vocab_size}: it supports at most {too_large[1]}; "
            f"set data.tokenizer.vocab_size={too_large[1]} or less"
        )
    too_small = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    if too_small:
        return (
            f"data.tokenizer.vocab_size={config.vocab_size} has no room for single characters and bytes: "
            f"set it to more than {too_small[1]}, or lower data.tokenizer.character_coverage"
        )
    return f"cannot train the tokenizer: {message}"


def reservoir(lines: Iterable[str], size: int, seed: int) -> list[str]:
    """A uniform sample of `size` lines (all, if there are no more), in one pass (Vitter 1985, algorithm R)."""
    draw = random.Random(seed).random
    sample: list[str] = []
    for number, line in enumerate(lines, start=1):
        if len(sample) < size:
            sample.append(line)
        elif (place := int(draw() * number)) < size:
            sample[place] = line
    return sample


class Segmenter:
    """Subword regularisation of a training epoch: other pieces in each epoch, the same whenever the epoch is repeated.

    Called with (text, side, row, longest), it draws pieces from seed, epoch, row and side alone. A
    draw of more than `longest` or `max_pieces` pieces gives way to the usual segmentation, which is
    known to fit.
    """

    def __init__(
        self, tokenizer: Tokenizer, alpha: float, seed: int, epoch: int, max_pieces: int
    ) -> None:
        self.tokenizer, self.alpha, self.max_pieces = tokenizer, alpha, max_pieces
        self.base = (seed << 72) + (epoch << 40)  # a row takes up to 39 bits, its side one

    def __call__(self, text: str, side: str, row: int, longest: int) -> list[int]:
        ids = self.tokenizer.sample(text, side, self.alpha, self.base + 2 * row + (side == "tgt"))
        return (
            ids if len(ids) <= min(longest, self.max_pieces) else self.tokenizer.encode(text, side)
        )
