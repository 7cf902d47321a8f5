"""Composition of YAML files and command-line overrides into a checked `Config`.

Hydra composes the files; the rest of the package only sees dataclasses. Hydra accepts unknown keys
such as `+optim.lrr=3`, and its messages take several lines. Keys are therefore checked here first,
with messages that suggest the closest valid key.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import difflib
import functools
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mt.config import corpus_name, hydra_files
from mt.config.data_schema import NAMED
from mt.config.hydra_files import read_settings
from mt.config.overrides import check_single_value, keep_text, named_keys, parse_override
from mt.config.prepared import use_prepared
from mt.config.presets import (
    collect_folders,
    config_dir,
    find_option,
    groups,
    imply_preset,
    own_folders,
)
from mt.config.schema import Config, SplitConfig, fields, get_value, keys
from mt.config.setting import AUTO, default_value
from mt.config.training_checks import check_patience
from mt.config.yaml import group_error, one_line, setting_in_group, to_config
from mt.errors import UsageError

ConfigStore.instance().store(name="schema", node=Config)
hydra_files.register()
corpus_name.register()


def load_config(overrides: list[str]) -> Config:
    """Compose the YAML files with `overrides`, such as ["model=rnn"], and check the result."""
    overrides = imply_preset(collect_folders([keep_text(each) for each in overrides]))
    check_keys(overrides)
    parsed = parse_overrides(overrides)
    for override in parsed:
        check_single_value(override)
    try:
        composed = use_prepared(_compose(overrides), named_keys(parsed))
        config = to_config(composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(one_line(error)) from error
    check_mechanisms(overrides, config)
    check_patience(config)
    return config


def _compose(overrides: list[str]) -> DictConfig:
    """Return the merged files that overrides choose, with the values that overrides set.

    Hydra takes 0.1 s to merge the files, and a comparison composes hundreds of runs. The files of
    mt do not change meanwhile, so each choice of them is merged once.
    """
    parsed = parse_overrides(overrides)
    values = [override for override in parsed if _sets_value(override)]
    choices = tuple(str(each.input_line) for each in parsed if not _sets_value(each))
    merge = _merge_files if own_folders(overrides) else _merge_files_once
    composed = copy.deepcopy(merge(choices))
    ConfigLoaderImpl._apply_overrides_to_config(values, composed)  # as `compose` does at its end
    return composed


def _sets_value(override: Override) -> bool:
    """Return whether an override gives a setting one value, and so chooses no file."""
    key = override.key_or_group
    is_setting = key in keys() or key.startswith(NAMED)
    return is_setting and override.package is None and not override.is_sweep_override()


def _merge_files(overrides: tuple[str, ...]) -> DictConfig:
    """Return what Hydra composes, without its own settings."""
    with without_hydra(), initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", list(overrides))


_merge_files_once = functools.cache(_merge_files)


@contextlib.contextmanager
def without_hydra() -> Iterator[None]:
    """Set aside the Hydra that runs a job, which allows no other one to compose meanwhile."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = running


def check_keys(overrides: list[str]) -> None:
    """Raise UsageError if an override names an unknown key or group option; suggest the closest."""
    known_groups = groups(own_folders(overrides))
    for override in parse_overrides(overrides):
        key = override.key_or_group
        if key.startswith(("hydra.", "hydra/")):
            continue
        if override.is_delete() and key in keys():
            raise UsageError(f"~{key}: settings cannot be removed, only changed")
        if key in known_groups:
            if not override.is_sweep_override():
                value = override.value()
                for option in value if isinstance(value, list) else [value]:
                    _check_known(str(option), known_groups[key], f"{key}=")
            continue
        if (example := setting_in_group(key)) and not override.is_delete():
            value = None if override.is_sweep_override() else override.value()
            if not (isinstance(value, dict) and key.startswith(NAMED)):
                raise group_error(key, example, value)
        _check_known(key, [*known_groups, *keys(), *_keys_of_corpus(key)], "")


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides; text stays as it is written. Raises UsageError if one cannot be parsed."""
    try:
        return [parse_override(keep_text(each)) for each in overrides]
    except HydraException as error:
        raise UsageError(
            f"cannot parse the overrides: {one_line(error)}; "
            "quote values that contain special characters: 'key=\"a,b\"'"
        ) from error


def check_mechanisms(overrides: list[str], config: Config) -> None:
    """Raise UsageError if a chosen attention or position option does not apply to the model."""
    families = {config.model.encoder, config.model.decoder}
    folders = own_folders(overrides)
    for override in parse_overrides(overrides):
        if override.key_or_group not in ("attention", "position") or override.is_delete():
            continue
        value = override.value()
        for option in value if isinstance(value, list) else [value]:
            if not option:
                continue
            file = find_option(override.key_or_group, str(option), folders)
            supported = {str(family) for family in read_settings(file)} if file else families
            if not families & supported:
                raise UsageError(
                    f"{override.key_or_group}={option} applies to "
                    f"{' and '.join(sorted(supported))} models only, and this model is "
                    f"{config.model.encoder} to {config.model.decoder}: choose another option, "
                    "or another model=..."
                )


def _keys_of_corpus(key: str) -> list[str]:
    """Return the keys of the named corpus of `key`: data.mix.NAME, data.mix.NAME.src and so on."""
    if not key.startswith(NAMED):
        return []
    corpus = ".".join(key.split(".")[:3])
    return [corpus, *(f"{corpus}.{field.name}" for field in dataclasses.fields(SplitConfig))]


def _check_known(name: str, known: list[str], prefix: str) -> None:
    if name in known:
        return
    last = name.split(".")[-1]
    by_last = [key for key in known if key.split(".")[-1] == last]  # the section is missing
    near = (
        difflib.get_close_matches(name, known, 1, 0.6)
        or by_last
        or difflib.get_close_matches(last, [key.split(".")[-1] for key in known], 1, 0.75)
    )
    hint = f"choose one of {', '.join(known)}" if prefix else "mt-train --help lists all keys"
    if near:
        hint = f"did you mean {prefix}{near[0]}?"
    raise UsageError(f"unknown {'option' if prefix else 'key'} {prefix}{name}: {hint}")


@dataclasses.dataclass(frozen=True)
class Difference:
    """A setting that has another value than before."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.name} was {_format(self.before)}, now {_format(self.after)}"


