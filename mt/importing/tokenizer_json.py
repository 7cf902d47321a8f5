"""tokenizer.json of NLLB-200: pieces with their ids, languages, and what a SentencePiece model has.

Hugging Face tokenizers write it. Its BPE model was converted from a SentencePiece model, which can
be made again, because newer versions of transformers do not save it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from mt.data.sentencepiece_proto import build_bpe
from mt.errors import MTError
from mt.importing.hub_folder import HubFolder

NAME = "tokenizer.json"
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")  # the first pieces of fairseq
MASK = "<mask>"  # an added token that is no language


@dataclass(frozen=True)
class TokenizerJson:
    """The content of the file as far as it is used."""

    added: dict[int, str]  # tokens besides those of the BPE model, by id
    pieces: dict[int, str]  # of the BPE model
    merged: list[str]  # the results of its merges, in their order
    charsmap: bytes  # the normalisation of SentencePiece, compiled

    @classmethod
    def read(cls, folder: HubFolder) -> TokenizerJson:
        """Read the file. Raises MTError if it is missing or has another form."""
        content = folder.read_json(NAME)
        try:
            model, normalizer = content["model"], content["normalizer"] or {}
            steps = normalizer.get("normalizers", [normalizer])
            maps = [step[key] for step in steps if (key := "precompiled_charsmap") in step]
            merges = (
                each.split(" ") if isinstance(each, str) else each for each in model["merges"]
            )
            return cls(
                added={int(token["id"]): token["content"] for token in content["added_tokens"]},
                pieces={int(number): piece for piece, number in model["vocab"].items()},
                merged=list(dict.fromkeys(map("".join, merges))),
                charsmap=base64.b64decode(maps[0]) if maps else b"",
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MTError(
                f"{folder.name}: {NAME} is damaged, or not that of NLLB-200: copy or download it "
                "again"
            ) from error

    def languages(self) -> list[str]:
        """Return the added tokens that are languages."""
        return [token for token in self.added.values() if token not in (*SPECIALS, MASK)]

    def sentencepiece_model(self) -> bytes:
        """Return the SentencePiece model that the BPE model was converted from."""
        fixed = {*SPECIALS, *self.added.values()}
        ordered = dict.fromkeys([*self.merged, *self.pieces.values()])
        return build_bpe([piece for piece in ordered if piece not in fixed], self.charsmap)
