"""Lossless subword tokenization with SentencePiece.

Decoding returns the encoded text unchanged: normalisation is off, all white space is kept, and
characters without a piece are encoded as bytes. The one exception is U+2581, which SentencePiece
uses for a space and which is decoded as a space. A lone surrogate has no UTF-8 form and is an error
here; `mt.data.normalisation.normalise` replaces it. Placeholders are numbered pieces, which are
decoded with what they stand for in the source (`mt.data.symbols`).

The models of a pretrained model (`mt.importing`) are used as they are: they may normalise text, and
have no piece for some characters. A vocabulary of their own then gives the ids.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from mt.config.schema import TokenizerConfig
from mt.data.languages import Languages
from mt.data.sampling import SPACE
from mt.data.sentencepiece_model import SentencePieceModel
from mt.data.symbols import Symbols, reveal
from mt.data.tags import split_tag, tag_piece
from mt.data.tokenizer_training import train_models
from mt.data.vocabulary import Vocabulary
from mt.data.vocabulary_model import VocabularyModel
from mt.errors import MTError
from mt.files import atomic_write
from mt.run_files import LANGUAGES, SYMBOLS, TOKENIZERS, VOCABULARIES
from mt.run_folder import RunFolder


class EncodedPair(NamedTuple):
    """The pieces of a source and of its translation."""

    source: Sequence[int]
    target: Sequence[int]
    contents: Sequence[str] | None = None  # of placeholders, by number; None: not known


class Tokenizer:
    """One SentencePiece model for both sides, or one for each, and the symbols of both.

    Encoding adds neither BOS nor EOS. The special tokens have the ids of `mt.data.vocabulary`.
    """

    def __init__(
        self,
        src: bytes,
        tgt: bytes | None = None,
        *,
        vocabularies: Sequence[Vocabulary] = (),
        symbols: Symbols | None = None,
        languages: Languages | None = None,
    ) -> None:
        """Load serialised SentencePiece models; without `tgt`, `src` serves both sides.

        `vocabularies` give the ids of pieces, one for both sides or one for each. Without any, the
        ids are those of the SentencePiece models. `languages` are those whose tokens every text
        begins with. Raises ValueError if a model is not usable.
        """
        self.vocabularies, self.symbols = list(vocabularies), symbols or Symbols()
        self.languages = languages
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
            models[-1].check_symbols(self.symbols)
        self.contents = contents
        self.models = {"src": models[0], "tgt": models[-1]}
        self._set_starts()

    def _set_starts(self) -> None:
        """Set the tokens that the texts of each side begin with."""
        self.starts: dict[str, list[int]] = {"src": [], "tgt": []}
        if self.languages:
            codes = {"src": self.languages.source, "tgt": self.languages.target}
            self.starts = {
                side: [self.models[side].find(tag_piece(code))] for side, code in codes.items()
            }

    @classmethod
    def train(
        cls,
        src: Callable[[], Iterable[str]],
        tgt: Callable[[], Iterable[str]],
        config: TokenizerConfig,
        seed: int = 1,
        tags: Sequence[str] = (),
    ) -> Tokenizer:
        """Train on a sample of the lines of both sides, which have no tags; see `train_models`.

        `src` and `tgt` restart their lines at each call. The vocabulary of the source has `tags`
        too. Raises MTError if the text does not support a vocabulary of the given size.
        """
        symbols = Symbols.from_config(config)
        sides: dict[str, Callable[[], Iterable[str]]] = {
            "the source text": lambda: map(symbols.mark, src()),
            "the target text": lambda: map(symbols.mark, tgt()),
        }
        if config.joint:
            sides = {"the text of both sides": lambda: map(symbols.mark, chain(src(), tgt()))}
        return cls(*train_models(sides, config, seed, tags, symbols.pieces()), symbols=symbols)

    def with_languages(self, source: str = "", target: str = "") -> Tokenizer:
        """Return this tokenizer for text in other languages; "" keeps one.

        A vocabulary without languages is for any text. Raises UsageError if a multilingual one does
        not have these.
        """
        if self.languages is None:
            return self
        other = copy.copy(self)
        other.languages = self.languages.choose(source, target)
        other._set_starts()
        return other

    @property
    def tags(self) -> dict[str, int]:
        """The ids of the tags of source texts; see `mt.data.tags`."""
        return self.models["src"].tags

    @property
    def marks(self) -> tuple[list[int], list[int]]:
        """The ids of the tags and languages that sources begin with, and those of targets."""
        return [*self.tags.values(), *self.starts["src"]], self.starts["tgt"]

    def encode(self, text: str, side: str = "src") -> list[int]:
        """Return the ids of a source, or of a text alone; that of a tag comes first."""
        return self.encode_marked([self.symbols.mark(text)], side)[0]

    def encode_many(self, texts: Sequence[str], side: str = "src") -> list[list[int]]:
        """Encode sources, or texts alone, on all processor cores."""
        return self.encode_marked(list(map(self.symbols.mark, texts)), side)

    def encode_pairs(self, pairs: Iterable[tuple[str, str]]) -> list[EncodedPair]:
        """Encode sources and their translations, in which placeholders have the same numbers."""
        pairs = list(pairs)
        marked = [self.symbols.mark_pair(*pair) for pair in pairs]
        sources = self.encode_marked([source for source, _ in marked], "src")
        targets = self.encode_marked([target for _, target in marked], "tgt")
        contents = [self.symbols.contents(source) for source, _ in pairs]
        return list(map(EncodedPair, sources, targets, contents))

    def encode_marked(self, texts: Sequence[str], side: str) -> list[list[int]]:
        """Encode marked texts (`mt.data.symbols`) on all processor cores."""
        parts = [self._split_tag(text, side) for text in texts]
        rows = self.models[side].encode([plain for _, plain in parts])
        starts = ([self.tags[tag]] if tag else self.starts[side] for tag, _ in parts)
        return [[*start, *ids] for start, ids in zip(starts, rows, strict=True)]

    def sample(self, text: str, side: str, alpha: float, seed: int) -> list[int]:
        """Sample a segmentation, the same for the same seed (>= 0) in every process.

        `alpha` must be > 0. Unigram: probabilities are raised to this power, so that smaller values
        are more random (Kudo 2018). BPE: the probability of skipping a merge, so that larger values
        are more random (Provilkov et al. 2020). A tag stays one piece.
        """
        return self.sample_marked(self.symbols.mark(text), side, alpha, seed)

    def sample_marked(self, text: str, side: str, alpha: float, seed: int) -> list[int]:
        """Sample a segmentation of a marked text."""
        tag, text = self._split_tag(text, side)
        ids = self.models[side].sample(text, alpha, seed)
        return [*([self.tags[tag]] if tag else self.starts[side]), *ids]

    def _split_tag(self, text: str, side: str) -> tuple[str, str]:
        """Return the tag of a text and the text without it; texts have tags if there are any."""
        return split_tag(text) if side == "src" and self.tags else ("", text)

    def decode(
        self, ids: Sequence[int], side: str = "tgt", contents: Sequence[str] | None = None
    ) -> str:
        """Return the text of the pieces, without special tokens and tags; see `decode_many`."""
        return self.decode_many([ids], side, None if contents is None else [contents])[0]

    def decode_many(
        self,
        rows: Sequence[Sequence[int]],
        side: str = "tgt",
        contents: Sequence[Sequence[str]] | None = None,
    ) -> list[str]:
        """Return the texts of rows of pieces, without special tokens.

        `contents` holds what the numbers of placeholders stand for in each row, those of
        `Symbols.contents`; other numbers are left out. Without it, the result is marked text. Bytes
        that are not valid UTF-8 become U+FFFD.
        """
        model = self.models[side]
        plain = [[int(i) for i in ids] for ids in rows]
        if contents is None or not self.symbols:
            return model.decode(plain)
        return [model.restore(ids, known) for ids, known in zip(plain, contents, strict=True)]

    def count_unknown(self, ids: Sequence[int], contents: Sequence[str]) -> int:
        """Return how many numbers of placeholders in a target stand for nothing in its source."""
        marked = self.models["tgt"].marked
        return sum(i in marked and not reveal(marked[i], contents) for i in map(int, ids))

    def pieces(self, ids: Sequence[int], side: str = "tgt") -> list[str]:
        """Return the pieces as SentencePiece writes them, with U+2581 for a space."""
        return [self.models[side].piece(int(i)) for i in ids]

    def shown_pieces(
        self, ids: Sequence[int], side: str = "tgt", contents: Sequence[str] | None = None
    ) -> list[str]:
        """Return the pieces as readers see them.

        Symbols are plain, and placeholders are what `contents` has at their numbers, with U+2581
        for each space.
        """
        marked = self.models[side].marked
        return [
            reveal(marked[i], contents).replace(" ", SPACE) if i in marked else piece
            for i, piece in zip(map(int, ids), self.pieces(ids, side), strict=True)
        ]

    def vocab_size(self, side: str = "tgt") -> int:
        """Return the size of the vocabulary, special tokens included."""
        return len(self.models[side])

    @property
    def sizes(self) -> list[int]:
        """The sizes of the vocabularies, that of the source first."""
        return [self.vocab_size(side) for side in ("src", "tgt")]

    @property
    def kind(self) -> str:
        """The algorithm, "unigram" or "bpe"."""
        return "bpe" if self.models["src"].is_bpe else "unigram"

    def save(self, folder: Path) -> None:
        """Write `files` to a folder."""
        folder, files = Path(folder), self.files()
        for name, content in files.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(content)
        # Files of another layout would confuse `load`.
        for names in (*TOKENIZERS, *VOCABULARIES, (SYMBOLS, LANGUAGES)):
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
        for name in (*names, *chain(*written), SYMBOLS, LANGUAGES):
            run.check(run.path / name)
        try:
            models = [(run.path / name).read_bytes() for name in names]
            vocabularies = [
                Vocabulary.from_json((run.path / name).read_bytes()) for name in chain(*written[:1])
            ]
            stored = run.path / SYMBOLS
            symbols = Symbols.from_json(stored.read_bytes()) if stored.exists() else None
            stored = run.path / LANGUAGES
            languages = Languages.from_json(stored.read_bytes()) if stored.exists() else None
            return cls(*models, vocabularies=vocabularies, symbols=symbols, languages=languages)
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
        if self.languages:
            files[LANGUAGES] = self.languages.to_json().encode()
        return files | ({SYMBOLS: self.symbols.to_json().encode()} if self.symbols else {})
