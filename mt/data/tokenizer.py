"""Lossless subword tokenization with SentencePiece.

Decoding returns the encoded text unchanged: normalisation is off, all white space is kept, and
characters without a piece are encoded as bytes. The one exception is U+2581, which SentencePiece
uses for a space and which is decoded as a space. A lone surrogate has no UTF-8 form and is an error
here; `mt.data.cleaning.normalise` replaces it.

The models of a pretrained model (`mt.importing`) are used as they are: they may normalise text, and
have no piece for some characters. A vocabulary of their own then gives the ids.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from mt.config.schema import TokenizerConfig
from mt.config.setting import AUTO_NUMBER
from mt.data.sentencepiece_model import SentencePieceModel
from mt.data.tags import split_tag
from mt.data.tokenizer_training import (
    MIN_AUTOMATIC,
    VocabularyTooLarge,
    VocabularyTooSmall,
    automatic_size,
    reservoir_sample,
    train_sentencepiece,
)
from mt.data.vocabulary import Vocabulary
from mt.data.vocabulary_model import VocabularyModel
from mt.errors import MTError
from mt.files import atomic_write
from mt.run_folder import TOKENIZERS, VOCABULARIES, RunFolder


class Tokenizer:
    """One SentencePiece model for both sides, or one for each.

    Encoding adds neither BOS nor EOS. The special tokens have the ids of `mt.data.vocabulary`.
    """

    def __init__(
        self,
        src: bytes,
        tgt: bytes | None = None,
        *,
        vocabularies: Sequence[Vocabulary] = (),
    ) -> None:
        """Load serialised SentencePiece models; without `tgt`, `src` serves both sides.

        `vocabularies` give the ids of pieces, one for both sides or one for each. Without any, the
        ids are those of the SentencePiece models. Raises ValueError if a model is not usable.
        """
        self.vocabularies = list(vocabularies)
        self.joint = len(vocabularies) == 1 if vocabularies else tgt is None
        contents = [src] if tgt is None else [src, tgt]
        models: list[SentencePieceModel] = []
        for number in range(max(len(contents), len(vocabularies))):
            content = contents[min(number, len(contents) - 1)]
            if vocabularies:
                vocabulary = vocabularies[min(number, len(vocabularies) - 1)]
                models.append(VocabularyModel(content, vocabulary))
            else:
                models.append(SentencePieceModel(content))
        self.contents = contents
        self.models = {"src": models[0], "tgt": models[-1]}

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

    @property
    def tags(self) -> dict[str, int]:
        """The ids of the tags of source texts; see `mt.data.tags`."""
        return self.models["src"].tags

    def encode(self, text: str, side: str = "src") -> list[int]:
        """Return the ids of the pieces of a text; that of a tag comes first."""
        return self.encode_many([text], side)[0]

    def encode_many(self, texts: Sequence[str], side: str = "src") -> list[list[int]]:
        """Encode texts on all processor cores."""
        parts = [self._split_tag(text, side) for text in texts]
        rows = self.models[side].encode([plain for _, plain in parts])
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
        return self.models[side].decode([[int(i) for i in ids] for ids in rows])

    def pieces(self, ids: Sequence[int], side: str = "tgt") -> list[str]:
        """Return the pieces as SentencePiece writes them, with U+2581 for a space."""
        return [self.models[side].piece(int(i)) for i in ids]

    def vocab_size(self, side: str = "tgt") -> int:
        """Return the size of the vocabulary, special tokens included."""
        return len(self.models[side])

    @property
    def kind(self) -> str:
        """The algorithm, "unigram" or "bpe"."""
        return "bpe" if self.models["src"].is_bpe else "unigram"

    def save(self, folder: Path) -> None:
        """Write the models, and the vocabularies if there are any, to a folder."""
        folder, files = Path(folder), self.files()
        for name, content in files.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(content)
        # Files of another layout would confuse `load`.
        for names in (*TOKENIZERS, *VOCABULARIES):
            for name in set(names) - files.keys():
                (folder / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """Load a tokenizer written by `save`.

        Raises MTError if a file is missing or not usable.
        """
        run = RunFolder(Path(folder))
        single, separate = TOKENIZERS
        names = separate if any((run.path / name).exists() for name in separate) else single
        written = [each for each in VOCABULARIES if (run.path / each[0]).exists()]
        for name in (*names, *chain(*written)):
            run.check(run.path / name)
        try:
            models = [(run.path / name).read_bytes() for name in names]
            vocabularies = [
                Vocabulary.from_json((run.path / name).read_bytes()) for name in chain(*written[:1])
            ]
            return cls(*models, vocabularies=vocabularies)
        except FileNotFoundError as error:
            raise MTError(
                f"{folder} has no {Path(error.filename).name}: it is not a complete run directory"
            ) from error
        except OSError as error:
            raise MTError(f"cannot read the tokenizer in {folder}: {error.strerror}") from error
        except ValueError as error:
            raise MTError(f"cannot use the tokenizer in {folder}: {error}") from error

    def serialized(self) -> list[bytes]:
        """Return the contents of all files, which identify the tokenizer."""
        return list(self.files().values())

    def files(self) -> dict[str, bytes]:
        """Return the content of each file by its name."""
        names = TOKENIZERS[len(self.contents) - 1]
        files = dict(zip(names, self.contents, strict=True))
        if self.vocabularies:
            contents = [vocabulary.to_json() for vocabulary in self.vocabularies]
            files |= zip(VOCABULARIES[len(contents) - 1], contents, strict=True)
        return files


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