def differences(old: Config, new: Config) -> list[Difference]:
    """Return the settings that differ and must not if a run is to be continued."""
    pairs: list[Difference] = []
    for name, field in keys().items():
        before, after = (get_value(config, name) for config in (old, new))
        if field.metadata["resumable"]:
            continue
        if isinstance(before, dict):
            pairs += _split_differences(name, before, after)
        else:
            pairs.append(Difference(name, before, after))
    return [pair for pair in pairs if pair.before != pair.after]


def _split_differences(
    name: str, before: dict[str, SplitConfig], after: dict[str, SplitConfig]
) -> Iterator[Difference]:
    """Yield the settings of the splits that both have, and the splits that only one has."""
    for entry in {**before, **after}:
        old, new = before.get(entry), after.get(entry)
        if old is None or new is None:
            yield Difference(f"{name}.{entry}", old, new)
            continue
        for field in dataclasses.fields(SplitConfig):
            values = getattr(old, field.name), getattr(new, field.name)
            yield Difference(f"{name}.{entry}.{field.name}", *values)


def _format(value: Any) -> str:
    if isinstance(value, SplitConfig):
        return str(value.given())
    return repr(value)


USAGE = """\
mt-train: train a translation model and test it.

usage: mt-train [GROUP=OPTION ...] [KEY=VALUE ...]

examples:
  mt-train experiment=demo
      the embedded corpus; takes minutes on a CPU
  mt-train data=files data.train.src=a.en data.train.tgt=a.de trainer.max_minutes=30
      text files
  mt-train data.prepared=s3://bucket/corpus model/size=base
      what mt-prepare --output s3://bucket/corpus has prepared, without the text; or a folder
  mt-train data=multi30k model=rnn optim.lr=7e-4 name=first
      a data set from the Hugging Face Hub
  mt-train -m seed=1,2,3 trainer.max_steps=2000
      three runs, one after the other; their names end in -seed-1, -seed-2, -seed-3
  mt-train --config-dir conf experiment=mine
      conf/experiment/mine.yaml, an experiment of your own; conf has the layout of mt's configs
  torchrun --nproc-per-node 2 -m mt.train model/size=base
      data-parallel training with two processes

The run directory is runs/NAME; mt-translate and mt-evaluate read it. Ctrl-C saves a checkpoint and
stops; the same command continues the run. `mt-train --cfg job` prints the composed settings.
"""


def help_text() -> str:
    """Return the text of `mt-train --help`: usage, config groups with their options, all keys."""
    lines = [USAGE, "groups (each option is a YAML file that sets some of the keys below):"]
    lines += [wrap(", ".join(options), f"  {name:12} ") for name, options in groups().items()]
    lines += [
        "",
        "keys and their default values before any group is applied "
        "(* may be changed when a run is continued):",
    ]
    for name, field, is_section in fields():
        metadata = field.metadata
        if is_section:
            lines += ["", f"  {name}: {metadata['help']}"]
            continue
        default = default_value(field)
        if isinstance(default, bool):
            default = str(default).lower()
        shown = "" if default is None or default == "" else f" = {default}"
        star = "*" if metadata["resumable"] else ""
        options = [*metadata["choices"], *([AUTO] if metadata["auto"] else [])]
        choices = f" [{'|'.join(options)}]" if options else ""
        lines += [f"    {name}{shown}{star}{choices}", wrap(metadata["help"], 8 * " ")]
    return "\n".join(lines)


def wrap(text: str, prefix: str) -> str:
    """Wrap text at 100 columns behind a prefix, with the other lines indented to its width."""
    return textwrap.fill(
        text,
        100,
        initial_indent=prefix,
        subsequent_indent=len(prefix) * " ",
        break_long_words=False,
        break_on_hyphens=False,
    )
