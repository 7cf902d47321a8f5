"""From YAML files and command-line overrides to a checked `Config`, with errors that name the nearest valid key.

Hydra composes; the rest of the package only sees dataclasses. Hydra's own check lets `+optim.lrr=3`
pass and its messages take several lines, so keys are checked here, before Hydra sees them.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.config.schema import Config, SplitConfig, field_default, fields, keys
from mt.config.yaml import one_line, to_config
from mt.errors import UsageError

ConfigStore.instance().store(name="schema", node=Config)


def config_dir() -> Path:
    """The folder of YAML files: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def groups() -> dict[str, list[str]]:
    """Config groups and their options, from the folders and files that there are."""
    found: dict[str, list[str]] = {}
    for path in sorted(config_dir().rglob("*.yaml")):
        name = path.parent.relative_to(config_dir()).as_posix()
        if name not in (".", "compare"):  # the latter are mt-compare's
            found.setdefault(name, []).append(path.stem)
    return found


def load_config(overrides: list[str]) -> Config:
    """Compose `overrides` (such as ["model=rnn", "optim.lr=7e-4"]) over the YAML files and check the result."""
    check_keys(overrides)
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            config = to_config(compose("train", overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise UsageError(one_line(error)) from error
    check_mechanisms(overrides, config)
    return config


def check_keys(overrides: list[str]) -> None:
    """Refuse overrides of keys and group options that do not exist, and name the nearest that do."""
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise UsageError(
            f"cannot read the overrides: {one_line(error)}; quote values with special characters: 'key=\"a,b\"'"
        ) from error
    known_groups = groups()
    for override in parsed:
        key = override.key_or_group
        if key.startswith("hydra."):
            continue
        if key.startswith("data.mix.") and not override.is_add():
            raise UsageError(f"{key} adds a corpus: write +{key}=...")
        if override.is_delete() and key in keys():
            raise UsageError(f"~{key}: a setting cannot be removed, only set")
        if key in known_groups:
            if not override.is_sweep_override():
                value = override.value()
                for option in value if isinstance(value, list) else [value]:
                    _check_known(str(option), known_groups[key], f"{key}=")
        elif not _is_key(key):
            _check_known(key, [*known_groups, *keys()], "")


def check_mechanisms(overrides: list[str], config: Config) -> None:
    """Refuse a choice of attention or positions that sets nothing which this model has."""
    families = {config.model.encoder, config.model.decoder}
    for override in OverridesParser.create().parse_overrides(overrides):
        if override.key_or_group not in ("attention", "position") or override.is_delete():
            continue
        value = override.value()
        for option in value if isinstance(value, list) else [value]:
            if not option:
                continue
            settings = {
                str(family)
                for family in OmegaConf.load(
                    config_dir() / override.key_or_group / f"{option}.yaml"
                )
            }
            if not families & settings:
                raise UsageError(
                    f"{override.key_or_group}={option} is for {' and '.join(sorted(settings))} models, and this one is "
                    f"{config.model.encoder} to {config.model.decoder}: choose another, or another model="
                )


def _is_key(key: str) -> bool:
    """Whether `key` is a setting or, under data.mix, a setting of a corpus with a name of the user's choice."""
    parts = key.split(".")
    if parts[:2] == ["data", "mix"]:
        return len(parts) <= 3 or (
            len(parts) == 4
            and parts[3] in {field.name for field in dataclasses.fields(SplitConfig)}
        )
    return key in keys()


def _check_known(name: str, known: list[str], prefix: str) -> None:
    if name in known:
        return
    # The part after the last dot is what people mistype; a key given without its section is found
    # by it too.
    near = difflib.get_close_matches(name, known, 1, 0.6) or [
        k for k in known if k.split(".")[-1] == name.split(".")[-1]
    ]
    near = near or difflib.get_close_matches(
        name.split(".")[-1], [k.split(".")[-1] for k in known], 1, 0.75
    )
    hint = f"did you mean {prefix}{near[0]}?" if near else "mt-train --help lists what there is"
    raise UsageError(f"unknown {'option' if prefix else 'key'} {prefix}{name}: {hint}")


def differences(old: Config, new: Config) -> list[str]:
    """Settings that may not differ when a run is continued and yet do, as readable phrases."""
    found = []
    for name, field in keys().items():
        before, after = (
            functools.reduce(getattr, name.split("."), config) for config in (old, new)
        )
        if before != after and not field.metadata["resumable"]:
            found.append(f"{name} is {_plain(before)} there and {_plain(after)} here")
    return found


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return str({key: dataclasses.asdict(entry) for key, entry in value.items()})
    return repr(value)


def help_text() -> str:
    """What `mt-train --help` prints: how to use it, the groups with their options, every key."""
    lines = [
        "mt-train: train a translation model and test it.",
        "",
        "usage: mt-train [group=option ...] [key=value ...]",
        "",
        "  mt-train experiment=demo                                     the embedded corpus, minutes on a CPU",
        "  mt-train data=files data.train.src=a.en data.train.tgt=a.de trainer.max_minutes=30",
        "  mt-train data=multi30k model=rnn optim.lr=7e-4 name=first    a corpus of the Hugging Face hub",
        "  mt-train -m seed=1,2,3 name='seed-${seed}' trainer.max_steps=2000    three runs, one after the other",
        "  torchrun --nproc-per-node 2 -m mt.train model/size=base      two processes, one model",
        "",
        "The run is written to runs/NAME: use it with mt-translate and mt-evaluate. The same command continues a run that",
        "was interrupted (Ctrl-C saves first). `mt-train --cfg job` shows the settings that a command results in.",
        "",
        "Groups (each option is a file that sets some of the keys below)",
    ]
    lines += [f"  {name:12} {', '.join(options)}" for name, options in groups().items()]
    lines += [
        "",
        "Keys, with their defaults before any group sets them (* may change when a run is continued)",
    ]
    for name, field, section in fields():
        text = field.metadata["help"]
        if section:
            lines += ["", f"  {name}: {text}"]
            continue
        choices = f" [{'|'.join(field.metadata['choices'])}]" if field.metadata["choices"] else ""
        default = field_default(field)
        shown = "" if default is None or default == "" else f" = {default}"
        lines.append(
            f"    {name}{shown}{'*' if field.metadata['resumable'] else ''}{choices}\n        {text}"
        )
    return "\n".join(lines)
