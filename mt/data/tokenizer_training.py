"""Training of a SentencePiece model."""

from __future__ import annotations

import contextlib
import dataclasses
import pickle
import random
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mt.config.schema import TokenizerConfig
from mt.config.setting import AUTO_NUMBER
from mt.data import sentencepiece_process
from mt.data.tags import tag_piece
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.errors import MTError
from mt.progress_display import Progress

# SentencePiece splits its sums by thread, so another number gives another vocabulary.
TRAINING_THREADS = 8
TICK_SECONDS = 0.5  # between two states of the display of progress
# Pieces of every vocabulary: the special tokens and the bytes.
FIXED_PIECES = 4 + 256
# Sizes of vocabularies that are chosen by the text.
MIN_AUTOMATIC, MAX_AUTOMATIC = 1000, 32_000


class VocabularyTooLarge(MTError):
    """The text does not support a vocabulary of this size; `largest` is one that it does."""

    def __init__(self, size: int, side: str, largest: int) -> None:
        super().__init__(
            f"{side} is too small for data.tokenizer.vocab_size={size}: it supports at most "
            f"{largest} pieces; set data.tokenizer.vocab_size={largest} or less, "
            "or 0 for the most that it supports"
        )
        self.side, self.largest = side, largest


class VocabularyTooSmall(MTError):
    """A vocabulary of this size has no room for the characters of the text; `needed` has."""

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


def automatic_size(characters: int) -> int:
    """Return the size of a vocabulary for a text with a number of characters.

    It grows as the cube root of the text (docs/automatic-settings.md): 4,000 pieces for 3,000 pairs
    of 13 words, 32,000 for 1.5 million.
    """
    size = 4000 * (characters / 480_000) ** (1 / 3)
    return round(min(MAX_AUTOMATIC, max(MIN_AUTOMATIC, size)) / 100) * 100


def train_sentencepiece(
    lines: list[str],
    config: TokenizerConfig,
    side: str = "the text",
    tags: Sequence[str] = (),
    symbols: Sequence[str] = (),
) -> bytes:
    """Train SentencePiece and return the serialised model, the same for the same arguments.

    `side` says in errors which text this is; `tags` are control symbols after the special tokens.
    Each of `symbols` is one piece, and no other piece contains it. Raises VocabularyTooLarge if the
    text does not support `config.vocab_size`, which must not be 0, and VocabularyTooSmall if it
    needs a larger one.
    """
    if not any(lines):
        raise MTError(f"there is no text to train the tokenizer on: {side} is empty")
    settings = {
        "model_type": config.type,
        "vocab_size": config.vocab_size,
        "character_coverage": config.character_coverage,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "byte_fallback": True,
        "pad_id": PAD,
        "unk_id": UNK,
        "bos_id": BOS,
        "eos_id": EOS,
        # In bytes, at least 10. SentencePiece silently drops longer lines.
        "max_sentence_length": max(10, max(len(line.encode()) for line in lines) + 1),
        "train_extremely_large_corpus": len(lines) > 10_000_000,
        "num_threads": TRAINING_THREADS,
        "minloglevel": 2,
    }
    if tags:
        settings["control_symbols"] = [tag_piece(tag) for tag in sorted(tags)]
    if symbols:
        settings["user_defined_symbols"] = list(symbols)
    result = _run_process(lines, settings)
    if isinstance(result, str):
        raise _explain(result, config, side, FIXED_PIECES + len(tags) + len(symbols))
    return result


def _run_process(lines: list[str], settings: dict[str, Any]) -> bytes | str:
    """Return the model that a process of its own trains, or the error of SentencePiece.

    An exception here, such as that of a signal, ends the process.
    """
    command = [sys.executable, "-P", sentencepiece_process.__file__]
    # Standard input stays open while the process works.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin and process.stdout
        try:
            pickle.dump((lines, settings), process.stdin)
            process.stdin.flush()
            with Progress("training the tokenizer") as progress:
                while not select.select([process.stdout], [], [], TICK_SECONDS)[0]:
                    progress.add(0)
            return pickle.load(process.stdout)
        except (BrokenPipeError, EOFError):
            code = process.wait()
            raise MTError(
                f"the training of the tokenizer has ended with exit code {code}"
                f"{' (out of memory?)' if code == -signal.SIGKILL else ''}"
            ) from None
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # of what is not written yet
                process.stdin.close()


def _explain(message: str, config: TokenizerConfig, side: str, fixed: int) -> MTError:
    """Return an error for a message of SentencePiece, which speaks of its source files.

    `fixed` is the number of pieces that every vocabulary of this text has.
    """
    size = config.vocab_size
    if too_large := re.search(r"set it to a value <= (\d+)", message):
        return VocabularyTooLarge(size, side, int(too_large[1]))
    too_small = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    if too_small or size < fixed:
        needed = int(too_small[1]) if too_small else fixed + 1
        return VocabularyTooSmall(
            f"a vocabulary of {size} pieces has no room for the bytes and single characters of "
            f"{side}: set data.tokenizer.vocab_size to {needed} or more, "
            "or lower data.tokenizer.character_coverage",
            needed,
        )
    return MTError(
        f"SentencePiece found no vocabulary of {size} {config.type} pieces for {side}: "
        "set another data.tokenizer.vocab_size or data.tokenizer.type"
    )


def reservoir_sample(lines: Iterable[str], size: int, seed: int) -> list[str]:
    """Sample `size` lines uniformly in one pass (Vitter 1985, algorithm R); all if fewer."""
    draw = random.Random(seed).random
    sample: list[str] = []
    for number, line in enumerate(lines, start=1):
        if len(sample) < size:
            sample.append(line)
        elif (place := int(draw() * number)) < size:
            sample[place] = line
    return sample


def train_models(
    sides: Mapping[str, Callable[[], Iterable[str]]],
    config: TokenizerConfig,
    seed: int,
    tags: Sequence[str],
    symbols: Sequence[str],
) -> list[bytes]:
    """Train the model of both sides, or one for each, and return them.

    `sides` restart their lines at each call, under names for messages. At most `config.train_lines`
    lines, both sides together, are sampled and held in memory. An automatic vocabulary is reduced
    to the size that the text supports; of separate vocabularies, both to the smaller size. Raises
    MTError if the text does not support a vocabulary of the given size.

    With max_vocab_size=auto the size follows from the text, of separate vocabularies from the
    longer side: see `automatic_size`. The first vocabulary has `tags`, and all have `symbols`.
    """
    count = config.train_lines if config.joint else max(1, config.train_lines // 2)
    size, reason = config.vocab_size or config.max_vocab_size, ""
    is_free = size == AUTO_NUMBER
    if is_free:
        size = automatic_size(max(sum(map(len, lines())) for lines in sides.values()))
    while True:
        try:
            sized = dataclasses.replace(config, vocab_size=size)
            return [
                train_sentencepiece(
                    reservoir_sample(lines(), count, seed), sized, name, own, symbols
                )
                for (name, lines), own in zip(sides.items(), (tags, ()), strict=False)
            ]
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
