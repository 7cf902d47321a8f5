"""Training of a SentencePiece model."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable

import sentencepiece

from mt.cli import end_on_signals
from mt.config.schema import TokenizerConfig
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.errors import MTError

# SentencePiece splits its sums by thread, so another number gives another vocabulary.
TRAINING_THREADS = 8


def train_sentencepiece(lines: list[str], config: TokenizerConfig) -> bytes:
    """Train SentencePiece and return the serialised model, the same for the same lines.

    Raises MTError if the text does not support the configured vocabulary.
    """
    if not any(lines):
        raise MTError("there is no text to train the tokenizer on")
    model = io.BytesIO()
    try:
        with end_on_signals():  # Python would only act on a signal when the training returns
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
                # In bytes, at least 10. SentencePiece silently drops longer lines.
                max_sentence_length=max(10, max(len(line.encode()) for line in lines) + 1),
                train_extremely_large_corpus=len(lines) > 10_000_000,
                num_threads=TRAINING_THREADS,
                minloglevel=2,
            )
    except RuntimeError as error:
        raise MTError(_explain(str(error), config)) from error
    return model.getvalue()


def _explain(message: str, config: TokenizerConfig) -> str:
    """Translate an error message of SentencePiece into a hint at what to do."""
    too_large = re.search(r"set it to a value <= (\d+)", message)
    if too_large:
        return (
            f"the text is too small for data.tokenizer.vocab_size={config.vocab_size}: "
            f"it supports at most {too_large[1]}; "
            f"set data.tokenizer.vocab_size={too_large[1]} or less"
        )
    too_small = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    if too_small:
        return (
            f"data.tokenizer.vocab_size={config.vocab_size} has no room for single characters and "
            f"bytes: set it to more than {too_small[1]}, or lower data.tokenizer.character_coverage"
        )
    return f"cannot train the tokenizer: {message}"


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
