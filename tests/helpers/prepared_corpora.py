"""A small corpus in files, prepared as for a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mt.config.schema import DataConfig, SplitConfig
from mt.data.prepare import PreparedData, prepare
from mt.data.tokenizer import Tokenizer

NOUNS = ["garden", "window", "mountain", "letter", "answer", "question", "river", "teacher"]
VERBS = ["sees", "hears", "finds", "carries", "follows", "watches", "opens", "closes"]
PAIRS = [
    (f"the {a} {v} the {b}", f"Das {a.upper()} {v.upper()} das {b.upper()}")
    for a in NOUNS
    for v in VERBS
    for b in NOUNS
]


def write_split(folder: Path, name: str, pairs: list[tuple[str, str]]) -> SplitConfig:
    paths = {side: folder / f"{name}.{side}" for side in ("src", "tgt")}
    for path, lines in zip(paths.values(), zip(*pairs, strict=True), strict=True):
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return SplitConfig(src=str(paths["src"]), tgt=str(paths["tgt"]))


def run(config: DataConfig, **options: Tokenizer) -> tuple[PreparedData, list[str]]:
    log: list[str] = []
    return prepare(config, log.append, **options), log


def rows(data: PreparedData, index: int = 0) -> list[tuple[str, str]]:
    table = data.train[index]
    source, target = table.pieces(np.arange(len(table)))
    return list(
        zip(
            data.tokenizer.decode_many(source, "src"),
            data.tokenizer.decode_many(target, "tgt"),
            strict=True,
        )
    )
