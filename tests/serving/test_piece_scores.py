"""Log-probabilities of words, by CTranslate2 and by PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest

import mt
from helpers.exports import save_lively_run, texts
from helpers.servers import serving
from helpers.small_transformers import tiny
from mt.data.tokenizer import Tokenizer
from mt.exporting.automatic import load_fastest
from mt.serving.app import create_app
from mt.serving.metrics import Metrics
from mt.serving.models import Models
from mt.serving.service import Settings

pytest.importorskip("ctranslate2", reason="pip install ctranslate2")
LINES = ["", *texts(5, seed=2)]


def test_words_have_the_log_probabilities_of_pytorch_with_either_engine(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MT_BACKEND")
    save_lively_run(tmp_path / "run", tokenizer, tiny(norm="pre"))
    slow = mt.load(tmp_path / "run", device="cpu", precision="fp32")
    fast = load_fastest([tmp_path / "run"], "cpu", "auto", "auto", "", lambda line: None)
    models = Models(Metrics())
    models.add("slow", ("en", "fr"), mt.inspect(slow))
    models.add("fast", ("en", "de"), mt.inspect(fast))
    expected = [line.outputs[0].words for line in slow.translate_nbest(LINES, 1)]
    assert sum(map(len, expected)) > 20
    with serving(create_app(models, Settings())) as client:
        for target in ("fr", "de"):
            answer = client.translate("\n".join(LINES), target=target, scores=True)
            found = [part["words"] for part in answer.json["parts"]]
            assert [[word["text"] for word in line] for line in found] == [
                [word for word, _ in line] for line in expected
            ]
            for line, truth in zip(found, expected, strict=True):
                scores = [word["logProb"] for word in line]
                assert scores == pytest.approx([score for _, score in truth], abs=2e-3)


def test_an_export_alone_is_served_without_attention(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MT_BACKEND")
    save_lively_run(tmp_path / "run", tokenizer, tiny(norm="pre"))
    load_fastest([tmp_path / "run"], "cpu", "auto", "auto", "", lambda line: None)
    exported = mt.load(tmp_path / "run" / "export" / "auto-float32")
    models = Models(Metrics())
    models.add("export", ("en", "de"), mt.inspect(exported))
    with serving(create_app(models, Settings())) as client:
        assert client.ask("/models").json[0]["attention"] is False
        answer = client.translate(LINES[1], attention=True)
        assert (
            answer.status == 400 and "gives no alignments and no attention" in answer.json["error"]
        )
        assert client.translate(LINES[1]).json["translatedText"] == exported.translate(LINES[1])
        html = client.translate("<p>the <b>cat</b></p>", format="html").json["translatedText"]
        assert html.startswith("<p>") and "<b>" in html
