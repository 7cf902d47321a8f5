"""Runs with a trimmed vocabulary compute what they computed before, and translate the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import mt
from helpers.hub_models import SOURCE_WORDS, TARGET_WORDS, lines, save_marian
from helpers.tiny_models import liven, tiny_config
from helpers.training_runs import run_training, short_pairs
from mt import import_model
from mt.config.schema import Config, TokenizerConfig
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import load_run
from mt.models.build import build_model
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder
from mt.trim import main

SOURCES = [pair.source for pair in short_pairs("train", 300)]
TARGETS = [pair.target for pair in short_pairs("train", 300)]


def write(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def call(capsys: pytest.CaptureFixture, *flags: object) -> tuple[int, str, str]:
    """Run mt-trim; return exit code, standard output and standard error."""
    code = 0
    try:
        main([*map(str, flags)])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def save_random_run(folder: Path, encoder: str, decoder: str, tied: str, joint: bool) -> Path:
    config = TokenizerConfig(vocab_size=500, joint=joint)
    tokenizer = Tokenizer.train(lambda: SOURCES, lambda: TARGETS, config)
    settings, run = Config(), RunFolder(folder)
    settings.model = tiny_config(encoder, decoder)
    settings.model.tie_embeddings = tied
    torch.manual_seed(5)
    model = liven(build_model(settings.model, *map(tokenizer.vocab_size, ("src", "tgt"))))
    if tied != "none":  # `liven` has untied them
        model.target_embedding.weight = model.output.weight
        if tied == "all":
            model.source_embedding.weight = model.output.weight
    folder.mkdir(parents=True)
    run.write_config(settings)
    run.write_tensors(run.model, model_tensors(model), {})
    tokenizer.save(folder)
    return folder


@pytest.mark.parametrize(
    "encoder, decoder, tied, joint",
    [
        ("transformer", "transformer", "all", True),
        ("transformer", "rnn", "target", False),
        ("rnn", "transformer", "none", True),
        ("rnn", "rnn", "target", True),
    ],
)
def test_logits_and_greedy_translations_do_not_change(
    encoder: str, decoder: str, tied: str, joint: bool, tmp_path: Path, capsys
) -> None:
    run = save_random_run(tmp_path / "run", encoder, decoder, tied, joint)
    options = {"beam": 1, "max_ratio": 0.0, "max_extra": 15}
    translator = mt.load(run, device="cpu", precision="fp32")
    outputs = translator.translate_nbest(SOURCES[:40], 1, **options)
    texts = [output.text for output in outputs]
    files = [write(tmp_path / "a", SOURCES[:40]), write(tmp_path / "b", texts)]
    code, out, _ = call(
        capsys, run, "--src", files[0], "--tgt", files[1], "--out", tmp_path / "small"
    )
    before, after = (load_run(path, torch.device("cpu")) for path in (run, tmp_path / "small"))
    sizes = [each.tokenizer.vocab_size("tgt") for each in (before, after)]
    weights = [sum(p.numel() for p in each.model.parameters()) for each in (before, after)]
    assert code == 0 and f"{weights[1]:,} of {weights[0]:,} parameters" in out
    assert 200 < sizes[1] < 500 and after.config.data.tokenizer.vocab_size == sizes[1]
    assert after.facts["trimmed"] == str(run)

    places = {
        side: {piece: i for i, piece in enumerate(before.tokenizer.pieces(range(500), side))}
        for side in ("src", "tgt")
    }
    logits = []
    rows = [places["tgt"][piece] for piece in after.tokenizer.pieces(range(sizes[1]), "tgt")]
    for each in (before, after):
        source = torch.tensor([each.tokenizer.encode(SOURCES[3], "src")])
        target = torch.tensor([each.tokenizer.encode(texts[3], "tgt")])
        with torch.no_grad():
            hidden = each.model(source, torch.ones_like(source, dtype=torch.bool), target).hidden
            logits.append(each.model.output(hidden))
    torch.testing.assert_close(logits[0][..., rows], logits[1], rtol=0, atol=1e-5)

    again = mt.load(tmp_path / "small", device="cpu", precision="fp32")
    kept = set(rows)
    same = 0
    for old, new in zip(outputs, again.translate_nbest(SOURCES[:40], 1, **options), strict=True):
        pieces = [i for part in old.parts for i in part.hypotheses[0].tokens]
        if kept.issuperset(pieces):
            assert new.text == old.text
            same += 1
    assert same > 5


@pytest.mark.medium
@pytest.mark.parametrize("separate", [False, True])
def test_an_imported_model_is_trimmed_and_fine_tuned(
    separate: bool, tiny_run, tmp_path: Path, capsys
) -> None:
    hub = save_marian(tmp_path / "hub", separate, tags=() if separate else (">>deu<<",))
    import_model.main([str(hub), "--out", str(tmp_path / "opus")])
    files = [
        write(tmp_path / "a", lines(20, SOURCE_WORDS[:6])),
        write(tmp_path / "b", lines(20, TARGET_WORDS[:6])),
    ]
    flags = ["--src", files[0], files[0], "--tgt", files[1], "--out", tmp_path / "small"]
    code, out, _ = call(capsys, tmp_path / "opus", *flags)
    assert code == 0 and "pieces" in out
    small = RunFolder(tmp_path / "small")
    assert small.read_origin()["license"] == "cc-by-4.0"
    translators = [
        mt.load(path, device="cpu", precision="fp32", split_sentences=False)
        for path in (tmp_path / "opus", small.path)
    ]
    sources, targets = (path.read_text().splitlines() for path in files)
    for side, texts in (("src", sources), ("tgt", targets)):
        pieces = [
            [t.tokenizer.pieces(row, side) for row in t.tokenizer.encode_many(texts, side)]
            for t in translators
        ]
        assert pieces[0] == pieces[1]
    assert translators[1].translate(sources[:3], beam=1, max_extra=5)
    if not separate:
        assert ">>deu<<" in translators[1].tokenizer.tags
        given = [each for each in tiny_run(60) if not each.startswith(("model.", "data.token"))]
        run_training(
            [*given, "trainer.max_steps=1", "trainer.test=false", f"trainer.init_from={small}"]
        )


def test_wrong_arguments_are_said_in_one_line(tmp_path: Path, run: Path, capsys) -> None:
    text, empty = write(tmp_path / "a", ["the cat"]), write(tmp_path / "empty", ["", " "])
    for flags, expected, message in (
        ((run, "--src", text, "--tgt", empty, "--out", tmp_path / "x"), 1, "no text in"),
        (
            (run, "--src", text, "--tgt", tmp_path / "no", "--out", tmp_path / "x"),
            1,
            "no such file",
        ),
        ((run, "--src", text, "--tgt", text, "--out", tmp_path), 1, "exists: give another folder"),
        ((tmp_path, "--src", text, "--tgt", text, "--out", tmp_path / "x"), 1, "not a run"),
        ((run, "--src", text, "--out", tmp_path / "x"), 2, "--tgt"),
    ):
        code, out, err = call(capsys, *flags)
        assert (code, out, err.count("\n")) == (expected, "", 1) and message in err, err
    assert not (tmp_path / "x").exists()
