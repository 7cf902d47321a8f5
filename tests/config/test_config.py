"""Configuration: all files compose, and errors name the mistake in one line."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import sys

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from mt.config import compose
from mt.config import yaml as config_yaml
from mt.config.schema import Config, DataConfig, RNNConfig
from mt.errors import MTError, UsageError
from mt.models.build import build_model
from mt.train import main

GROUPS = [(group, option) for group, options in compose.groups().items() for option in options]


@pytest.mark.parametrize(("group", "option"), GROUPS, ids=["=".join(pair) for pair in GROUPS])
def test_every_file_composes_and_its_model_builds(group, option):
    text = (compose.config_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
    recurrent = ["model=rnn"] if group == "attention" and "transformer:" not in text else []
    config = compose.load_config(["auto=false", *recurrent, f"{group}={option}"])
    with torch.device("meta"):
        build_model(config.model, 8000, 8000)


@pytest.mark.parametrize("family", ["rnn", "transformer"])
def test_sizes_apply_to_both_families_and_grow(family):
    with torch.device("meta"):
        models = [
            build_model(
                compose.load_config(["auto=false", f"model={family}", f"model/size={s}"]).model,
                100,
                100,
            )
            for s in ("tiny", "small", "base", "big")
        ]
    weights = [sum(p.numel() for p in model.parameters()) for model in models]
    assert weights == sorted(set(weights))


def test_a_hybrid_model_takes_two_overrides():
    config = compose.load_config(["auto=false", "model=transformer", "model.decoder=rnn"])
    assert (config.model.encoder, config.model.decoder, config.name) == (
        "transformer",
        "rnn",
        "demo-rnn",
    )


def test_every_setting_is_documented():
    for name, field, _ in compose.fields():
        assert len(field.metadata["help"]) > 10, name
    text = compose.help_text()
    assert all(f"    {name}" in text for name in compose.keys())  # noqa: SIM118
    assert all(option in text for _, option in GROUPS)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=3", "unknown key optim.lrr: did you mean optim.lr?"),
        ("+optim.lrr=3", "unknown key optim.lrr: did you mean optim.lr?"),
        ("++optim.lrr=3", "unknown key optim.lrr: did you mean optim.lr?"),
        ("lr=3", "unknown key lr: did you mean optim.lr?"),
        ("data.mix.a.srcc=x", "unknown key data.mix.a.srcc: did you mean data.mix.a.src?"),
        ("+data.val_sets.a.src.b=x", "did you mean data.val_sets.a.src?"),
        ("trainer.max_step=5", "did you mean trainer.max_steps?"),
        ("max_minutes=5", "did you mean trainer.max_minutes?"),
        ("foo=1", "mt-train --help"),
        ("model=rn", "unknown option model=rn: did you mean model=rnn?"),
        ("model/size=smal", "did you mean model/size=small?"),
        ("model.encoder=rrn", "must be one of transformer, rnn, got rrn; did you mean rnn?"),
        ("model.encoder=42", "model.encoder must be one of transformer, rnn, got 42"),
        ("optim.lr=abc", "optim.lr: Value 'abc' of type 'str' could not be converted to Float"),
        ("trainer.max_steps=1.5", "trainer.max_steps: Value '1.5'"),
        ("trainer.max_steps=-1", "trainer.max_steps must be >= 0, got -1"),
        ("trainer.test_beam=0", "trainer.test_beam must be >= 1 and <= 1,000, got 0"),
        ("optim.lr=nan", "optim.lr must be a finite number, got nan"),
        ("optim.betas=[0.9]", "optim.betas must be two numbers >= 0 and < 1, got [0.9]"),
        ("data.clean.min_words=251", "min_words must be <= data.clean.max_words, which is 250"),
        (
            "model.transformer.heads=3",
            "model.dim must be divisible by model.transformer.heads=3, got 256",
        ),
        ("model.dim=7", "model.dim must be even, got 7"),
        ("name=../other", "name must be a relative path inside runs_dir"),
        ("model.dropout=1.0", "model.dropout must be >= 0 and < 1, got 1.0"),
        ("~optim.lr", "cannot be removed"),
        ("data.tokenizer.joint=false", "model.tie_embeddings=all needs a joint vocabulary"),
        ("data.mix.news.source=a", "unknown key data.mix.news.source: "),
        ("data.mixes.news.src=a", "unknown key data.mixes.news.src: "),
        ("data.mix.news.src.a=b", "unknown key data.mix.news.src.a: "),
        ("~data.mix.news", "data.mix.news"),
        ("data.mix.news.tag=a,b", "write 'data.mix.news.tag=\"a,b\"'"),
        ("optim.lr=a=b", "quote"),
        ("seed=1,2", "multirun"),
        ("seed", "cannot parse the overrides"),
    ],
)
def test_mistakes_are_named_in_one_line(override, message):
    with pytest.raises(UsageError) as error:
        compose.load_config([override])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


BAD_COMBINATIONS = [
    ("model.transformer.kv_heads=3", "kv_heads must divide model.transformer.heads=4, got 3"),
    ("position=rope model.dim=12", "model.dim / model.transformer.heads must be even, got 3"),
    ("position=alibi model.transformer.heads=1", "heads to 2 or more"),
    (
        "attention=window model.transformer.window=300",
        "must be <= data.max_pieces=256, got 300: reduce it, or set "
        "model.transformer.encoder_pattern=full",
    ),
    (
        "model.transformer.encoder_pattern=adaptive_span model.transformer.window=300",
        "model.transformer.window must be <= data.max_pieces=256",
    ),
    (
        "attention=strided model.transformer.heads=1 model.dim=4",
        "model.transformer.heads must be even, got 1",
    ),
    (
        "attention=strided model.transformer.stride=300",
        "stride must be <= data.max_pieces=256, got 300",
    ),
    (
        "attention=adaptive_span model.transformer.select=entmax15",
        "set model.transformer.select=softmax",
    ),
    ("attention=linear position=t5", "must be one of none, sinusoidal, fairseq, learned"),
    (
        "model.transformer.decoder_pattern=linear position=rope",
        "decoder_pattern=linear computes no attention scores",
    ),
    (
        "model=rnn attention=window",
        "attention=window applies to transformer models only, and this model is rnn to rnn",
    ),
    ("model=rnn position=rope", "position=rope applies to transformer models only"),
    (
        "model=transformer attention=[sparsemax,local_p]",
        "attention=local_p applies to rnn models only, and this model is transformer to",
    ),
    (
        "model=rnn model.rnn.attention=dot",
        "the same dimension, got 1024 and 512: set model.rnn.bidirectional=false",
    ),
    ("model=rnn model.rnn.attention=scaled_dot", "or model.rnn.attention=scaled_general"),
    (
        "model.decoder=rnn model.rnn.attention=dot",
        "the same dimension, got 256 and 512: set model.dim=256 and model.rnn.hidden=256",
    ),
    (
        "model=rnn model.rnn.attention_heads=3",
        "model.rnn.attention_dim must be divisible by model.rnn.attention_heads=3, got 512",
    ),
    (
        "model=rnn attention=multihead_dot model.rnn.hidden=257",
        "dimension of encoder states must be divisible by model.rnn.attention_heads=4, got 514",
    ),
    (
        "model=rnn attention=general model.rnn.attention_heads=2",
        "to one of additive, concat, dot, scaled_dot",
    ),
    (
        "model=rnn attention=location data.max_pieces=300",
        "longest_source must be >= data.max_pieces + 1 = 301",
    ),
    (
        "model=rnn attention=location model.rnn.coverage=true",
        "no keys, which coverage would modify: set model.rnn.coverage=false",
    ),
    ("model=rnn model.rnn.coverage_loss=1", "set model.rnn.coverage=true"),
    (
        "model=rnn attention=no-attention model.rnn.select=hard",
        "does not use model.rnn.select: set it to softmax",
    ),
    (
        "model=rnn attention=[no-attention,coverage]",
        "does not use model.rnn.coverage: set it to false",
    ),
    ("model=rnn model.rnn.input_feeding=false", "needs model.rnn.placement=luong"),
    ("model=rnn model.rnn.reverse_source=true", "set model.rnn.bidirectional=false"),
]


@pytest.mark.parametrize(
    ("overrides", "message"), BAD_COMBINATIONS, ids=[overrides for overrides, _ in BAD_COMBINATIONS]
)
def test_invalid_combinations_are_rejected_in_one_line(overrides, message):
    with pytest.raises(UsageError) as error:
        compose.load_config(overrides.split())
    assert message in str(error.value)
    assert "\n" not in str(error.value)


RNN_ATTENTION = [
    path.stem
    for path in sorted((compose.config_dir() / "attention").glob("*.yaml"))
    if "\nrnn:" in path.read_text("utf-8")
]


@pytest.mark.parametrize("option", RNN_ATTENTION)
def test_every_attention_option_for_rnns_builds_a_model(option):
    config = compose.load_config(["auto=false", "model=rnn", f"attention={option}"])
    with torch.device("meta"):
        build_model(config.model, 100, 100)


def test_attention_options_combine():
    rnn = compose.load_config(
        ["auto=false", "model=rnn", "attention=[luong,local_p,sparsemax]"]
    ).model.rnn
    assert (rnn.bidirectional, rnn.scope, rnn.select) == (False, "local_p", "sparsemax")


def test_a_run_of_an_earlier_version_keeps_its_attention():
    old = (
        "model: {encoder: rnn, decoder: rnn, rnn: {cell: gru, encoder_layers: 1, hidden: 64, "
        "attention: additive, attention_dim: 64}}"
    )
    rnn = config_yaml.config_from_yaml(old).model.rnn
    assert rnn == RNNConfig(hidden=64, attention_dim=64)
    assert (rnn.placement, rnn.scope, rnn.select, rnn.attention_heads, rnn.bidirectional) == (
        "bahdanau",
        "global",
        "softmax",
        1,
        True,
    )
    assert (rnn.coverage, rnn.reverse_source) == (False, False)


def test_settings_of_unused_parts_are_not_checked():
    for overrides in (
        ["model=rnn", "model.transformer.pattern=linear", "model.transformer.position=t5"],
        ["model.encoder=rnn", "model.transformer.encoder_pattern=linear", "position=t5"],
        ["model=transformer", "model.rnn.attention=dot", "model.rnn.reverse_source=true"],
        ["model.decoder=rnn", "model.rnn.reverse_source=true"],  # a setting of RNN encoders
        ["model=rnn", "model.decoder=transformer", "model.rnn.attention=dot"],
    ):
        compose.load_config(overrides)


def test_additional_corpora_have_the_settings_of_data_train():
    mix = compose.load_config(
        ["data.mix.news={src: x, tgt: y, weight: 0.5}", "data.mix.web.file=z.tsv"]
    ).data.mix
    assert (mix["news"].src, mix["news"].weight, mix["web"].file) == ("x", 0.5, "z.tsv")
    added = ["+data.mix.news.src=a", "data.mix.news.src=x", "data.mix.news.tgt=y"]
    news = compose.load_config(added).data.mix["news"]
    assert (news.src, news.tgt) == ("x", "y")
    with pytest.raises(UsageError, match="data.mix.news"):
        compose.load_config(["+data.mix.news={src: x, weight: heavy}"])


def test_reverse_swaps_the_languages():
    assert DataConfig(src_lang="en", tgt_lang="de").languages() == ("en", "de")
    assert DataConfig(src_lang="en", tgt_lang="de", reverse=True).languages() == ("de", "en")


def test_overrides_in_the_readme_are_valid():
    """Every mt-train line of the README has keys and options that exist."""
    readme = (compose.config_dir().parent / "README.md").read_text(encoding="utf-8")
    lines = [line.split("#")[0] for line in readme.splitlines() if line.startswith("    mt-train ")]
    assert len(lines) >= 4
    for line in lines:
        overrides = [word for word in shlex.split(line)[1:] if not word.startswith("-")]
        OverridesParser.create().parse_overrides(overrides)
        compose.check_keys(overrides)


@pytest.mark.medium
def test_the_command_exits_with_2_and_one_line_on_wrong_usage(tmp_path):
    process = subprocess.run(
        [sys.executable, "-m", "mt.train", "optim.lrr=3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "error: unknown key optim.lrr: did you mean optim.lr?\n"
    assert os.listdir(tmp_path) == []


def test_help_lists_keys_with_defaults(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mt-train", "--help"])
    main()
    assert "trainer.batch_tokens = 4096" in capsys.readouterr().out


def test_errors_have_exit_codes():
    assert (MTError.exit_code, UsageError.exit_code) == (1, 2)
    assert all(field.metadata for field in dataclasses.fields(Config))
