"""Small corpora on disk, and how tests load them."""

from __future__ import annotations

from pathlib import Path

import datasets
import yaml

from mt.config.schema import DataConfig, SplitConfig
from mt.data.corpus import RawCorpus, load_corpus

PAIRS = [
    ("A house.", "Ein Haus."),
    ("b\u2028c\x85d\x0be", "ein Zeilentrenner"),
    ("", "leer"),
    ("ünïcode 😀", "日本語"),
]


def hub_folder(folder: Path) -> Path:
    """Write a repository like those of the hub: Parquet files and a card that declares subsets."""
    nested = [
        {"id": i, "translation": {"de": target, "en": source}}
        for i, (source, target) in enumerate(PAIRS)
    ]
    features = datasets.Features(
        {"id": datasets.Value("int64"), "translation": datasets.Translation(["de", "en"])}
    )
    datasets.Dataset.from_list(nested, features).to_parquet(
        folder / "de-en" / "train-00000-of-00001.parquet"
    )
    datasets.Dataset.from_list(nested[:2], features).to_parquet(
        folder / "de-en" / "validation-00000-of-00001.parquet"
    )
    datasets.Dataset.from_list([{"fr": "maison", "en": "house"}]).to_parquet(
        folder / "fr-en" / "train-00000-of-00001.parquet"
    )
    card = {
        "configs": [
            {
                "config_name": "de-en",
                "data_files": [
                    {"split": s, "path": f"de-en/{s}-*"} for s in ("train", "validation")
                ],
            },
            {"config_name": "fr-en", "data_files": [{"split": "train", "path": "fr-en/train-*"}]},
        ]
    }
    (folder / "README.md").write_text(
        f"---\n{yaml.safe_dump(card)}---\n# A card\n", encoding="utf-8"
    )
    return folder


def corpus(train: SplitConfig, **settings: object) -> RawCorpus:
    """Load a corpus; by default, validation and test are the training text."""
    settings = {"src_lang": "en", "tgt_lang": "de", "val": train, "test": train} | settings
    return load_corpus(DataConfig(train=train, **settings))  # type: ignore[arg-type]


def read(train: SplitConfig, **settings: object) -> list[tuple[str, str]]:
    return list(corpus(train, **settings).train[0].pairs())


def write_sides(folder: Path, pairs: list[tuple[str, str]], name: str = "t") -> SplitConfig:
    for side, texts in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        (folder / f"{name}.{side}").write_bytes("".join(f"{text}\n" for text in texts).encode())
    return SplitConfig(src=str(folder / f"{name}.en"), tgt=str(folder / f"{name}.de"))
