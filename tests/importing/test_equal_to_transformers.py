"""Imported models compute and translate as transformers does."""

from __future__ import annotations

import pytest

import mt
from helpers.hub_models import MODELS, TARGET_WORDS, lines, mixed_lines, stripped_lines
from helpers.hub_translator import TranslatorOfTransformers


def source_lines(name: str, count: int) -> list[str]:
    return mixed_lines(count) if name.startswith("MarianMT") else stripped_lines(count)


@pytest.mark.parametrize("name", MODELS)
def test_log_probabilities_are_those_of_transformers(name: str, make) -> None:
    folder, run = make(name)
    sources, targets = source_lines(name, 40), lines(40, TARGET_WORDS, seed=2)
    expected = TranslatorOfTransformers(folder).log_probs(sources, targets)
    translator = mt.load(run, "cpu", precision="fp32", split_sentences=False, backend="pytorch")
    scores = translator.score(zip(sources, targets, strict=True))
    assert [score.tokens for score in scores] == [tokens for _, tokens in expected]
    pairs = zip(scores, expected, strict=True)
    difference = max(abs(score.log_prob - value) for score, (value, _) in pairs)
    print(f"{name}: largest difference {difference:.1e}")  # docs/pretrained.md
    assert difference < 1e-4


@pytest.mark.parametrize("beam", [1, 5])
@pytest.mark.parametrize("name", ["MarianMT, swish, one vocabulary", "M2M-100", "NLLB-200"])
def test_odd_and_ordinary_lines_are_translated_as_by_transformers(
    name: str, beam: int, make
) -> None:
    folder, run = make(name)
    sources = source_lines(name, 80)
    expected = TranslatorOfTransformers(folder).translate(sources, beam)
    translator = mt.load(run, "cpu", precision="fp32", split_sentences=False, backend="pytorch")
    outputs = translator.translate(sources, beam=beam, max_ratio=0, max_extra=12)
    assert outputs == expected
    assert len(set(outputs)) > 30
