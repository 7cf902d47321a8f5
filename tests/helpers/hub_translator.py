"""A reference for imported models: the same model under transformers."""

from __future__ import annotations

from pathlib import Path

import torch


class TranslatorOfTransformers:
    """A model of the hub, loaded and run by transformers."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.start: int | None = None  # the language that outputs begin with
        if self.model.config.model_type == "m2m_100":
            self.start = self.tokenizer("", text_target="").labels[0]

    @torch.no_grad()
    def log_probs(self, sources: list[str], targets: list[str]) -> list[tuple[float, int]]:
        """Return log-probability and number of tokens of each target, by teacher forcing."""
        batch = self.tokenizer(sources, text_target=targets, return_tensors="pt", padding=True)
        labels = batch.pop("labels")
        pad = self.model.config.pad_token_id
        start = self.model.config.decoder_start_token_id
        inputs = torch.cat([torch.full((len(labels), 1), start), labels[:, :-1]], 1)
        logits = self.model(**batch, decoder_input_ids=inputs).logits
        values = logits.log_softmax(-1).gather(2, labels[..., None])[..., 0]
        mask = labels != pad
        totals = values.masked_fill(~mask, 0).sum(1)
        return list(zip(totals.tolist(), mask.sum(1).tolist(), strict=True))

    @torch.no_grad()
    def translate(self, sources: list[str], beam: int) -> list[str]:
        """Translate lines to up to 12 tokens after the language; none is padding or unknown."""
        ids = [self.model.config.pad_token_id, self.tokenizer.unk_token_id]
        outputs: list[str] = []
        for start in range(0, len(sources), 100):
            batch = self.tokenizer(sources[start : start + 100], return_tensors="pt", padding=True)
            rows = self.model.generate(
                **batch,
                num_beams=beam,
                do_sample=False,
                max_new_tokens=12 + (self.start is not None),
                forced_bos_token_id=self.start,
                forced_eos_token_id=None,
                bad_words_ids=[[i] for i in ids],
            )
            outputs += self.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return outputs
