"""Checks of combinations of settings of training; see `mt.config.checks`."""

from __future__ import annotations

import re

from mt.config.data_schema import MAIN_VAL_SET
from mt.config.regularise_schema import CONSISTENCY_NAMES
from mt.config.schema import Config
from mt.config.setting import AUTO
from mt.config.training_schema import TRACKER_NAMES
from mt.errors import UsageError

SET_NAME = r"[\w-]+"  # that metrics of all trackers may have
SPLIT_NAMES = (MAIN_VAL_SET, "test")  # which are no names of data.val_sets


def check_validation_sets(config: Config) -> None:
    """Raise UsageError if names of validation sets are not valid, or trainer.val_set is unknown."""
    names = list(config.data.val_sets)
    for name in names:
        if name in SPLIT_NAMES or not re.fullmatch(SET_NAME, name):
            raise UsageError(
                "the name of a validation set, as in data.val_sets.NAME, must consist of letters, "
                f"digits, _ and -, and must not be {' or '.join(SPLIT_NAMES)}, got {name!r}"
            )
    if config.trainer.val_set not in (MAIN_VAL_SET, *names):
        raise UsageError(
            f"trainer.val_set must be one of {', '.join((MAIN_VAL_SET, *names))}, which are "
            f"data.val and the names of data.val_sets, got {config.trainer.val_set!r}"
        )


def check_fine_tuning(config: Config) -> None:
    """Raise UsageError if a setting of fine-tuning has no run to start from, or no effect."""
    optim, extend = config.optim, config.data.tokenizer.extend
    if not config.trainer.init_from:
        for name, value, purpose in (
            ("optim.init_decay", optim.init_decay, "the weights to decay to"),
            ("optim.lora", optim.lora, "the weights to adapt"),
            ("data.tokenizer.extend", extend, "the run whose vocabulary it extends"),
        ):
            if value:
                raise UsageError(f"{name} needs trainer.init_from, {purpose}")
    if not optim.lora:
        return
    if optim.optimizer != "adamw":
        raise UsageError(
            f"optim.lora needs optim.optimizer=adamw, which trains its factors, got "
            f"{optim.optimizer}"
        )
    if config.trainer.parallel in ("fsdp", "hybrid"):
        raise UsageError(
            "optim.lora needs trainer.parallel=auto or ddp, which have whole matrices, got "
            f"{config.trainer.parallel}"
        )
    if optim.init_decay:
        raise UsageError(
            "optim.lora and optim.init_decay exclude each other: optim.weight_decay keeps the "
            "changes of optim.lora small"
        )
    if extend:
        raise UsageError(
            "optim.lora does not train embeddings, which the new pieces of "
            "data.tokenizer.extend need: leave out one of them"
        )


def check_end_of_training(config: Config) -> None:
    """Raise UsageError if schedule, decay and the rule that ends training contradict each other."""
    optim, trainer = config.optim, config.trainer
    if optim.schedule == "cosine" and optim.decay != "none":
        raise UsageError(
            f"optim.decay={optim.decay} needs optim.schedule=constant or inverse_sqrt: "
            "cosine is a decay itself"
        )
    if trainer.until != "plateau":
        return
    if trainer.pause_at < 1 and not trainer.is_limited():
        raise UsageError("trainer.pause_at is a share of a limit: set one, such as max_minutes")
    if optim.schedule == "cosine":
        raise UsageError(
            "trainer.until=plateau needs a schedule without a known end, and cosine ends with the "
            "budget: set optim.schedule=constant and optim.decay=1-sqrt (optim=wsd)"
        )
    if not trainer.val_every and not trainer.val_minutes:
        raise UsageError(
            "trainer.until=plateau needs validations: set trainer.val_every or trainer.val_minutes"
        )


def check_regularisers(config: Config) -> None:
    """Raise UsageError if several losses are chosen, or if R-Drop has nothing to compare."""
    regularise, model = config.regularise, config.model
    chosen = [name for name in CONSISTENCY_NAMES if getattr(regularise, name)]
    if len(chosen) > 1:
        listed = " and ".join(f"regularise.{name}" for name in chosen)
        raise UsageError(f"{listed} are different losses: set all but one of them to 0")
    dropout = (
        model.dropout,
        model.transformer.attention_dropout,
        model.transformer.activation_dropout,
        regularise.word_dropout_src,
        regularise.word_dropout_tgt,
    )
    if regularise.rdrop and not any(dropout):
        raise UsageError(
            "regularise.rdrop compares two passes that differ in dropout only: "
            f"model.dropout must be > 0, got {model.dropout:g}"
        )


def check_patience(config: Config) -> None:
    """Raise UsageError if patience would prevent the final decay of the learning rate.

    Runs of earlier versions may have such settings, so this is not checked where they are read.
    """
    if config.trainer.patience and config.optim.decay not in ("none", AUTO):
        raise UsageError(
            "trainer.patience would end training before the decay of the learning rate: use "
            "trainer.until=plateau instead, or set optim.decay=none"
        )


def check_trackers(config: Config) -> None:
    """Raise UsageError if trainer.report_to names a service that is not known."""
    for name in config.trainer.report_to:
        if name not in TRACKER_NAMES:
            raise UsageError(
                f"trainer.report_to must name some of {', '.join(TRACKER_NAMES)}, got {name!r}"
            )
