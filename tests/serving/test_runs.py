"""The pairs that runs translate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mt
from helpers.servers import serving
from helpers.tiny_models import save_run, sentences
from mt.config.schema import TokenizerConfig
from mt.data.tokenizer import Tokenizer
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.run_folder import RunFolder
from mt.serving.app import create_app
from mt.serving.runs import load_models, read_runs
from mt.serving.service import Settings

LINES = sentences(3)


def load(path: Path, tag: str | None) -> Translator:
    return mt.load(path, device="cpu", precision="fp32", tag=tag)


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that saves a run between English and German with tags."""
    lines, config = sentences(300), TokenizerConfig(vocab_size=290, character_coverage=1)

    def save(tags: list[str], both: bool) -> Path:
        tokenizer = Tokenizer.train(lambda: lines, lambda: lines, config, tags=tags)
        folder = RunFolder.at(save_run(tmp_path_factory.mktemp("runs") / "mine", tokenizer))
        settings = folder.read_config()
        settings.data.src_lang, settings.data.tgt_lang = "en", "de"
        settings.data.both_directions = both
        folder.write_config(settings)
        return folder.path

    return save


@pytest.mark.medium
def test_a_model_of_both_directions_is_two_pairs(save: Callable[..., Path]) -> None:
    path = save(["<2en>", "<2de>"], True)
    runs = read_runs([path], None)
    with serving(create_app(load_models(runs, load, False), Settings())) as client:
        pairs = client.ask("/models").json
        assert [(pair["sources"], pair["targets"], pair["tags"]) for pair in pairs] == [
            (["en"], ["de"], []), (["de"], ["en"], []),
        ]  # fmt: skip
        translations = []
        for source, target in (("en", "de"), ("de", "en")):
            answer = client.translate("\n".join(LINES), source=source, target=target).json
            assert answer["translatedText"].split("\n") == load(path, f"<2{target}>").translate(
                LINES
            )
            translations.append(answer)
        assert translations[0] != translations[1]
    (run,) = read_runs([path], "<2en>")
    (model,) = load_models([run], load, False).models
    assert (model.source, model.target) == ("de", "en")


def test_tags_of_other_models_are_a_choice(save: Callable[..., Path]) -> None:
    runs = read_runs([save(["<a>", "<b>"], False)], "<b>")
    (model,) = load_models(runs, load, False).models
    assert model.tags == ("<a>", "<b>") and model.inspector.translator.tag == "<b>"


def test_two_models_of_one_pair_are_refused(save: Callable[..., Path]) -> None:
    both, single = save(["<2en>", "<2de>"], True), save([], False)
    with pytest.raises(UsageError, match="mine and mine both translate en-de"):
        read_runs([both, single], None)
    assert len(read_runs([both], None)[0].tags) == 2
