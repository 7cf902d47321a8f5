"""Properties of the training text that translation depends on; a run remembers them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mt.data.sentences import SentenceSplitter
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.files import write_text
from mt.run_folder import START_AGAIN, TRAINING_TEXT, RunFolder

if TYPE_CHECKING:  # it imports pyarrow and datasets, which translation does not need
    from mt.data.table import PairTable

SAMPLE_PAIRS = 5000  # of each source, spread evenly
# A model that saw several sentences in a line this often has learned to translate them all. Text
# that is aligned by sentence has a share of 0 to 0.04 (Multi30k, news, Europarl).
MAX_SEVERAL_SENTENCES = 0.1


@dataclass(frozen=True)
class TrainingText:
    """Properties of the cleaned training text, measured on a sample."""

    several_sentences: float  # share of source lines that have more than one sentence
    length_ratio: float  # characters of the target sides / characters of the source sides

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


def measure_training_text(
    tables: Sequence[PairTable], tokenizer: Tokenizer, language: str
) -> TrainingText:
    """Measure a sample of each source, weighted as in training; `language` is that of the sources.

    Depends on the text and its weights alone, so that it is the same at each start.
    """
    splitter = SentenceSplitter(language)
    several = total = source_length = target_length = 0.0
    for table in tables:
        count = min(SAMPLE_PAIRS, len(table))
        if not count:
            continue
        rows = np.arange(count) * len(table) // count
        sources, targets = _texts(table, rows, tokenizer)
        weight = table.weight * len(table) / count
        several += weight * sum(len(splitter.split(source)) > 1 for source in sources)
        source_length += weight * sum(map(len, sources))
        target_length += weight * sum(map(len, targets))
        total += weight * count
    return TrainingText(
        round(several / max(total, 1e-9), 6), round(target_length / max(source_length, 1e-9), 6)
    )


def _texts(
    table: PairTable, rows: np.ndarray, tokenizer: Tokenizer
) -> tuple[Sequence[str], Sequence[str]]:
    if table.holds_text:
        return table.text(rows)
    sources, targets = ([row.tolist() for row in side] for side in table.pieces(rows))
    return tokenizer.decode_many(sources, "src"), tokenizer.decode_many(targets, "tgt")


def save_training_text(folder: RunFolder, text: TrainingText) -> None:
    """Write the properties to a run directory or export folder."""
    path = folder.path / TRAINING_TEXT
    with folder.checksums.update(path):
        write_text(path, json.dumps(asdict(text), indent=1) + "\n")


def load_training_text(folder: RunFolder) -> TrainingText | None:
    """Read the properties; None if an earlier version of mt wrote the folder.

    Raises MTError if the file is damaged or lost.
    """
    path = folder.path / TRAINING_TEXT
    folder.check(path)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_bytes())
        return TrainingText(*(_number(values[name]) for name in TrainingText.__dataclass_fields__))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MTError(f"cannot read {path} ({error!r}): {START_AGAIN}") from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(f"{value!r} is not a number >= 0")
    return float(value)
