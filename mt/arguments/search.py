"""The flags of the search, which mt-translate and mt-evaluate share."""

from __future__ import annotations

import argparse

from mt.decoding.options import MBR_METRICS, SearchOptions


def add_search_flags(group: argparse._ActionsContainer) -> None:
    """Add the fields of SearchOptions, except `nbest`, and --seed; mt-evaluate has them too."""
    defaults = SearchOptions()
    group.add_argument(
        "--beam",
        type=int,
        default=defaults.beam,
        metavar="K",
        help="beam size; 1: greedy search (default: 5)",
    )
    group.add_argument(
        "--length-penalty",
        type=float,
        default=defaults.length_penalty,
        metavar="ALPHA",
        help="score = log-probability / length^ALPHA; 0 favours short outputs, values above 1 "
        "long ones (default: 1)",
    )
    group.add_argument(
        "--max-ratio",
        type=float,
        default=defaults.max_ratio,
        metavar="R",
        help="maximum output length: R * source tokens + E (default: 2)",
    )
    group.add_argument(
        "--max-extra",
        type=int,
        default=defaults.max_extra,
        metavar="E",
        help="see --max-ratio (default: 20)",
    )
    group.add_argument(
        "--min-length",
        type=int,
        default=defaults.min_length,
        metavar="N",
        help="minimum output length in tokens (default: 0)",
    )
    group.add_argument(
        "--no-repeat-ngram",
        type=int,
        default=defaults.no_repeat_ngram,
        metavar="N",
        help="never produce N subword pieces in a row that the output already has; 0: off "
        "(default: 0)",
    )
    group.add_argument(
        "--repetition-penalty",
        type=float,
        default=defaults.repetition_penalty,
        metavar="X",
        help="make subword pieces that the output already has less probable: divide their logits "
        "by X, or multiply those below 0 (Keskar et al. 2019), such as 1.2; 1: off (default: 1)",
    )
    group.add_argument(
        "--mbr",
        type=int,
        default=defaults.mbr,
        metavar="N",
        help="minimum-Bayes-risk decoding: of N candidates, choose the one that is most similar "
        "to all; candidates are the N best of a beam of size N, or samples with --sample, such as "
        "--mbr 64 --sample --epsilon 0.02; scores are then expected utilities; 0: off (default: 0)",
    )
    group.add_argument(
        "--mbr-metric",
        choices=MBR_METRICS,
        default=defaults.mbr_metric,
        help="similarity in --mbr, between sentences (default: chrf)",
    )
    group.add_argument(
        "--sample",
        action="store_true",
        help="sample translations instead of searching; with --nbest N: N independent samples",
    )
    group.add_argument(
        "--temperature",
        type=float,
        default=defaults.temperature,
        metavar="T",
        help="sampling: below 1 sharpens the distribution, above 1 flattens it (default: 1)",
    )
    group.add_argument(
        "--top-k",
        type=int,
        default=defaults.top_k,
        metavar="K",
        help="sampling: only from the K most probable tokens; 0: all (default: 0)",
    )
    group.add_argument(
        "--top-p",
        type=float,
        default=defaults.top_p,
        metavar="P",
        help="sampling: only from the smallest set of most probable tokens whose total "
        "probability is at least P (default: 1)",
    )
    group.add_argument(
        "--epsilon",
        type=float,
        default=defaults.epsilon,
        metavar="E",
        help="sampling: only from tokens with a probability of at least E (Hewitt et al. 2022), "
        "such as 0.02 (default: 0)",
    )
    group.add_argument("--seed", type=int, metavar="N", help="random seed for reproducible samples")


def search_options(arguments: argparse.Namespace) -> SearchOptions:
    """Return the search options of the command line; None and a missing flag mean the default.

    Raises UsageError if they are invalid.
    """
    given = {name: getattr(arguments, name, None) for name in SearchOptions.__dataclass_fields__}
    return SearchOptions(**{name: value for name, value in given.items() if value is not None})
