"""Transformers of the hub with the names of BART: MarianMT, PEGASUS, M2M-100 and NLLB-200.

They differ in the placement of norms, the sinusoids and the tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from mt.attention.transformer.positions import build_positions
from mt.config.checks import check_values
from mt.config.schema import Config, ModelConfig, TransformerConfig
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError, UsageError
from mt.importing.hub_folder import HubFolder
from mt.importing.pretrained import RowOrder
from mt.importing.weight_names import parameter_names, to_mt

NORMS = {"marian": "post", "pegasus": "pre", "m2m_100": "pre"}  # by model_type
POSITIONS = {"marian": "sinusoidal", "pegasus": "sinusoidal", "m2m_100": "fairseq"}
# Activation in config.json -> ours
ACTIVATIONS = {"swish": "swish", "silu": "swish", "relu": "relu", "gelu": "gelu"}
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
TRUTHS = ("tie_word_embeddings", "share_encoder_decoder_embeddings")  # if they are there
EQUAL = ("attention_heads", "ffn_dim")  # settings of encoder and decoder that must be the same
RATES = ("dropout", "attention_dropout", "activation_dropout")
POSITION_TOLERANCE = 1e-4
POSITION_TABLES = ("embed_positions.weight", "embed_positions.weights")  # under these names

Tables = dict[str, Tensor]  # embeddings of "source" and "target", weights of the "output" layer
# Returns the tokenizer and the order of the rows of "src" and "tgt", given config.json. Raises
# MTError or ValueError if vocabulary, SentencePiece models and weights do not fit.
TokenizerReader = Callable[
    [HubFolder, dict[str, Any], Tables], tuple[Tokenizer, Mapping[str, RowOrder]]
]


@dataclass(frozen=True)
class ImportedTransformer:
    """The settings, weights and tokenizer of a model, and its config.json."""

    config: dict[str, Any]
    model: ModelConfig
    tensors: dict[str, Tensor]
    tokenizer: Tokenizer


def read_transformer(
    folder: HubFolder,
    required: Sequence[str],
    fixed: Mapping[str, Any],
    read_tokenizer: TokenizerReader,
) -> ImportedTransformer:
    """Read a model. Raises MTError that lists all that is in the way.

    `required` are the files that must be there besides the weights. `fixed` are settings with the
    only value that is supported, which is also theirs if they are not given.
    """
    problems = [f"no {name}" for name in folder.missing(("config.json", *required))]
    files = folder.weight_files()
    problems += [f"no {name}" for name in folder.missing(tuple(files))]
    if not files:
        problems.append("no model.safetensors or pytorch_model.bin")
    config = {} if "no config.json" in problems else folder.read_json("config.json")
    problems += obstacles(config, fixed) if config else []
    if problems:
        raise MTError(f"cannot import {folder.name}: {'; '.join(problems)}")
    tensors = folder.read_tensors()
    tables = read_tables(tensors, config)
    problems = weight_problems(tensors, config, tables)
    tokenizer: Tokenizer | None = None
    orders: Mapping[str, RowOrder] = {}
    if len(tables) == 3:
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
    return ImportedTransformer(config, model, weights, tokenizer)


def obstacles(config: dict[str, Any], fixed: Mapping[str, Any]) -> list[str]:
    """Return what is not supported in config.json, as "setting=value (only ...)"."""
    found = []
    values: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "activation_function": (config.get("activation_function", "gelu"), tuple(ACTIVATIONS)),
        "scale_embedding": (config.get("scale_embedding", False), (True,)),
    }
    for name, only in fixed.items():
        values[name] = (config.get(name, only), (only,))
    for name in EQUAL:
        encoder, decoder = (config.get(f"{side}_{name}") for side in ("encoder", "decoder"))
        values[f"decoder_{name}"] = (decoder, (encoder,))
    for name, (value, supported) in values.items():
        if value not in supported:
            found.append(f"{name}={value} (only {', '.join(map(str, supported))})")
    for name, kind, meaning in (
        *((name, int, "a whole number") for name in NUMBERS),
        *((name, bool, "true or false") for name in TRUTHS if name in config),
    ):
        if type(value := config.get(name)) is not kind:
            given = f"{name} is {value!r}, not {meaning}," if name in config else f"no {name}"
            found.append(f"{given} in config.json")
    rates = {name: config.get(name, 0) for name in RATES}
    found += [
        f"{name}={rate} (only numbers)"
        for name, rate in rates.items()
        if not isinstance(rate, int | float)
    ]
    if not found:
        try:
            check_values(Config(model=model_settings(config)))
        except UsageError as error:
            found.append(str(error))
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
            position=POSITIONS[config["model_type"]],
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


def table_names(config: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names that each of the `Tables` may have; a tied one is stored once or more."""
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
    return names


