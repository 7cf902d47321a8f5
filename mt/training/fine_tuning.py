"""Fine-tuning: settings that come from the run that training starts from."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from mt.config.automatic import open_keys, with_values
from mt.config.compose import load_config
from mt.config.schema import Config, get_value, keys
from mt.data.language_codes import UNKNOWN, language_code
from mt.data.prepare import PreparedData
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import UNK
from mt.errors import UsageError
from mt.run_folder import RunFolder

INHERITED = ("model.", "data.tokenizer.")
# Settings that may differ. Rates of dropout are inherited if they are not given, the others not.
FREE = (
    "model.transformer.recompute",
    "data.tokenizer.sampling",
    "data.tokenizer.max_vocab_size",
    "data.tokenizer.extend",
)
DROPOUTS = (
    "model.dropout",
    "model.transformer.attention_dropout",
    "model.transformer.activation_dropout",
)
SAMPLE_PAIRS = 5000  # of each source, spread evenly
BYTE = "<0x"  # the pieces of bytes begin so
SPACE = "\u2581"  # the first piece of a word begins so


def inherit_settings(config: Config, named: Collection[str] = ()) -> Config:
    """Return the settings with those of model and tokenizer from trainer.init_from.

    A setting counts as given if mt-train would not have this value without any settings, or if it
    is `named` on the command line. The optimizer is that of the run if it is `auto`, and so are the
    languages of a multilingual run if they are not given. Raises UsageError that lists what is
    given and differs.
    """
    if not config.trainer.init_from:
        return config
    folder = RunFolder.at(config.trainer.init_from)
    before = folder.read_config()
    before.data.tokenizer.vocab_size += before.data.tokenizer.extend
    usual = load_config([f"auto={str(config.auto).lower()}"])
    inherited: dict[str, Any] = {}
    refused: list[str] = []
    for key in keys():
        used, now = get_value(before, key), get_value(config, key)
        if not key.startswith(INHERITED) or key in FREE or used == now:
            continue
        if now == get_value(usual, key) and key not in named:
            inherited[key] = used
        elif key not in DROPOUTS:
            refused.append(f"{key}={format_value(now)} (it has {format_value(used)})")
    if refused:
        raise UsageError(
            f"trainer.init_from={config.trainer.init_from} has another model or tokenizer: leave "
            f"out {', '.join(refused)}"
        )
    if folder.languages.exists():
        pair = before.data.languages()
        sides = ("data.src_lang", "data.tgt_lang")
        for key, code in zip(sides, reversed(pair) if config.data.reverse else pair, strict=True):
            if get_value(config, key) == get_value(Config(), key):
                inherited[key] = code
    if "optim.optimizer" in open_keys(config):
        inherited["optim.optimizer"] = "adamw" if config.optim.lora else before.optim.optimizer
    return with_values(config, inherited)


def format_value(value: Any) -> str:
    """Return the value of a setting as it is written on the command line."""
    return str(value) if isinstance(value, str) else json.dumps(value)


def describe_start(config: Config, data: PreparedData) -> list[str]:
    """Return lines on the run that training starts from, and how its vocabulary suits the text."""
    shares = [
        f"{100 * share:.1f} % of the {side} words"
        for side, share in zip(("source", "target"), unknown_shares(data), strict=True)
    ]
    size, new = data.tokenizer.vocab_size(), config.data.tokenizer.extend
    pieces = f"{size:,} pieces, {new:,} of them new" if new else f"its {size:,} pieces"
    return [
        f"fine-tuning {config.trainer.init_from} with {pieces}: {' and '.join(shares)} of the new "
        "text have bytes or unknown pieces",
        *compare_languages(config),
    ]


def compare_languages(config: Config) -> list[str]:
    """Return a note if the run that training starts from is known to have other languages.

    A multilingual run has many, and one of both directions each pair in both orders.
    """
    folder = RunFolder.at(config.trainer.init_from)
    before = folder.read_config().data
    old, new = before.languages(), config.data.languages()
    directions = [old, old[::-1]] if before.both_directions else [old]
    is_same = list(map(language_code, new)) in [list(map(language_code, d)) for d in directions]
    if is_same or folder.languages.exists() or not set(UNKNOWN).isdisjoint((*old, *new)):
        return []
    return [
        f"note: {config.trainer.init_from} translates {old[0]} to {old[1]}, and this text is "
        f"{new[0]} to {new[1]}"
    ]


def unknown_shares(data: PreparedData) -> list[float]:
    """Return the share of words that have bytes or unknown pieces, of source and target.

    They are those of a sample of the training pairs. A word begins with a piece that has a space.
    """
    shares = []
    for number, side in enumerate(("src", "tgt")):
        starts, is_unknown = piece_kinds(data.tokenizer, side)
        words = unknown = 0
        for table in data.train:
            count = min(SAMPLE_PAIRS, len(table))
            rows = np.arange(count) * len(table) // max(1, count)
            encoded: Sequence[Any]
            if table.holds_text:
                encoded = data.tokenizer.encode_many(table.text(rows)[number], side)
            else:
                encoded = table.pieces(rows)[number]
            for ids in encoded:
                word = np.cumsum(starts[ids])  # 0: of a tag or a language
                words += len(np.unique(word[word > 0]))
                unknown += len(np.unique(word[is_unknown[ids] & (word > 0)]))
        shares.append(unknown / max(1, words))
    return shares


def piece_kinds(tokenizer: Tokenizer, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Return for each id whether it begins a word, and whether it is a byte or unknown."""
    pieces = tokenizer.pieces(range(tokenizer.vocab_size(side)), side)
    is_unknown = np.array([piece.startswith(BYTE) for piece in pieces])
    is_unknown[UNK] = True
    return np.array([piece.startswith(SPACE) for piece in pieces]), is_unknown
