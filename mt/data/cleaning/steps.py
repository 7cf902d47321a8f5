"""All steps of cleaning, in their order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from mt.config.schema import CleanConfig
from mt.data.arrow_files import Pair
from mt.data.cleaning.copies import is_copy
from mt.data.cleaning.corpus_facts import CorpusFacts
from mt.data.cleaning.duplicates import Overlap, pair_key, simplified_key
from mt.data.cleaning.languages import is_foreign
from mt.data.cleaning.lengths import length_steps
from mt.data.cleaning.letters import script_share
from mt.data.cleaning.markup import differs_in_markup
from mt.data.cleaning.numbers import agreement
from mt.data.cleaning.repetition import loops_on_one_side
from mt.data.cleaning.step import Step
from mt.data.normalisation import Normaliser, is_blank


def build_steps(
    config: CleanConfig, facts: CorpusFacts, held_out: Iterable[Pair], languages: tuple[str, str]
) -> list[Step]:
    """Return all steps, those that are off included. A pair counts for the first that drops it."""
    return [
        Step(
            "empty",
            "data.train",
            "with an empty side",
            lambda source, target: is_blank(source) or is_blank(target),
        ),
        *length_steps(config, facts),
        *content_steps(config, facts),
        Step(
            "language",
            "data.src_lang, data.tgt_lang and data.clean.max_foreign",
            "with a side in another language",
            is_foreign(languages, config.max_foreign) if config.max_foreign else None,
        ),
        Step(
            "overlap",
            "data.train, data.val, data.test and data.clean.drop_overlap",
            "whose source or target is in validation or test",
            Overlap(held_out, Normaliser.from_config(config)) if config.drop_overlap else None,
        ),
        Step(
            "duplicate",
            "data.clean.deduplicate",
            "seen before",
            key=pair_key if config.deduplicate else None,
        ),
        Step(
            "near-duplicate",
            "data.clean.near_duplicates",
            "seen before with other case, digits or punctuation",
            key=simplified_key if config.near_duplicates else None,
        ),
    ]


def content_steps(config: CleanConfig, facts: CorpusFacts) -> list[Step]:
    """Return the steps that compare what is written on both sides."""
    copied, repeats = config.max_copied, config.max_repeats
    script, numbers = config.min_script, config.min_numbers
    first, second = facts.scripts
    return [
        Step(
            "copy",
            "data.clean.max_copied",
            f"with {copied:.0%} of the words copied from the source",
            partial(is_copy, share=copied) if copied else None,
        ),
        Step(
            "repetition",
            "data.clean.max_repeats",
            f"with a side that repeats words over {repeats} times in a row",
            partial(loops_on_one_side, limit=repeats) if repeats else None,
        ),
        Step(
            "mark-up",
            "data.clean.same_markup",
            "with tags or web addresses on one side only",
            differs_in_markup if config.same_markup else None,
        ),
        Step(
            "script",
            "data.clean.min_script",
            f"with a side that has under {script:.0%} of its letters in the script of its language",
            (
                lambda source, target: (
                    script_share(source, first) < script or script_share(target, second) < script
                )
            )
            if script
            else None,
        ),
        Step(
            "numbers",
            "data.clean.min_numbers",
            f"with numbers of which under {numbers:.0%} of the digits agree",
            (lambda source, target: agreement(source, target) < numbers) if numbers else None,
        ),
    ]
