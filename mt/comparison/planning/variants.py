"""The variants of a comparison: composed, prepared, checked against each other, matched in size."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from mt.comparison.planning.parameters import count_parameters, match_parameters
from mt.comparison.planning.planned_run import PlannedRun, changed_settings
from mt.comparison.planning.spec import ComparisonSpec
from mt.comparison.planning.trials import Trial
from mt.config.compose import load_config
from mt.config.schema import Config, DataConfig, ModelConfig, get_value, keys
from mt.data.prepare import Log, PreparedData, prepare_run, record_vocabulary
from mt.errors import MTError, UsageError
from mt.training.fine_tuning import inherit_settings


@dataclass
class Variant:
    """A system to train: settings that differ from those of the others, and its runs."""

    name: str
    overrides: list[str]  # without seed and folder
    config: Config
    vocabularies: tuple[int, int] = (0, 0)  # sizes: source, target
    parameters: int = 0
    data_hash: str = ""  # of the prepared text
    trials: list[Trial] = field(default_factory=list)  # before the runs, if settings are tuned
    runs: list[PlannedRun] = field(default_factory=list)  # none before the trials have ended

    def count(self, model: ModelConfig) -> int:
        """Count the parameters of a model with the vocabularies of the variant."""
        return count_parameters(model, *self.vocabularies)


def compose_variants(
    spec: ComparisonSpec, extra: Sequence[str], log: Log
) -> tuple[list[Variant], list[str]]:
    """Compose every variant, prepare its text and match sizes.

    `extra` are overrides of all variants, after their own. Returns the variants, and in words the
    widths that were matched. Raises UsageError or MTError, naming the variant.
    """
    variants = []
    for name, own in spec.variants.items():
        overrides = [*spec.overrides, *own, *extra, *spec.budget.overrides()]
        variants.append(Variant(name, overrides, compose(name, overrides)))
    for one, other in itertools.combinations(variants, 2):
        check_different(one, other, spec, extra)
    data = prepare_all(variants, log)
    for variant in variants:
        prepared = data[variant.name]
        variant.config = record_vocabulary(variant.config, prepared)
        variant.data_hash = prepared.hash
        variant.vocabularies = (
            prepared.tokenizer.vocab_size("src"),
            prepared.tokenizer.vocab_size("tgt"),
        )
        variant.parameters = variant.count(variant.config.model)
    check_comparable(spec, variants, data)
    return variants, match_sizes(spec, variants, data) if spec.match_parameters else []


def check_different(
    one: Variant, other: Variant, spec: ComparisonSpec, extra: Sequence[str]
) -> None:
    """Raise UsageError if two variants are the same training, and so would share their runs."""
    differing = [
        key for key in keys() if get_value(one.config, key) != get_value(other.config, key)
    ]
    if not differing:
        own = [
            compose(name, [*spec.overrides, *extra, *spec.variants[name]])
            for name in (one.name, other.name)
        ]
        reason = ": the command line overrides their difference" if own[0] != own[1] else ""
        raise UsageError(f"variants {one.name} and {other.name} have the same settings{reason}")
    if changed_settings(one.config) == changed_settings(other.config):
        raise UsageError(
            f"variants {one.name} and {other.name} are the same training, which "
            f"{', '.join(differing)} does not change: make one variant of them; outputs of a model "
            "with several beam sizes are compared as files (mt-translate --beam, hyp=...)"
        )


def compose(name: str, overrides: list[str]) -> Config:
    """Compose the settings of a variant. Raises UsageError that names it."""
    try:
        return inherit_settings(load_config(overrides))
    except UsageError as error:
        raise UsageError(f"variant {name}: {error}") from error


def prepare_all(variants: Sequence[Variant], log: Log) -> dict[str, PreparedData]:
    """Prepare the text of every variant, once for all variants with the same."""
    done: list[tuple[tuple[DataConfig, str], PreparedData]] = []
    prepared = {}
    for variant in variants:
        key = (variant.config.data, variant.config.trainer.init_from)
        data = next((data for known, data in done if known == key), None)
        if data is None:
            try:
                data = prepare_run(variant.config, log)
            except MTError as error:
                raise type(error)(f"variant {variant.name}: {error}") from error
            done.append((key, data))
        prepared[variant.name] = data
    return prepared


def check_comparable(
    spec: ComparisonSpec, variants: Sequence[Variant], data: dict[str, PreparedData]
) -> None:
    """Raise UsageError if variants have different tests, or budgets in different units."""
    first = variants[0]
    for other in variants[1:]:
        names = f"variants {first.name} and {other.name}"
        if data[first.name].test_pairs != data[other.name].test_pairs:
            raise UsageError(
                f"{names} are tested on different text: give both the same data.test.*"
            )
        if first.config.data.languages() != other.config.data.languages():
            raise UsageError(
                f"{names} translate different languages: "
                "give both the same data.*_lang and data.reverse"
            )
        same = data[first.name].tokenizer.serialized() == data[other.name].tokenizer.serialized()
        if not same and spec.budget.target_tokens:
            raise UsageError(
                f"{names} have different tokenizers, so that equal target tokens are different "
                "text: set budget.minutes, .steps or .flops, "
                "or give both the same data.tokenizer.*"
            )


def match_sizes(
    spec: ComparisonSpec, variants: Sequence[Variant], data: dict[str, PreparedData]
) -> list[str]:
    """Change widths to match the parameters of the baseline; return the changes in words."""
    target = next(variant.parameters for variant in variants if variant.name == spec.baseline)
    changes = []
    for variant in variants:
        if variant.name == spec.baseline:
            continue
        try:
            widths = match_parameters(variant.config.model, target, variant.count)
        except UsageError as error:
            raise UsageError(f"variant {variant.name}: {error}") from error
        variant.overrides = [*variant.overrides, *widths]
        config = compose(variant.name, variant.overrides)
        variant.config = record_vocabulary(config, data[variant.name])
        variant.parameters = variant.count(variant.config.model)
        difference = variant.parameters / target - 1
        changes.append(f"{variant.name}: {', '.join(widths)}, {difference:+.1%} parameters")
    return changes
