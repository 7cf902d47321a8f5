"""Transformers in the layouts of the hub: which models have one, and their configuration.

A post-norm Transformer is a MarianMT model. A pre-norm Transformer is the model of PEGASUS (Zhang
et al. 2020), which has the same sinusoids, output bias and names; its tokenizer is Marian's.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mt.config.schema import Config, ModelConfig
from mt.data.tags import MARK
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.decoding.options import SearchOptions
from mt.exporting.ctranslate2_support import side_setting
from mt.importing.weight_names import to_hub

# model_type in config.json -> class of transformers, by the placement of our norms
ARCHITECTURES = {
    "post": ("marian", "MarianMTModel"),
    "pre": ("pegasus", "PegasusForConditionalGeneration"),
}
# Settings of the Transformer -> the values that these classes have.
SUPPORTED: dict[str, tuple[Any, ...]] = {
    "norm": tuple(ARCHITECTURES),
    "norm_kind": ("layer",),
    "activation": ("relu", "gelu", "swish"),
    "select": ("softmax",),
    "softcap": (0,),
    "qk_norm": (False,),
}
MIN_POSITIONS = 512


def obstacles(config: ModelConfig) -> list[str]:
    """Return the settings that no class of transformers has, as "setting=value (only ...)"."""
    families = {f"model.{side}": getattr(config, side) for side in ("encoder", "decoder")}
    found = [f"{key}={value}" for key, value in families.items() if value != "transformer"]
    if found:
        return [f"{each} (only transformer)" for each in found]
    transformer = config.transformer
    values = {name: (getattr(transformer, name), only) for name, only in SUPPORTED.items()}
    values["kv_heads"] = (transformer.kv_heads or transformer.heads, (transformer.heads,))
    for side in ("encoder", "decoder"):
        values[f"{side}_position"] = (side_setting(config, side, "position"), ("sinusoidal",))
        values[f"{side}_pattern"] = (side_setting(config, side, "pattern"), ("full",))
    if transformer.norm == "pre":
        values["tie_embeddings"] = (config.tie_embeddings, ("all",))
    return [
        f"{name}={value} (only {', '.join(map(str, only))})"
        for name, (value, only) in values.items()
        if value not in only
    ]


def hub_config(config: Config, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the content of config.json."""
    model, transformer = config.model, config.model.transformer
    model_type, name = ARCHITECTURES[transformer.norm]
    sides = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in (("attention_heads", transformer.heads), ("ffn_dim", transformer.ff_dim))
    }
    longest = 2 * (config.data.max_pieces + 1) + SearchOptions().max_extra
    return {
        "model_type": model_type,
        "architectures": [name],
        "is_encoder_decoder": True,
        "vocab_size": tokenizer.vocab_size("src"),
        "decoder_vocab_size": tokenizer.vocab_size("tgt"),
        "share_encoder_decoder_embeddings": model.tie_embeddings == "all",
        "tie_word_embeddings": model.tie_embeddings != "none",
        "d_model": model.dim,
        "encoder_layers": transformer.encoder_layers,
        "decoder_layers": transformer.decoder_layers,
        **sides,
        "activation_function": transformer.activation,
        "scale_embedding": True,
        "max_position_embeddings": max(MIN_POSITIONS, longest),
        "dropout": model.dropout,
        "attention_dropout": transformer.attention_dropout,
        "activation_dropout": transformer.activation_dropout,
        "pad_token_id": PAD,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "decoder_start_token_id": BOS,
        "forced_eos_token_id": None,
    }


def generation_config(config: Config) -> dict[str, Any]:
    """Return the content of generation_config.json: the search of mt."""
    options = SearchOptions()
    return {
        "decoder_start_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "bad_words_ids": [[PAD], [UNK], [BOS]],
        "num_beams": options.beam,
        "length_penalty": options.length_penalty,
        "max_length": max(MIN_POSITIONS, config.data.max_pieces + 1),
    }


def tokenizer_config(config: Config, tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the content of tokenizer_config.json."""
    source, target = config.data.languages()
    pieces = tokenizer.pieces(range(EOS + 1), "src")
    return {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": source,
        "target_lang": target,
        "separate_vocabs": not tokenizer.joint,
        "model_max_length": config.data.max_pieces + 1,
        "pad_token": pieces[PAD],
        "unk_token": pieces[UNK],
        "bos_token": pieces[BOS],
        "eos_token": pieces[EOS],
    }


def vocabulary(tokenizer: Tokenizer, side: str) -> dict[str, int]:
    """Return the content of vocab.json: the id of each piece, tags as >>tag<<."""
    pieces = tokenizer.pieces(range(tokenizer.vocab_size(side)), side)
    return {hub_piece(piece): number for number, piece in enumerate(pieces)}


def hub_piece(piece: str) -> str:
    """Return a piece as MarianTokenizer finds it: it takes >>tag<< in front of a text for a tag."""
    return f">>{piece[len(MARK) :]}<<" if piece.startswith(MARK) else piece


def hub_tensors(tensors: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Return the weights under the names of the hub, tied ones once."""
    transformer = config.transformer
    layers = {"encoder": transformer.encoder_layers, "decoder": transformer.decoder_layers}
    found = to_hub(tensors, layers, final_norms=transformer.norm == "pre")
    if config.tie_embeddings == "all":
        found["model.shared.weight"] = tensors["source_embedding.weight"]
    else:
        for side, name in (("encoder", "source"), ("decoder", "target")):
            found[f"model.{side}.embed_tokens.weight"] = tensors[f"{name}_embedding.weight"]
    if config.tie_embeddings == "none":
        found["lm_head.weight"] = tensors["output.weight"]
    found["final_logits_bias"] = tensors["output.bias"][None]
    return {name: tensor.contiguous().clone() for name, tensor in found.items()}
