"""Small random models in the layouts of the Hugging Face hub, made with transformers."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import sentencepiece
import torch

from mt import import_model

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

SOURCE_WORDS = "the a cat dog house tree sees under is red green and or not . , ? dog's 42".split()
TARGET_WORDS = (
    "der die das Katze Hund Haus Baum sieht unter ist rot grün und oder nicht . , ?".split()
)
ODD_LINES = [
    "  two  spaces ",
    "tab\there",
    "ｆｕｌｌ　ｗｉｄｔｈ",
    "cafe\u0301 café",
    "♥♥ the ☃ cat",
    "日本語のテキスト。",
    "👩\u200d👧 😀",
    "a\u200bb\u200cc\u2060d",
    "THE CAT &amp; <b>dog</b>",
    "x" * 60,
    "1,234.56 % — “quoted” … ‚low‘",
    "grün Katze",  # pieces of the other side
    "مرحبا بالعالم",
    "2 < 3 > 1 << >>",
    "\ufeffbyte order mark",
    "▁the ▁▁ cat",
    "the cat sees the dog . the house is red ?",
    "\u2028line",
    "?",
    ".",
]


def lines(count: int, words: list[str], seed: int = 0) -> list[str]:
    choose = random.Random(seed)
    return [" ".join(choose.choices(words, k=choose.randint(1, 14))) for _ in range(count)]


def mixed_lines(count: int) -> list[str]:
    """Return odd and ordinary lines."""
    return [*ODD_LINES, *lines(count - len(ODD_LINES), SOURCE_WORDS, seed=7)]


def stripped_lines(count: int) -> list[str]:
    """Return odd and ordinary lines without outer spaces, of which NLLB-200 makes a piece."""
    return [line.strip() for line in mixed_lines(count)]


def train_spm(words: list[str], size: int, **settings: Any) -> bytes:
    """Train a SentencePiece model with its defaults: the normalisation is nmt_nfkc."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines(400, words)),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        **settings,
    )
    return model.getvalue()


def pieces_of(model: bytes) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor()
    processor.load_from_serialized_proto(model)
    return [processor.id_to_piece(i) for i in range(len(processor))]


