"""Extra test sets: read by overrides, translated once."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.comparing import REFERENCES, make_run
from helpers.tiny_models import save_run
from mt.comparison.inputs import read_variants
from mt.comparison.test_sets import read_test_text, with_test_set
from mt.config.compose import load_config
from mt.config.schema import DataConfig, SplitConfig
from mt.data.embedded_corpus import generate
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder


@pytest.mark.medium
def test_an_extra_test_set_is_translated_once(tmp_path: Path, tokenizer: Tokenizer) -> None:
    pairs = list(generate("long", 3))
    for side in ("source", "target"):
        (tmp_path / side).write_text(
            "".join(getattr(pair, side)[:40] + "\n" for pair in pairs), encoding="utf-8"
        )
    paths = [str(save_run(tmp_path / name, tokenizer)) for name in ("a", "b")]
    for path in paths:
        config = RunFolder.at(Path(path)).read_config()
        config.data.test.src, config.data.test.tgt = "gone", "gone too"
        config.data.train.demo, config.data.src_lang, config.data.tgt_lang = 10, "en", "de"
        config.name, config.trainer.device, config.trainer.test_beam = Path(path).name, "cpu", 1
        make_run(Path(path), config, REFERENCES)
    tests = {"more": [f"data.test.src={tmp_path}/source", f"data.test.tgt={tmp_path}/target"]}
    said: list[str] = []
    variants = {"a": paths[:1], "b": paths[1:]}
    first = read_variants(variants, tests, said.append)
    assert [test.name for test in first.tests] == ["test", "more"] and sum(
        "translating the test set more" in line for line in said
    ) == 2
    assert (
        first.tests[1].sources == [pair.source[:40] for pair in pairs]
        and first.tests[1].hypotheses["a"] == first.tests[1].hypotheses["b"]
    )
    said.clear()
    assert read_variants(variants, tests, said.append) == first and said == []
    (tmp_path / "source").write_text(
        "".join(pair.source[:30] + "\n" for pair in pairs), encoding="utf-8"
    )
    assert read_variants(variants, tests, said.append).tests[1].sources == [
        pair.source[:30] for pair in pairs
    ]
    assert (
        sum("translating" in line for line in said) == 2
    )  # other text: nothing of before is taken
    said.clear()
    (tmp_path / "b" / "model.safetensors").write_bytes(
        (tmp_path / "a" / "model.safetensors").read_bytes()[:-1]
    )  # another model
    with pytest.raises(MTError, match="b/model.safetensors is damaged"):
        read_variants(variants, tests, said.append)
    assert sum("translating" in line for line in said) == 1
    with pytest.raises(UsageError, match="cannot be called 'test'"):
        read_variants(variants, {"test": []})


def test_test_sets_are_overrides_of_data_test(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").touch()
    config = load_config(["auto=false", "data=demo"])
    changed = with_test_set(
        config, "long", ["data.test.split=long", "data.test.demo=7", "data.test.limit=5"]
    )
    assert (changed.data.test.split, changed.data.test.limit, changed.data.train) == (
        "long",
        5,
        config.data.train,
    )
    text = read_test_text(changed.data, "long")
    assert (
        text.sources == [pair.source for pair in generate("long", 7)][:5]
        and text.links is not None
        and len(text.links) == 5
    )
    assert text.constructions is not None and [set(names) for names in text.constructions] == [
        pair.constructions for pair in generate("long", 5)
    ]
    with pytest.raises(UsageError, match="made of overrides of data.test"):
        with_test_set(config, "long", ["data.val.split=long"])
    with pytest.raises(UsageError, match="did you mean data.test.split"):
        with_test_set(config, "long", ["data.test.splitt=long"])
    with pytest.raises(MTError, match="the test set none is empty"):
        read_test_text(
            with_test_set(
                config, "none", ["data.test.demo=0", f"data.test.file={tmp_path}/empty.tsv"]
            ).data,
            "none",
        )


def test_the_tags_of_a_test_set_are_not_part_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "test.tsv"
    path.write_text("a\tb\t<x>\nc\td\t\n")
    test = SplitConfig(file=str(path), tag_column="2")
    data = DataConfig(train=test, val=test, test=test)
    text = read_test_text(data, "tagged")
    assert (text.sources, text.references, text.tags) == (["a", "c"], ["b", "d"], ["<x>", ""])
    test.tag_column = ""
    plain = read_test_text(data, "plain")
    assert (plain.sources, plain.tags) == (text.sources, None) and plain.hash != text.hash
