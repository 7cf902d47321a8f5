"""Gold alignments and constructions of test pairs, from the corpus to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from helpers.training_runs import NARROW_MODEL
from mt.config.compose import load_config
from mt.config.schema import DataConfig, SplitConfig
from mt.data.annotations import Annotation, parse_deciders
from mt.data.corpus import load_corpus
from mt.data.embedded_corpus.tables import FOLDER
from mt.data.links import Links, parse_links
from mt.data.prepare import prepare
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation import evaluate_translations
from mt.evaluation.tables import text_table, to_dict
from mt.inspection.alignment_error import LINK_THRESHOLD, score_attention
from mt.inspection.pair_attention import PairAttention
from mt.train import train


def demo_config(**test: object) -> DataConfig:
    return DataConfig(
        train=SplitConfig(demo=300), val=SplitConfig(demo=20), test=SplitConfig(demo=30, **test)
    )


def test_the_embedded_corpus_is_annotated() -> None:
    test = load_corpus(demo_config()).test
    assert test.annotations is not None
    pairs, annotations = list(test.pairs()), list(test.annotations())
    assert len(pairs) == len(annotations) == 30
    for (source, target), annotation in zip(pairs, annotations, strict=True):
        links = parse_links(annotation.links)
        assert links.sure and max(i for i, _ in links.possible) < len(source.split())
        assert max(j for _, j in links.possible) < len(target.split())
        assert annotation.constructions
        for decider in parse_deciders(annotation.deciders):
            assert decider.source < len(source.split()) and decider.target in {
                j for _, j in links.sure
            }


@pytest.mark.medium
def test_held_out_combinations_are_constructions_of_the_split_that_has_them() -> None:
    config = demo_config()
    assert config.test.split == ""
    lines = (FOLDER / "rules" / "held-out.txt").read_text("utf-8").splitlines()
    combinations = {
        "+".join(sorted(line.split())) for line in lines if line.strip() and line[0] != "#"
    }
    config.test.split, config.test.demo = "compose", 60
    for test, is_compose in (
        (load_corpus(demo_config()).test, False),
        (load_corpus(config).test, True),
    ):
        assert test.annotations is not None
        for annotation in test.annotations():
            names = set(annotation.constructions.split())
            found = {name for name in names if "+" in name}
            assert bool(found) == is_compose and found <= combinations
            assert all(set(name.split("+")) <= names for name in found)


@pytest.mark.medium
def test_limit_and_direction_hold_for_annotations_too() -> None:
    straight, config = load_corpus(demo_config()), demo_config(limit=7)
    config.reverse = True
    turned = load_corpus(config)
    assert straight.test.annotations and turned.test.annotations
    found = [parse_links(annotation.links) for annotation in turned.test.annotations()]
    assert len(found) == 7
    expected = [parse_links(annotation.links) for annotation in straight.test.annotations()][:7]
    assert [{(j, i) for i, j in links.sure} for links in expected] == [
        set(links.sure) for links in found
    ]
    assert [{(j, i) for i, j in links.possible} for links in expected] == [
        set(links.possible) for links in found
    ]
    # Deciding words are known in one direction only.
    assert any(annotation.deciders for annotation in straight.test.annotations())
    assert not any(annotation.deciders for annotation in turned.test.annotations())


def test_splits_and_subsets_of_the_embedded_corpus_are_chosen_in_the_configuration() -> None:
    longer = [
        len(source.split()) for source, _ in load_corpus(demo_config(split="long")).test.pairs()
    ]
    assert min(longer) > 40
    with pytest.raises(UsageError, match="no split 'tset'"):
        load_corpus(demo_config(split="tset"))
    with pytest.raises(UsageError, match="no subset 'tiny'"):
        load_corpus(demo_config(subset="tiny"))


def files(folder: Path, links: str) -> DataConfig:
    for name, text in {
        "a.src": "the dog sleeps\nno\n",
        "a.tgt": "der Hund schläft\nnein\n",
        "a.links": links,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    own = {"src": str(folder / "a.src"), "tgt": str(folder / "a.tgt")}
    config = demo_config()
    config.test = SplitConfig(**own, links=str(folder / "a.links"))
    config.cache, config.tokenizer.vocab_size = str(folder / "cache"), 400
    return config


@pytest.mark.medium
def test_links_of_a_test_set_from_files_are_read_and_checked(tmp_path: Path) -> None:
    config = files(tmp_path, "0-0 1-1 2p2\n0-0\n")
    first = prepare(config, lambda _: None)
    assert first.test_annotations == [Annotation("0-0 1-1 2p2", ""), Annotation("0-0", "")]
    again = prepare(files(tmp_path, "0-0\n0-0\n"), lambda _: None)  # other links, another hash
    assert again.test_annotations[0].links == "0-0" and again.hash != first.hash
    for text, reason in {
        "0-0\n": "data.test.links has 1 lines for 2 sentence pairs",
        "": "data.test.links has 0 lines for 2",
        "0-0\n0-1\n": "data.test.links, line 2 links words 0 and 1, but the pair has 1 and 1",
        "0-0\nx\n": "data.test.links, line 2: 'x' is not a link",
        "0p0\n\n": "no sure link",
    }.items():
        with pytest.raises(MTError, match=reason):
            prepare(files(tmp_path, text), lambda _: None)
    config.train.links = "x"
    with pytest.raises(UsageError, match="data.train.links is not used"):
        load_corpus(config)
    config.train.links, config.test = None, SplitConfig(links=config.test.links)
    with pytest.raises(UsageError, match="data.test.links needs the text"):
        load_corpus(config)


def test_scores_by_construction_are_those_of_the_sentences() -> None:
    references = [f"a{i} b c d e f{i}" for i in range(8)]
    hypotheses = [line.replace("b", "x") if i % 2 else line for i, line in enumerate(references)]
    shown = [{"odd"} if i % 2 else {"even", "first"} if i == 0 else {"even"} for i in range(8)]
    evaluation = evaluate_translations(
        references,
        hypotheses,
        [references],
        metrics=["bleu", "chrf"],
        bootstrap=0,
        constructions=shown,
    )
    groups = {group.label: group for group in evaluation.constructions}
    assert {name: group.count for name, group in groups.items()} == {
        "even": 4,
        "first": 1,
        "odd": 4,
    }
    assert groups["even"].scores["bleu"].value == pytest.approx(100)
    assert groups["odd"].scores["bleu"].value == pytest.approx(
        BLEU().corpus_score(hypotheses[1::2], [references[1::2]]).score
    )
    table = text_table(evaluation)
    assert "by construction" in table and "TER" not in table
    assert [group["label"] for group in to_dict(evaluation)["constructions"]] == [
        "even",
        "first",
        "odd",
    ]
    with pytest.raises(MTError, match="constructions"):
        evaluate_translations(
            references,
            hypotheses,
            [references],
            metrics=["bleu", "chrf"],
            bootstrap=0,
            constructions=shown[:3],
        )


def attention(weights: np.ndarray, reads: bool = True) -> PairAttention:
    """Return attention for two source and two target words of one piece each, with EOS."""
    return PairAttention(
        ["\u2581a", "\u2581b"],
        ["\u2581c", "\u2581d"],
        [0, 1],
        [0, 1],
        weights.astype(np.float32),
        reads,
    )


def test_error_rates_of_every_layer_head_reading_and_rule() -> None:
    """Head 0 of layer 0 is right at the input of a word, head 1 at its prediction.

    Layer 1 attends to EOS only.
    """
    weights = np.zeros((2, 2, 3, 3))
    weights[0, 0, 1, 0] = weights[0, 0, 2, 1] = 1  # rows 1 and 2 have read words 0 and 1
    weights[0, 1, 0, 0] = weights[0, 1, 1, 1] = 1  # rows 0 and 1 predict them
    weights[1, :, :, 2] = 1
    gold = Links(frozenset({(0, 0), (1, 1)}))
    scores = score_attention([attention(weights)], [gold])
    assert (scores.layers, scores.readings) == (2, ["output", "input"])
    assert scores.get(0, 0, "input").aer == 0 and scores.get(0, 1, "output").aer == 0
    assert scores.get(0, 0, "output").aer > 0 and scores.get(0, 1, "input").aer > 0
    assert scores.get(1, None, "input").aer == 100 and scores.get(1, 0, "output").links == 0
    assert scores.best_head(0, "output").head == 1 and scores.best_head(0, "input").head == 0
    # The default is the mean of the heads of the last layer but one.
    assert scores.default == scores.get(0, None, "output")
    assert len(scores.all) == 2 * 3 * 2 * 2
    # In the mean, each head has half the weight, which exceeds the threshold.
    assert LINK_THRESHOLD < 0.5 and scores.get(0, None, "input", "threshold").links == 3
    unread = score_attention([attention(weights, reads=False)], [gold])
    assert unread.readings == ["output"] and unread.default == unread.get(0, None, "output")
    # A pair with unknown links does not count.
    assert score_attention([attention(weights)] * 2, [gold, Links()]) == scores
    with pytest.raises(MTError, match="no pair has gold links"):
        score_attention([attention(weights)], [Links()])


def overrides(folder: Path, model: str) -> list[str]:
    sizes = [
        "data.train.demo=300",
        "data.val.demo=2",
        "data.test.demo=4",
        "data.tokenizer.vocab_size=400",
    ]
    trainer = [
        "trainer.max_steps=2",
        "trainer.max_minutes=0",
        "trainer.batch_tokens=256",
        "trainer.device=cpu",
        "trainer.threads=1",
        "trainer.test_beam=1",
    ]
    places = [f"runs_dir={folder}/runs", "name=x"]
    return [
        "auto=false",
        "data=demo",
        f"model={model}",
        "model/size=tiny",
        *NARROW_MODEL,
        *places,
        *sizes,
        *trainer,
    ]


@pytest.mark.medium
def test_training_on_the_embedded_corpus_reports_constructions_and_alignment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(load_config(overrides(tmp_path, "transformer")))
    out = capsys.readouterr().out
    assert "by construction" in out and "word alignment from attention: AER" in out
    run = tmp_path / "runs" / "x"
    for name in ("links", "constructions", "deciders"):
        assert len((run / f"test.{name}.txt").read_text("utf-8").splitlines()) == 4
    found = json.loads((run / "test.json").read_text("utf-8"))
    assert found["alignment"]["default"]["sentences"] == 4
    # mt-evaluate reads the files of mt-train and reports the same.
    from mt.evaluate import main

    main(
        [
            str(run),
            "--beam",
            "1",
            "--bootstrap",
            "0",
            "--no-ter",
            "--device",
            "cpu",
            "--json",
            str(tmp_path / "again.json"),
        ]
    )
    again = json.loads((tmp_path / "again.json").read_text("utf-8"))
    assert again["alignment"] == found["alignment"]
    assert [group["label"] for group in again["constructions"]] == [
        group["label"] for group in found["constructions"]
    ]
    # The same files, given as options.
    files = [
        "--src",
        f"{run}/test.sources.txt",
        "--ref",
        f"{run}/test.references.txt",
        "--links",
        f"{run}/test.links.txt",
    ]
    main(
        [
            str(run),
            *files,
            "--beam",
            "1",
            "--bootstrap",
            "0",
            "--no-ter",
            "--device",
            "cpu",
            "--json",
            str(tmp_path / "files.json"),
        ]
    )
    own = json.loads((tmp_path / "files.json").read_text("utf-8"))
    assert own["alignment"] == found["alignment"] and own["constructions"] == []


@pytest.mark.medium
def test_a_model_without_attention_has_no_alignment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(load_config(overrides(tmp_path, "rnn-without-attention")))
    out = capsys.readouterr().out
    assert "by construction" in out and "AER" not in out
    run = tmp_path / "runs" / "x"
    files = [
        "--src",
        f"{run}/test.sources.txt",
        "--ref",
        f"{run}/test.references.txt",
        "--links",
        f"{run}/test.links.txt",
    ]
    from mt.evaluate import main

    with pytest.raises(SystemExit):
        main([str(run), *files, "--device", "cpu"])
    assert "no attention to the source" in capsys.readouterr().err
