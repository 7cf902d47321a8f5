"""Settings that do not distinguish systems."""

from __future__ import annotations

# Names, seeds, paths and what is logged: they change neither what is learned nor what it costs.
NEUTRAL_KEYS = (
    "name",
    "auto",
    "runs_dir",
    "seed",
    "data.tokenizer.max_vocab_size",  # data.tokenizer.vocab_size records the size that was used
    "data.prepared",
    "data.cache",
    "data.offline",
    "trainer.log_every",
    "trainer.samples",
    "trainer.save_minutes",
)
