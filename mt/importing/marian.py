"""MarianMT (Junczys-Dowmunt et al. 2018), the layout of the models of Helsinki-NLP/opus-mt-*.

A post-norm Transformer with sinusoids, an output bias, and one vocabulary for two SentencePiece
models. Decoding starts with the embedding of padding. The pre-norm Transformers that mt exports to
the hub have the same layout, with the model of PEGASUS: see `mt.exporting.hub_layout`.
"""

from __future__ import annotations

import re
from typing import Any

from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.importing.hub_folder import HubFolder
from mt.importing.pretrained import Pretrained, RowOrder, pieces_by_id
from mt.importing.transformer import Tables, read_transformer

FILES = ("source.spm", "target.spm", "vocab.json")
TARGET_VOCABULARY = "target_vocab.json"  # of models with separate vocabularies
# Setting -> the only value that is supported, also if it is not given.
FIXED = {
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
}
NAME = re.compile(r"opus-mt-(?:tc-\w+-)?([a-z_]+)-([a-z_]+)")  # with the languages


def read_marian(folder: HubFolder, languages: tuple[str, str]) -> Pretrained:
    """Read a model. Raises MTError that lists all that is in the way.

    `languages` are the codes of source and target; "" stands for that of the model.
    """
    separate = [TARGET_VOCABULARY] if has_separate_vocabularies(folder) else []
    found = read_transformer(folder, [*FILES, *separate], FIXED, read_tokenizer)
    source, target = (
        given or known for given, known in zip(languages, known_languages(folder), strict=True)
    )
    longest = folder.max_length()
    return Pretrained(found.model, found.tensors, found.tokenizer, (source, target), longest - 1)


def read_tokenizer(
    folder: HubFolder, config: dict[str, Any], tables: Tables
) -> tuple[Tokenizer, dict[str, RowOrder]]:
    """Return the tokenizer, and the order of the rows of each side.

    Raises MTError or ValueError if vocabulary, SentencePiece models and weights do not fit.
    """
    files = {"src": "vocab.json"}
    if has_separate_vocabularies(folder):
        files["tgt"] = TARGET_VOCABULARY
    vocabularies, orders = [], {}
    for side, name in files.items():
        content = folder.read_json(name)
        pieces = pieces_by_id(content, name)
        table = tables["source" if side == "src" else "target"]
        if len(pieces) != len(table):
            raise MTError(f"{name} has {len(pieces):,} pieces, and the weights {len(table):,} rows")
        pad, start, eos = (config[f"{key}_token_id"] for key in ("pad", "decoder_start", "eos"))
        if "<unk>" not in content or (content.get("<pad>"), content.get("</s>")) != (pad, eos):
            raise MTError(f"{name} has no <unk>, or another <pad> or </s> than config.json")
        if start not in pieces:
            raise MTError(f"{name} has no piece decoder_start_token_id={start}")
        orders[side] = RowOrder.build(len(pieces), pad, content["<unk>"], start, eos)
        vocabularies.append(orders[side].vocabulary(pieces))
    models = [folder.read_sentencepiece(name) for name in ("source.spm", "target.spm")]
    try:
        tokenizer = Tokenizer(*models, vocabularies=vocabularies)
    except ValueError as error:
        raise MTError(f"source.spm or target.spm: {error}") from error
    return tokenizer, {"tgt": orders["src"], **orders}


def has_separate_vocabularies(folder: HubFolder) -> bool:
    """Return whether source and target have vocabularies of their own."""
    return bool(folder.read_json("tokenizer_config.json", {}).get("separate_vocabs"))


def known_languages(folder: HubFolder) -> tuple[str, str]:
    """Return the codes of source and target, from tokenizer_config.json or the name."""
    settings = folder.read_json("tokenizer_config.json", {})
    match = NAME.search(folder.name)
    found = match.groups() if match else ("", "")
    pairs = zip(("source_lang", "target_lang"), found, strict=True)
    source, target = (str(settings.get(key) or name) for key, name in pairs)
    return source, target