def save_marian(
    folder: Path, separate: bool = False, tags: tuple[str, ...] = (), **changes: Any
) -> Path:
    """Save a random MarianMT model with the files and the order of ids of Helsinki-NLP's models."""
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir(parents=True)
    models = {"source": train_spm(SOURCE_WORDS, 70), "target": train_spm(TARGET_WORDS, 70)}
    pieces = {
        side: set(pieces_of(model)) - {"<unk>", "<s>", "</s>"} for side, model in models.items()
    }
    groups = [pieces["source"] | pieces["target"]]
    if separate:  # with fillers, because the ids of special tokens must be the same
        longest = max(map(len, pieces.values()))
        groups = [
            each | {f"filler{i}" for i in range(longest - len(each))} for each in pieces.values()
        ]
    vocabularies = [
        {piece: i for i, piece in enumerate(["</s>", "<unk>", *sorted(group), *tags, "<pad>"])}
        for group in groups
    ]
    for side, model in models.items():
        (folder / f"{side}.spm").write_bytes(model)
    for name, vocabulary in zip(("vocab.json", "target_vocab.json"), vocabularies, strict=False):
        (folder / name).write_text(json.dumps(vocabulary))
    settings: dict[str, Any] = {"source_lang": "eng", "target_lang": "deu"}
    if separate:
        settings |= {"separate_vocabs": True, "tokenizer_class": "MarianTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    pad = len(vocabularies[0]) - 1
    config = MarianConfig(
        **{
            "vocab_size": len(vocabularies[0]),
            "decoder_vocab_size": len(vocabularies[-1]),
            "share_encoder_decoder_embeddings": not separate,
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "activation_function": "swish",
            "scale_embedding": True,
            "max_position_embeddings": 128,
            "pad_token_id": pad,
            "decoder_start_token_id": pad,
            "eos_token_id": 0,
            "forced_eos_token_id": 0,
        }
        | changes
    )
    torch.manual_seed(3)
    model = MarianMTModel(config).eval()
    liven_hub_model(model)
    with torch.no_grad():
        model.final_logits_bias.copy_(0.1 * torch.randn_like(model.final_logits_bias))
        model.final_logits_bias[0, 0] = 2.0  # so that outputs end
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n\n# A model\n")
    return folder


def save_m2m(folder: Path, nllb: bool = False, seed: int = 3, **changes: Any) -> Path:
    """Save a random model with the files and the order of ids of M2M-100, or of NLLB-200."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

    folder.mkdir(parents=True)
    spm = train_spm(SOURCE_WORDS + TARGET_WORDS, 90, model_type="bpe")
    (folder / "sentencepiece.bpe.model").write_bytes(spm)
    settings: dict[str, Any] = {"src_lang": "en", "tgt_lang": "de"}
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *pieces_of(spm)[3:]]
    if nllb:
        settings = {
            "src_lang": "eng_Latn",
            "tgt_lang": "deu_Latn",
            "tokenizer_class": "NllbTokenizer",
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        save_nllb_tokenizer(folder, len(pieces), NLLB_CODES)
        rows = len(pieces) + len(NLLB_CODES) + 3  # <mask> and two without a piece
    else:
        (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}))
        tags = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]
        settings |= {"tokenizer_class": "M2M100Tokenizer", "extra_special_tokens": tags}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        rows = len(pieces) + len(tags) + 8  # eight without a piece
    config = M2M100Config(
        **{
            "vocab_size": rows,
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "max_position_embeddings": 128,
        }
        | changes
    )
    torch.manual_seed(seed)
    model = M2M100ForConditionalGeneration(config).eval()
    liven_hub_model(model)
    with torch.no_grad():
        # The rows without a piece are never the most likely.
        model.lm_head.weight[-2 if nllb else -8 :] = 0
        # There is no output bias: a vector that makes the end likely, so that outputs end.
        model.model.decoder.layer_norm.bias.add_(0.2 * model.lm_head.weight[2])
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n\n# A model\n")
    return folder


def save_nllb_tokenizer(folder: Path, first: int, codes: list[str]) -> None:
    """Write tokenizer.json as that of NLLB-200: the languages from id `first` on, then <mask>."""
    from transformers import NllbTokenizer

    NllbTokenizer.from_pretrained(folder, extra_special_tokens=codes).save_pretrained(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    numbered = [*enumerate(names), *enumerate([*codes, "<mask>"], first)]
    template = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    content["added_tokens"] = [
        {"id": i, "content": token, "special": True} | template for i, token in numbered
    ]
    path.write_text(json.dumps(content))


# Name in the table of docs/pretrained.md -> the function that saves such a model in a folder.
MODELS: dict[str, Callable[[Path], Path]] = {
    "MarianMT, swish, one vocabulary": partial(save_marian, tags=(">>deu<<", ">>fra<<")),
    "MarianMT, ReLU, separate vocabularies": partial(
        save_marian, separate=True, activation_function="relu"
    ),
    "MarianMT, GELU, untied output": partial(
        save_marian, activation_function="gelu", tie_word_embeddings=False
    ),
    "M2M-100": save_m2m,
    "M2M-100, swish, untied output": partial(
        save_m2m, activation_function="swish", tie_word_embeddings=False
    ),
    "NLLB-200": partial(save_m2m, nllb=True, seed=6),
}


def import_as(folder: Path, out: Path, *flags: str) -> Path:
    """Import a model as the run `out`, and return it."""
    import_model.main([str(folder), "--out", str(out), *flags])
    return out


def edit_json(path: Path, **changes: object) -> None:
    """Change values of the object in a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@torch.no_grad()
def liven_hub_model(model: torch.nn.Module) -> None:
    """Draw weights with which outputs depend on the source and on all tokens before.

    The signs in the norms stop a model with tied embeddings from repeating its input.
    """
    for name, parameter in model.named_parameters():
        if "embed_positions" in name:
            continue
        if parameter.dim() > 1:
            gain = 1.5 if "shared" in name or "embed_tokens" in name else 1.0
            parameter.normal_(std=gain * parameter.shape[-1] ** -0.5)
        else:
            parameter.add_(0.2 * torch.randn_like(parameter))
            if name.endswith(("final_layer_norm.weight", "decoder.layer_norm.weight")):
                parameter.mul_(torch.randn_like(parameter).sign())
