"""Names of the cache folders of prepared corpora.

A name is a hash of everything that shapes the content: the text, the settings and the versions of
the code. A setting with the value of versions without it leaves the name as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import sentencepiece

from mt.config.schema import CleanConfig, DataConfig
from mt.data.corpus import RawCorpus
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_settings import cached_settings, settings_with_given
from mt.files import expand_user

# Of the cache folder. Raise it when the code would write other content for the same settings.
FORMAT = 2


def cache_folder(config: DataConfig) -> Path:
    """Return the folder that holds all prepared corpora."""
    return expand_user(config.cache or os.environ.get("MT_CACHE") or "~/.cache/mt")


def cleaning_settings(config: CleanConfig) -> dict[str, Any]:
    """Return the settings of cleaning, except those with the value of versions without them."""
    absent = {field.name: field.metadata["absent"] for field in fields(config)}
    return {
        name: value
        for name, value in asdict(config).items()
        if absent[name] is None or value != absent[name]
    }


def tokenizer_digests(tokenizer: Tokenizer | None) -> list[str]:
    """Return digests of the models of a tokenizer that is given; empty if none is."""
    models = tokenizer.serialized() if tokenizer else []
    return [hashlib.sha256(model).hexdigest() for model in models]


def cache_key(config: DataConfig, corpus: RawCorpus, tokenizer: Tokenizer | None) -> str:
    """Return a hash of everything that shapes the written files.

    Weights and names of the sources do not affect it. An automatic vocabulary counts as one of the
    largest automatic size.
    """
    settings = cached_settings(config.tokenizer)
    largest = settings.pop("max_vocab_size")
    settings["vocab_size"] = config.tokenizer.vocab_size or largest
    given = tokenizer_digests(tokenizer)
    parts = {
        "format": FORMAT,
        "versions": [sentencepiece.__version__, unicodedata.unidata_version],
        "text": [
            [source.fingerprint() for source in corpus.train],
            corpus.val.fingerprint(),
            corpus.test.fingerprint(),
        ],
        "clean": cleaning_settings(config.clean),
        "tokenizer": [given, *settings_with_given(config.tokenizer)] if given else settings,
        "max_pieces": config.max_pieces,
    }
    if config.clean.max_foreign:  # drops what is in other languages
        parts["languages"] = config.languages()
    if corpus.val_sets:
        parts["val_sets"] = [source.fingerprint() for source in corpus.val_sets]
    noise = asdict(config.noise)
    if any(noise.values()):
        parts["noise"] = noise
    if corpus.reversed_tag:
        parts["reversed"] = corpus.reversed_tag
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]