def read_tables(tensors: dict[str, Tensor], config: dict[str, Any]) -> Tables:
    """Return the tables; one that is missing is left out."""
    found = {
        table: next((tensors[name] for name in names if name in tensors), None)
        for table, names in table_names(config).items()
    }
    return {table: tensor for table, tensor in found.items() if tensor is not None}


def unequal_tables(tensors: dict[str, Tensor], config: dict[str, Any]) -> list[str]:
    """Return the names of two tables that config.json ties and that differ, if there are any."""
    if not config.get("tie_word_embeddings", True):
        return []  # model.shared is not used then
    for names in table_names(config).values():
        first, *others = [name for name in dict.fromkeys(names) if name in tensors] or [""]
        for other in others:
            if not torch.equal(tensors[first], tensors[other]):
                return [first, other]
    return []


def weight_problems(
    tensors: dict[str, Tensor], config: dict[str, Any], tables: Tables
) -> list[str]:
    """Return what is missing or has another shape than config.json says, and unknown tensors."""
    pairs = parameter_names(layer_counts(config), has_final_norms(config))
    names = [name for _, others in pairs for name in others]
    missing = [name for name in names if name not in tensors]
    missing += [f"the {table} embeddings" for table in table_names(config) if table not in tables]
    problems = [f"{len(missing)} weights are missing, the first is {missing[0]}"] if missing else []
    dim, inner = config["d_model"], config["encoder_ffn_dim"]
    wrong = [
        name for name in names if name in tensors and not {*tensors[name].shape} <= {dim, inner}
    ]
    wrong += [f"the {name} embeddings" for name, each in tables.items() if each.shape[1:] != (dim,)]
    if wrong:
        problems.append(f"{len(wrong)} weights do not have the shape of config.json: {wrong[0]}")
    infinite = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if infinite:
        problems.append(f"{len(infinite)} weights are not finite, the first is {infinite[0]}")
    elif unequal := unequal_tables(tensors, config):
        problems.append(f"config.json ties {' and '.join(unequal)}, which differ")
    positions = [
        f"model.{side}.{name}" for side in ("encoder", "decoder") for name in POSITION_TABLES
    ]
    problems += [
        f"{name} are not sinusoids"
        for name in positions
        if name in tensors and not is_sinusoidal(tensors[name], POSITIONS[config["model_type"]])
    ]
    known = {"final_logits_bias", *names, *positions, *chain(*table_names(config).values())}
    if unknown := sorted(tensors.keys() - known):
        problems.append(f"{len(unknown)} weights are unknown, the first is {unknown[0]}")
    return problems


def is_sinusoidal(table: Tensor, name: str) -> bool:
    """Return whether a table of positions [N, D] holds the sinusoids of a scheme of mt."""
    if name == "fairseq":
        table = table[2:]  # the first rows belong to no position
    count, dim = table.shape
    scheme = build_positions(name, TransformerConfig(), dim, layers=0, causal=False)
    ours = scheme.add(torch.zeros(1, count, dim), torch.arange(count))[0]
    return bool((ours - table).abs().max() < POSITION_TOLERANCE)
