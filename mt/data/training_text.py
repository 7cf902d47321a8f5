"""Properties of the training text that translation depends on; a run remembers them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mt.data.sentences import SentenceSplitter
from mt.data.tags import split_tags
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.files import write_text
from mt.run_files import TRAINING_TEXT
from mt.run_folder import START_AGAIN, RunFolder

if TYPE_CHECKING:  # it imports pyarrow and datasets, which translation does not need
    from mt.data.table import PairTable

SAMPLE_PAIRS = 5000  # of each source, spread evenly
# A model that saw several sentences in a line this often has learned to translate them all. Text
# that is aligned by sentence has a share of 0 to 0.04 (Multi30k, news, Europarl).
MAX_SEVERAL_SENTENCES = 0.1
NUMBERS = ("several_sentences", "length_ratio")


@dataclass(frozen=True)
class TrainingText:
    """Properties of the cleaned training text, measured on a sample."""

    several_sentences: float  # share of source lines that have more than one sentence
    length_ratio: float  # characters of the target sides / characters of the source sides
    # The text of each tag (`mt.data.tags`), with "" for text without one; empty if there are none.
    tags: dict[str, TrainingText] = field(default_factory=dict)

    def of(self, tag: str) -> TrainingText:
        """Return the properties of the text with this tag, or of all text if there is none."""
        return self.tags.get(tag, self)

    @property
    def has_single_sentences(self) -> bool:
        """Return whether the text has one sentence a line, so that lines should be split."""
        return self.several_sentences <= MAX_SEVERAL_SENTENCES

    def report(self) -> str:
        """Return one line on the sentences in the source lines."""
        share = f"source lines of several sentences: {100 * self.several_sentences:.1f} %"
        if self.has_single_sentences:
            return f"{share}; translation splits lines into sentences"
        return f"{share}; translation does not split lines into sentences"


@dataclass
class _Sums:
    """Sums over pairs; a sampled one counts as all those that it stands for."""

    pairs: float = 0.0
    several: float = 0.0  # pairs with a source of several sentences
    source_length: float = 0.0  # in characters
    target_length: float = 0.0

    def text(self, tags: dict[str, TrainingText] | None = None) -> TrainingText:
        return TrainingText(
            round(self.several / max(self.pairs, 1e-9), 6),
            round(self.target_length / max(self.source_length, 1e-9), 6),
            tags or {},
        )


def measure_training_text(
    tables: Sequence[PairTable], tokenizer: Tokenizer, languages: Sequence[str]
) -> TrainingText:
    """Measure a sample of each source, weighted as in training.

    `languages` are those of the source side of each table. Depends on the text and its weights
    alone, so that it is the same at each start.
    """
    total, by_tag = _Sums(), defaultdict[str, _Sums](_Sums)
    names = {i: tag for tag, i in tokenizer.tags.items()}
    for table, language in zip(tables, languages, strict=True):
        splitter = SentenceSplitter(language)
        for tag, rows in table.rows_by_tag().items():
            count = min(SAMPLE_PAIRS, len(rows))
            if not count:
                continue
            sources, targets = _texts(table, rows[np.arange(count) * len(rows) // count], tokenizer)
            weight = table.weight * len(rows) / count
            for sums in (total, by_tag[names.get(tag, "")]):
                sums.several += weight * sum(len(splitter.split(source)) > 1 for source in sources)
                sums.source_length += weight * sum(map(len, sources))
                sums.target_length += weight * sum(map(len, targets))
                sums.pairs += weight * count
    return total.text({tag: sums.text() for tag, sums in by_tag.items()} if any(by_tag) else None)


def _texts(
    table: PairTable, rows: np.ndarray, tokenizer: Tokenizer
) -> tuple[Sequence[str], Sequence[str]]:
    if table.holds_text:
        sources, targets = table.text(rows)
        return split_tags(sources)[1], targets
    source_ids, target_ids = ([row.tolist() for row in side] for side in table.pieces(rows))
    return tokenizer.decode_many(source_ids, "src"), tokenizer.decode_many(target_ids, "tgt")


def save_training_text(folder: RunFolder, text: TrainingText) -> None:
    """Write the properties to a run directory or export folder."""
    path = folder.path / TRAINING_TEXT
    with folder.checksums.update(path):
        write_text(path, json.dumps(_to_dict(text), indent=1) + "\n")


def load_training_text(folder: RunFolder) -> TrainingText | None:
    """Read the properties; None if an earlier version of mt wrote the folder.

    Raises MTError if the file is damaged or lost.
    """
    path = folder.path / TRAINING_TEXT
    folder.check(path)
    if not path.is_file():
        return None
    try:
        return _from_dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MTError(f"cannot read {path} ({error!r}): {START_AGAIN}") from error


def _to_dict(text: TrainingText) -> dict[str, Any]:
    tags = {tag: _to_dict(part) for tag, part in text.tags.items()}
    return {**{name: getattr(text, name) for name in NUMBERS}, **({"tags": tags} if tags else {})}


def _from_dict(values: dict[str, Any]) -> TrainingText:
    tags = {tag: _from_dict(part) for tag, part in values.get("tags", {}).items()}
    several_sentences, length_ratio = (_number(values[name]) for name in NUMBERS)
    return TrainingText(several_sentences, length_ratio, tags)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(f"{value!r} is not a number >= 0")
    return float(value)
