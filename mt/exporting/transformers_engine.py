"""Translation by transformers, to check what was exported to the layout of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from mt.decoding.options import SearchOptions
from mt.optional import require

BATCH_LINES = 32


class TransformersTranslator:
    """A model in the layout of the hub, loaded and searched by transformers on the CPU.

    Neither lines nor sentences are split. The limit of the length is that of the longest line of a
    batch, so that outputs that do not end are longer than those of mt.
    """

    def __init__(self, folder: Path, options: SearchOptions) -> None:
        """Load a folder. Raises MTError if transformers is not installed."""
        library = require("transformers", "transformers")
        self.model = library.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        self.tokenizer = library.AutoTokenizer.from_pretrained(folder)
        self.options = options

    @torch.no_grad()
    def translate(self, lines: Sequence[str]) -> list[str]:
        """Return the translations of lines."""
        outputs: list[str] = []
        for start in range(0, len(lines), BATCH_LINES):
            batch = self.tokenizer(
                list(lines[start : start + BATCH_LINES]), return_tensors="pt", padding=True
            )
            longest = batch["input_ids"].shape[1]
            rows = self.model.generate(
                **batch,
                num_beams=self.options.beam,
                do_sample=False,
                max_length=None,
                max_new_tokens=int(self.options.max_ratio * longest) + self.options.max_extra,
            )
            outputs += self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return outputs
