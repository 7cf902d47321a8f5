"""Sentence pairs from data sets of the Hugging Face hub, or from a local folder laid out like one.

Parquet, JSON lines and CSV are supported, with a `translation` column (text by language) or one
text column for each language. `datasets` converts a set to Arrow and maps it into memory, or, for
one that is larger than the disk, reads its files over the network as pairs are needed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub

from mt.data.arrow_files import Pair
from mt.data.hub_csv import check_csv_pairs, csv_options, refuse_surplus_fields, trim_header
from mt.data.hub_errors import hub_errors
from mt.errors import MTError
from mt.files import expand_user
from mt.git_lfs import refuse_pointer

BATCH_ROWS = 1000  # decoded at a time


class HubPairs:
    """The pairs of one split, which can be iterated repeatedly.

    `fingerprint` changes with the content and the columns. Rows are read `within` a context, and
    `check` filters each iteration.
    """

    def __init__(
        self,
        table: datasets.Dataset | datasets.IterableDataset,
        fingerprint: str,
        columns: tuple[str, str],
        nested: bool,
        within: Callable[[], AbstractContextManager[Any]],
        check: Callable[[Iterator[Pair]], Iterator[Pair]] = iter,
    ) -> None:
        self._table = table
        self._within = within
        self._check = check
        self._columns = columns
        self._nested = nested
        self.fingerprint = f"{fingerprint}-{'.'.join(columns)}"

    def __iter__(self) -> Iterator[Pair]:
        return self._check(self._pairs())

    def _batches(self) -> Iterator[dict[str, Any]]:
        batches = self._table.iter(BATCH_ROWS)
        while True:
            with self._within():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _pairs(self) -> Iterator[Pair]:
        source, target = self._columns
        for batch in self._batches():
            # A missing value becomes an empty side, which cleaning counts.
            if self._nested:
                for record in batch["translation"]:
                    record = record or {}
                    yield record.get(source) or "", record.get(target) or ""
            else:
                for left, right in zip(batch[source], batch[target], strict=True):
                    yield left or "", right or ""


def load_hub(
    name: str,
    subset: str,
    split: str,
    revision: str,
    columns: list[str],
    languages: tuple[str, str],
    offline: bool,
    streaming: bool,
    warn: Callable[[str], None],
) -> HubPairs:
    """Open one split of a data set.

    Args:
        name: A repository (`wmt/wmt14`) or a local folder.
        subset: A configuration of the set, or a folder in it; empty for the default.
        split: The name of the split.
        revision: A branch, tag or commit of the repository; empty for the default.
        columns: The two text columns, or two keys of the `translation` column; empty for
            `languages`.
        languages: The source and target language.
        offline: Do not use the network.
        streaming: Read rows over the network at each iteration, without a copy on the disk.
        warn: Called with a message about suspect rows, after all pairs have been read.

    Raises MTError with a hint at what to do if the set is not available or has other splits or
    columns.
    """
    folder = expand_user(name)
    local = folder.is_dir()
    if not local and (name.count("/") > 1 or name.startswith((".", "~", "/"))):
        raise MTError(f"no such folder: {name} (a hub data set is named owner/name)")
    path = str(folder) if local else name

    @contextmanager
    def within() -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(hub_errors(name, revision, local))
            stack.enter_context(_network(allowed=not offline))
            stack.enter_context(refuse_surplus_fields())
            yield

    table: datasets.Dataset | datasets.IterableDataset
    with within():
        builder = _builder(path, subset, revision or None, columns or list(languages))
        for file in chain(*(builder.config.data_files or {}).values()) if local else ():
            refuse_pointer(Path(file))
        if streaming:
            table = builder.as_streaming_dataset(split=split)._resolve_features()
        else:
            builder.download_and_prepare()
            table = builder.as_dataset(split=split)
        fingerprint = builder._get_dataset_fingerprint(split)
    is_csv = bool(csv_options(builder.config, []))
    if is_csv:
        table = trim_header(table)
    names, nested = find_columns(table.features, columns, languages, name)
    needed = ["translation"] if nested else list(dict.fromkeys(names))
    check = functools.partial(check_csv_pairs, name=name, warn=warn) if is_csv else iter
    return HubPairs(table.select_columns(needed), fingerprint, names, nested, within, check)


def _builder(
    path: str, subset: str, revision: str | None, columns: list[str]
) -> datasets.DatasetBuilder:
    """Return the builder of a subset: one that the card of the set declares, or else a folder.

    In the hub's converted copies, subsets are folders only. The folder is also tried if the card
    does not match the files, as in a copy of a part of the repository.
    """
    try:
        builder = datasets.load_dataset_builder(path, subset or None, revision=revision)
    except (ValueError, FileNotFoundError) as unknown:
        if not subset:
            raise
        try:
            builder = datasets.load_dataset_builder(path, data_dir=subset, revision=revision)
        except Exception:
            raise unknown from None  # its message lists the subsets
    if options := csv_options(builder.config, columns):
        selection = {"data_dir": subset} if builder.config.data_dir else {"name": subset or None}
        builder = datasets.load_dataset_builder(path, revision=revision, **options, **selection)
    return builder


def find_columns(
    features: dict[str, Any], columns: list[str], languages: tuple[str, str], name: str
) -> tuple[tuple[str, str], bool]:
    """Return the source and target column, and True if they are keys of `translation`."""
    wanted = (columns[0], columns[1]) if columns else languages
    translation = features.get("translation")
    keys: dict[str, Any] = {}
    if isinstance(translation, datasets.Translation):
        keys = dict.fromkeys(translation.languages, datasets.Value("string"))
    elif isinstance(translation, dict):
        keys = translation
    nested = all(key in keys for key in wanted)
    if nested or all(column in features for column in wanted):
        for column in wanted:
            kind = getattr((keys if nested else features)[column], "dtype", None)
            if kind not in ("string", "large_string", "string_view", "null"):
                content = kind or "nested values"
                raise MTError(f"hub data set {name}: column {column} holds {content}, not text")
        return wanted, nested
    available = ", ".join(features) + (f" (translation has {', '.join(keys)})" if keys else "")
    raise MTError(
        f"hub data set {name}: no columns {wanted[0]} and {wanted[1]}; it has: {available}; "
        "set src_lang and tgt_lang, or columns=[source,target]"
    )


@contextmanager
def _network(allowed: bool) -> Iterator[None]:
    """Switch both libraries to offline mode unless the network is allowed.

    The effect is that of setting HF_HUB_OFFLINE=1 before they are imported.
    """
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    if not allowed:
        datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE = before
