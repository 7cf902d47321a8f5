"""Values that nobody can mean, and sizes that no machine has, are refused at once."""

from __future__ import annotations

import pytest
import torch

from mt.config.compose import load_config
from mt.errors import MTError, UsageError
from mt.training.start import check_memory


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.eps=1e10", "optim.eps must be >= 0 and < 1, got 10000000000.0"),
        ("data.tokenizer.sampling=5", "data.tokenizer.sampling must be >= 0 and <= 1, got 5.0"),
        ("data.tokenizer.character_coverage=2", "character_coverage must be >= 0 and <= 1"),
        ("data.tokenizer.vocab_size=99999999999", "vocab_size must be >= 0 and <= 10,000,000"),
        ("data.train.weight=1e9", "data.train.weight must be >= 0 and <= 1,000"),
        ("+data.mix.news.weight=1e9", "data.mix.news.weight must be >= 0 and <= 1,000"),
        ("+data.mix.news.limit=-1", "data.mix.news.limit must be >= 0, got -1"),
        ("data.mix=${seed}", "data.mix must hold corpora by name"),
        ("data.mix=5", "data.mix"),
        ("model.dim=1e12", "model.dim: Value '1000000000000.0'"),
        ("model.dim=1000000000000", "model.dim must be >= 1 and <= 1,000,000"),
        ("model.transformer.encoder_layers=1000000", "encoder_layers must be >= 1 and <= 1,000"),
        ("trainer.val_beam=100000", "trainer.val_beam must be >= 1 and <= 1,000, got 100000"),
        ("trainer.threads=1000000", "trainer.threads must be >= 0 and <= 1,024"),
        ("name=' '", "name must have no spaces at its ends"),
        ("name='a/ b'", "name must have no spaces at its ends"),
        ("name='a\x07'", "only characters that can be seen"),
        ("name=.", "name must be a relative path inside runs_dir"),
        ("name=''", "name must be a relative path inside runs_dir"),
    ],
)
def test_absurd_values_are_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load_config([override])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_model_that_the_machine_cannot_hold_is_refused_before_it_is_built() -> None:
    config = load_config(["model.dim=1000000", "model.transformer.ff_dim=1000000"]).model
    with pytest.raises(MTError, match=r"parameters needs [\d,]+ GiB to train, and there are"):
        check_memory(config, [8000, 8000], torch.device("cpu"))
    check_memory(load_config([]).model, [8000, 8000], torch.device("cpu"))
