"""M2M-100 (Fan et al. 2021) and NLLB-200 (NLLB Team 2022): facebook/m2m100_*, facebook/nllb-200-*.

Pre-norm Transformers with the sinusoids of fairseq, and one vocabulary for all languages. A source
begins with the token of its language, and so does a target (`mt.data.languages`). Decoding starts
with the embedding of the end of the sentence. The two differ in the ids of pieces:

- M2M-100: those of vocab.json; the languages follow them.
- NLLB-200: those of tokenizer.json; without it, <s>, <pad>, </s> and <unk>, the pieces in the order
  of the SentencePiece model, and the languages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mt.data.languages import Languages, find_language
from mt.data.sentencepiece_model import load_processor
from mt.data.tags import tag_piece
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError, UsageError
from mt.importing import tokenizer_json
from mt.importing.fairseq_languages import M2M_LANGUAGES, NLLB_LANGUAGES
from mt.importing.hub_folder import HubFolder
from mt.importing.pretrained import Pretrained, RowOrder, pieces_by_id
from mt.importing.tokenizer_json import SPECIALS, TokenizerJson
from mt.importing.transformer import Tables, read_transformer

SENTENCEPIECE = "sentencepiece.bpe.model"
VOCABULARY = "vocab.json"


@dataclass(frozen=True)
class Layout:
    """Storage of the tokenizer of a folder."""

    files: Sequence[str]  # that must be there
    languages: Sequence[str]
    read_model: Callable[[], bytes]  # returns the SentencePiece model
    # Returns the piece of each id that has one, given the model. Languages have the pieces of tags
    # (`mt.data.tags`).
    read_pieces: Callable[[bytes], dict[int, str]]


def read_m2m(folder: HubFolder, languages: tuple[str, str]) -> Pretrained:
    """Read a model. Raises MTError that lists all that is in the way.

    `languages` are the codes of source and target; "" stands for that of tokenizer_config.json.
    Raises UsageError if there is none either, or if the model does not have it.
    """
    settings = folder.read_json("tokenizer_config.json", {})
    layout = LAYOUTS[tokenizer_class(folder, settings)](folder, settings)
    codes = layout.languages
    given = [
        code or settings.get(key)
        for code, key in zip(languages, ("src_lang", "tgt_lang"), strict=True)
    ]
    if not all(given):
        raise UsageError(
            f"{folder.name} translates between {len(codes)} languages: choose two with --src-lang "
            f"and --tgt-lang, such as {codes[0]} and {codes[-1]}"
        )
    chosen = Languages(codes, *(find_language(str(code), codes) for code in given))
    read = partial(read_tokenizer, layout, chosen)
    found = read_transformer(folder, layout.files, {}, read)
    pair = chosen.source, chosen.target
    longest = folder.max_length()
    return Pretrained(found.model, found.tensors, found.tokenizer, pair, longest - 1)


def tokenizer_class(folder: HubFolder, settings: dict[str, Any]) -> str:
    """Return the class of the tokenizer, one of LAYOUTS, by tokenizer_config.json or the files.

    Raises MTError for another class, and if it puts languages behind the sources.
    """
    default = "NllbTokenizer" if folder.missing((VOCABULARY,)) else "M2M100Tokenizer"
    name = str(settings.get("tokenizer_class") or default)
    if name not in LAYOUTS:
        raise MTError(
            f"cannot import {folder.name}: tokenizer_class={name} (only {', '.join(LAYOUTS)})"
        )
    if settings.get("legacy_behaviour"):
        raise MTError(f"cannot import {folder.name}: legacy_behaviour=True (only False)")
    return name


def read_tokenizer(
    layout: Layout, languages: Languages, folder: HubFolder, config: dict[str, Any], tables: Tables
) -> tuple[Tokenizer, dict[str, RowOrder]]:
    """Return the tokenizer, and the order of the rows.

    Raises MTError or ValueError if vocabulary, SentencePiece model and weights do not fit.
    """
    model = layout.read_model()
    pieces = dict(layout.read_pieces(model))
    size, rows = max(pieces) + 1, len(tables["source"])
    if size > rows:
        raise MTError(f"the vocabulary has {size:,} pieces, and the weights {rows:,} rows")
    # fairseq adds rows without a piece, up to a round number.
    pieces |= {row: tag_piece(f"unused{row}") for row in range(rows) if row not in pieces}
    pad, start, eos = (config[f"{key}_token_id"] for key in ("pad", "decoder_start", "eos"))
    if (pieces.get(pad), pieces.get(eos)) != ("<pad>", "</s>") or start not in pieces:
        raise MTError("the vocabulary has another <pad> or </s> than config.json")
    unk = next((number for number, piece in pieces.items() if piece == "<unk>"), None)
    if unk is None:
        raise MTError("the vocabulary has no <unk>")
    order = RowOrder.build(rows, pad, unk, start, eos)
    try:
        tokenizer = Tokenizer(model, vocabularies=[order.vocabulary(pieces)], languages=languages)
    except ValueError as error:
        raise MTError(f"{SENTENCEPIECE}: {error}") from error
    return tokenizer, {"src": order, "tgt": order}


def m2m_layout(folder: HubFolder, settings: dict[str, Any]) -> Layout:
    """Return the layout of M2M-100, for the languages that tokenizer_config.json names."""
    name = str(settings.get("language_codes") or "m2m100")
    if name not in M2M_LANGUAGES:
        raise MTError(
            f"cannot import {folder.name}: language_codes={name} (only {', '.join(M2M_LANGUAGES)})"
        )
    codes = M2M_LANGUAGES[name]

    def read_pieces(model: bytes) -> dict[int, str]:
        pieces = pieces_by_id(folder.read_json(VOCABULARY), VOCABULARY)
        return pieces | dict(enumerate(map(tag_piece, codes), len(pieces)))

    read_model = partial(folder.read_sentencepiece, SENTENCEPIECE)
    return Layout((SENTENCEPIECE, VOCABULARY), codes, read_model, read_pieces)


def nllb_layout(folder: HubFolder, settings: dict[str, Any]) -> Layout:
    """Return the layout of NLLB-200, with tokenizer.json if there is one."""
    read_model: Callable[[], bytes] = partial(folder.read_sentencepiece, SENTENCEPIECE)
    if folder.missing((tokenizer_json.NAME,)):
        return Layout((SENTENCEPIECE,), NLLB_LANGUAGES, read_model, fairseq_pieces)
    content = TokenizerJson.read(folder)
    if not (codes := content.languages()):
        raise MTError(f"cannot import {folder.name}: {tokenizer_json.NAME} has no languages")
    if folder.missing((SENTENCEPIECE,)):
        read_model = content.sentencepiece_model
    tags = {number: token for number, token in content.added.items() if token not in SPECIALS}
    pieces = content.pieces | {number: tag_piece(token) for number, token in tags.items()}
    return Layout((), codes, read_model, lambda model: pieces)


def fairseq_pieces(model: bytes) -> dict[int, str]:
    """Return the pieces of a SentencePiece model and the languages of NLLB-200, as fairseq does."""
    processor = load_processor(model)
    # The model begins with <unk>, <s> and </s>.
    ordinary = [processor.id_to_piece(i) for i in range(3, len(processor))]
    return dict(enumerate([*SPECIALS, *ordinary, *map(tag_piece, NLLB_LANGUAGES)]))


# Class of the tokenizer in tokenizer_config.json -> its layout.
LAYOUTS = {
    "M2M100Tokenizer": m2m_layout,
    "NllbTokenizer": nllb_layout,
    "NllbTokenizerFast": nllb_layout,
}
