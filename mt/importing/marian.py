"""MarianMT (Junczys-Dowmunt et al. 2018), the layout of the models of Helsinki-NLP/opus-mt-*.

A post-norm Transformer with sinusoids, an output bias, and one vocabulary for two SentencePiece
models. Decoding starts with the embedding of padding. The pre-norm Transformers that mt exports to
the hub have the same layout, with the model of PEGASUS: see `mt.exporting.hub_layout`.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from mt.attention.transformer.positions import SinusoidalPositions
from mt.config.schema import ModelConfig, TransformerConfig
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.importing.hub_folder import HubFolder
from mt.importing.pretrained import Pretrained, RowOrder, pieces_by_id
from mt.importing.weight_names import parameter_names, to_mt

FILES = ("config.json", "source.spm", "target.spm", "vocab.json")
NORMS = {"marian": "post", "pegasus": "pre"}  # by model_type
TARGET_VOCABULARY = "target_vocab.json"  # of models with separate vocabularies
# Activation in config.json -> ours
ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu", "gelu": "gelu"}
# Setting -> the only value that is supported, also if it is not given.
FIXED = {
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
}
NUMBERS = (  # settings that must be there
    "d_model",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "encoder_ffn_dim",
    "pad_token_id",
    "eos_token_id",
    "decoder_start_token_id",
)
EQUAL = ("attention_heads", "ffn_dim")  # settings of encoder and decoder that must be the same
POSITION_TOLERANCE = 1e-4
NAME = re.compile(r"opus-mt-(?:tc-\w+-)?([a-z_]+)-([a-z_]+)")  # with the languages


def read_marian(folder: HubFolder) -> Pretrained:
    """Read a model. Raises MTError that lists all that is in the way."""
    problems = [f"no {name}" for name in folder.missing(FILES)]
    if not folder.weight_files():
        problems.append("no model.safetensors or pytorch_model.bin")
    config = {} if "no config.json" in problems else folder.read_json("config.json")
    problems += obstacles(config) if config else []
    if problems:
        raise MTError(f"cannot import {folder.name}: {'; '.join(problems)}")
    tensors = folder.read_tensors()
    tables = read_tables(tensors, config)
    problems = weight_problems(tensors, config, tables)
    tokenizer: Tokenizer | None = None
    orders: dict[str, RowOrder] = {}
    try:
        tokenizer, orders = read_tokenizer(folder, config, tables)
    except (MTError, ValueError) as error:
        problems.append(str(error))
    if problems or tokenizer is None:
        raise MTError(f"cannot import {folder.name}: {'; '.join(problems)}")
    model = model_settings(config)
    weights = to_mt(tensors, layer_counts(config), has_final_norms(config))
    source, target = orders["src"], orders["tgt"]
    weights["source_embedding.weight"] = source.embeddings(tables["source"])
    if model.tie_embeddings != "all":
        weights["target_embedding.weight"] = target.embeddings(tables["target"])
    if model.tie_embeddings == "none":
        weights["output.weight"] = target.embeddings(tables["output"])
    bias = tensors.get("final_logits_bias", torch.zeros(len(tables["output"])))
    weights["output.bias"] = target.bias(bias)
    return Pretrained(model, weights, tokenizer, languages(folder), max_length(folder, config) - 1)


def obstacles(config: dict[str, Any]) -> list[str]:
    """Return what is not supported in config.json, as "setting=value (only ...)"."""
    found = []
    values: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "activation_function": (config.get("activation_function", "gelu"), tuple(ACTIVATIONS)),
        "scale_embedding": (config.get("scale_embedding", False), (True,)),
    }
    for name, only in FIXED.items():
        values[name] = (config.get(name, only), (only,))
    for name in EQUAL:
        encoder, decoder = (config.get(f"{side}_{name}") for side in ("encoder", "decoder"))
        values[f"decoder_{name}"] = (decoder, (encoder,))
    for name, (value, supported) in values.items():
        if value not in supported:
            found.append(f"{name}={value} (only {', '.join(map(str, supported))})")
    found += [f"no {name} in config.json" for name in NUMBERS if type(config.get(name)) is not int]
    return found


def model_settings(config: dict[str, Any]) -> ModelConfig:
    """Return our settings of the model that config.json describes."""
    tied = config.get("tie_word_embeddings", True)
    shared = config.get("share_encoder_decoder_embeddings", True)
    return ModelConfig(
        dim=config["d_model"],
        dropout=float(config.get("dropout", 0.1)),
        tie_embeddings=("all" if shared else "target") if tied else "none",
        transformer=TransformerConfig(
            encoder_layers=config["encoder_layers"],
            decoder_layers=config["decoder_layers"],
            heads=config["encoder_attention_heads"],
            ff_dim=config["encoder_ffn_dim"],
            norm=NORMS[config["model_type"]],
            activation=ACTIVATIONS[config.get("activation_function", "gelu")],
            attention_dropout=float(config.get("attention_dropout", 0)),
            activation_dropout=float(config.get("activation_dropout", 0)),
        ),
    )


def layer_counts(config: dict[str, Any]) -> dict[str, int]:
    """Return the number of layers of each side."""
    return {side: config[f"{side}_layers"] for side in ("encoder", "decoder")}


def has_final_norms(config: dict[str, Any]) -> bool:
    """Return whether a norm follows the last layer, as after pre-norm layers."""
    return NORMS[config["model_type"]] == "pre"


def read_tables(tensors: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """Return the embeddings of source and target, and the weights of the output layer.

    Tied tables are stored once, under any of their names. A table that is missing is left out.
    """
    shared = ["model.shared.weight"]
    names = {
        "source": ["model.encoder.embed_tokens.weight", *shared],
        "target": ["model.decoder.embed_tokens.weight", *shared],
        "output": ["lm_head.weight"],
    }
    if config.get("tie_word_embeddings", True):
        names["output"] += names["target"]
        names["target"] += ["lm_head.weight"]
        if config.get("share_encoder_decoder_embeddings", True):
            names["source"] += names["target"]
    found = {
        table: next((tensors[name] for name in options if name in tensors), None)
        for table, options in names.items()
    }
    return {table: tensor for table, tensor in found.items() if tensor is not None}


def weight_problems(
    tensors: dict[str, Tensor], config: dict[str, Any], tables: dict[str, Tensor]
) -> list[str]:
    """Return what is missing or has another shape than config.json says, and unknown tensors."""
    pairs = parameter_names(layer_counts(config), has_final_norms(config))
    names = [name for _, others in pairs for name in others]
    missing = [name for name in names if name not in tensors]
    missing += [f"the {table} embeddings" for table in ("source", "target") if table not in tables]
    problems = [f"{len(missing)} weights are missing, the first is {missing[0]}"] if missing else []
    dim, inner = config["d_model"], config["encoder_ffn_dim"]
    wrong = [
        name for name in names if name in tensors and not {*tensors[name].shape} <= {dim, inner}
    ]
    wrong += [f"the {name} embeddings" for name, each in tables.items() if each.shape[1:] != (dim,)]
    if wrong:
        problems.append(f"{len(wrong)} weights do not have the shape of config.json: {wrong[0]}")
    for side in ("encoder", "decoder"):
        name = f"model.{side}.embed_positions.weight"
        if name in tensors and not is_sinusoidal(tensors[name]):
            problems.append(f"{name} are not sinusoids")
    known = {"final_logits_bias", "lm_head.weight", "model.shared.weight", *names}
    known |= {
        f"model.{side}.embed_{kind}.weight"
        for side in ("encoder", "decoder")
        for kind in ("tokens", "positions")
    }
    if unknown := sorted(tensors.keys() - known):
        problems.append(f"{len(unknown)} weights are unknown, the first is {unknown[0]}")
    return problems


def is_sinusoidal(table: Tensor) -> bool:
    """Return whether a table of positions [N, D] holds our sinusoids."""
    count, dim = table.shape
    ours = SinusoidalPositions(dim).add(torch.zeros(1, count, dim), torch.arange(count))[0]
    return bool((ours - table).abs().max() < POSITION_TOLERANCE)


def read_tokenizer(
    folder: HubFolder, config: dict[str, Any], tables: dict[str, Tensor]
) -> tuple[Tokenizer, dict[str, RowOrder]]:
    """Return the tokenizer, and the order of the rows of each side.

    Raises MTError or ValueError if vocabulary, SentencePiece models and weights do not fit.
    """
    files = {"src": "vocab.json"}
    if folder.read_json("tokenizer_config.json", {}).get("separate_vocabs"):
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
    models = [folder.read_bytes(name) for name in ("source.spm", "target.spm")]
    try:
        tokenizer = Tokenizer(*models, vocabularies=vocabularies)
    except ValueError as error:
        raise MTError(f"source.spm or target.spm: {error}") from error
    return tokenizer, {"tgt": orders["src"], **orders}


def max_length(folder: HubFolder, config: dict[str, Any]) -> int:
    """Return the maximum length of a source in tokens, the end of the sentence included."""
    positions = config.get("max_position_embeddings", 1024)
    given = folder.read_json("tokenizer_config.json", {}).get("model_max_length", positions)
    return int(min(positions, given))


def languages(folder: HubFolder) -> tuple[str, str]:
    """Return the codes of source and target, from tokenizer_config.json or the name."""
    settings = folder.read_json("tokenizer_config.json", {})
    match = NAME.search(folder.name)
    found = match.groups() if match else ("", "")
    pairs = zip(("source_lang", "target_lang"), found, strict=True)
    source, target = (str(settings.get(key) or name) for key, name in pairs)
    return source, target
