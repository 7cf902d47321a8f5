"""Settings that a run stores as YAML, and how they differ from those that are given."""

from __future__ import annotations

from mt.config import compose
from mt.config import yaml as config_yaml
from mt.config.schema import Config, SplitConfig
from mt.training.start import is_moved_path


def test_yaml_restores_the_configuration():
    config = compose.load_config(
        ["experiment=demo", "+data.mix.more={src: x, tgt: y}", "name=a:b", "data.train.src=[x,y]"]
    )
    assert config_yaml.config_from_yaml(config_yaml.config_to_yaml(config)) == config


def test_settings_that_are_read_twice_are_independent():
    config = compose.load_config(["+data.mix.news.demo=5"])
    text = config_yaml.config_to_yaml(config)
    one, other = config_yaml.config_from_yaml(text), config_yaml.config_from_yaml(text)
    one.model.dim, one.data.mix["news"].demo = 1, 1
    assert other == config_yaml.config_from_yaml(text) == config


def test_only_settings_that_must_not_change_count_as_differences():
    old, new = Config(), Config()
    new.trainer.max_steps, new.trainer.log_every, new.trainer.device = 5, 1, "cpu"
    assert compose.differences(old, new) == []
    new.optim.lr, new.data.train.src = 0.5, "x"
    assert list(map(str, compose.differences(old, new))) == [
        "data.train.src was None, now 'x'",
        "optim.lr was 0.001, now 0.5",
    ]


def test_differences_of_corpora_with_names_are_those_of_their_settings():
    """Files at another path are then seen to be that."""
    old, new = Config(), Config()
    old.data.val_sets = {"a": SplitConfig(src="x.en", limit=3), "gone": SplitConfig(demo=2)}
    new.data.val_sets = {"a": SplitConfig(src="y.en", limit=3)}
    old.data.mix, new.data.mix = {}, {"b": SplitConfig(file="b.tsv", weight=2.0)}
    found = compose.differences(old, new)
    assert list(map(str, found)) == [
        "data.mix.b was None, now {'file': 'b.tsv', 'weight': 2.0}",
        "data.val_sets.a.src was 'x.en', now 'y.en'",
        "data.val_sets.gone was {'demo': 2}, now None",
    ]
    assert [is_moved_path(each) for each in found] == [False, True, False]
