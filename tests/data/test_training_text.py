"""Properties of the training text that a run remembers."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mt.data.arrow_files import PIECES, SAMPLED_TEXT
from mt.data.table import PairTable
from mt.data.tokenizer import Tokenizer
from mt.data.training_text import (
    TrainingText,
    load_training_text,
    measure_training_text,
    save_training_text,
)
from mt.errors import MTError
from mt.run_files import TRAINING_TEXT
from mt.run_folder import RunFolder

PAIRS = [("The cat sees. The dog sees.", "abc"), ("The cat sees Dr. Dog.", "abcdef")]


def table(pairs: list[tuple[str, str]], tokenizer: Tokenizer, sampled: bool, weight: float = 1):
    columns: dict[str, list] = {}
    for side, texts in zip(("src", "tgt"), zip(*pairs, strict=True), strict=True):
        pieces = [tokenizer.encode(text, side) for text in texts]
        columns[side] = list(texts) if sampled else pieces
        if sampled:
            columns[f"{side}_pieces"] = [len(row) for row in pieces]
    return PairTable(pa.table(columns, SAMPLED_TEXT if sampled else PIECES), weight)


@pytest.mark.parametrize("sampled", [False, True])
def test_the_share_of_lines_of_several_sentences_is_weighted(
    tokenizer: Tokenizer, sampled: bool
) -> None:
    text = measure_training_text([table(PAIRS, tokenizer, sampled)], tokenizer, ["en"])
    lengths = [sum(len(pair[side]) for pair in PAIRS) for side in (0, 1)]
    assert text == TrainingText(0.5, pytest.approx(lengths[1] / lengths[0], abs=1e-6))
    assert not text.has_single_sentences
    tables = [table(PAIRS, tokenizer, sampled), table(PAIRS[1:], tokenizer, sampled, weight=18)]
    text = measure_training_text(tables, tokenizer, ["en"] * len(tables))
    assert text.several_sentences == 0.05 and text.has_single_sentences
    assert "5.0 %" in text.report() and "splits lines" in text.report()


def test_a_folder_keeps_the_properties(tmp_path: Path) -> None:
    folder = RunFolder.at(tmp_path)
    assert load_training_text(folder) is None
    save_training_text(folder, TrainingText(0.25, 1.5))
    assert load_training_text(folder) == TrainingText(0.25, 1.5)
    path = tmp_path / TRAINING_TEXT
    path.write_text(path.read_text().replace("0.25", "0.01"))
    with pytest.raises(MTError, match=r"training_text\.json has changed since mt wrote it"):
        load_training_text(folder)
    path.unlink()
    with pytest.raises(MTError, match=r"training_text\.json is missing: restore .* same mt-train"):
        load_training_text(folder)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"several_sentences": 0.1}', '{"several_sentences": "a", "length_ratio": 1}']
    + [f'{{"several_sentences": {x}, "length_ratio": 1}}' for x in ("NaN", "-1", "true", "null")],
)
def test_a_damaged_file_is_an_error_that_says_what_to_do(content: str, tmp_path: Path) -> None:
    folder = RunFolder.at(tmp_path)
    (tmp_path / TRAINING_TEXT).write_text(content)
    with pytest.raises(MTError, match=r"training_text\.json .*same mt-train command"):
        load_training_text(folder)
