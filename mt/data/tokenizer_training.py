"""Training of a SentencePiece model."""

from __future__ import annotations

import contextlib
import pickle
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from mt.config.schema import TokenizerConfig
from mt.data import sentencepiece_process
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
    result = _run_process(lines, settings)
    if isinstance(result, str):
        raise MTError(_explain(result, config))
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
