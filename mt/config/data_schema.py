"""Settings of the parallel text: sources, tokenizer and noise."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mt.config.cleaning_schema import CleanConfig
from mt.config.setting import default_value, group, setting

NAMED_SPLITS = ("mix", "val_sets")  # settings of `DataConfig` that hold splits by name
NAMED = tuple(f"data.{key}." for key in NAMED_SPLITS)  # settings to which any name can be added
MAIN_VAL_SET = "val"  # the name of data.val beside those of data.val_sets


@dataclass
class SplitConfig:
    """The source of the sentence pairs of a split: `src` and `tgt`, `file`, `hub` or `demo`."""

    src: Any = setting(
        None,
        "source text, one sentence per line: a path or a list of paths; gzip, xz, zstd and bzip2 "
        "are decompressed",
    )
    tgt: Any = setting(None, "target text, aligned with src line by line")
    file: Any = setting(
        None,
        "file(s) with both sides, .tsv, .jsonl or .tmx, optionally compressed: a path or a list "
        "of paths",
    )
    hub: str = setting(
        "", "Hugging Face data set: a repository name, or a local directory with the same layout"
    )
    subset: str = setting(
        "", "configuration of the hub data set, such as de-en; for demo: full or core lexicon"
    )
    split: str = setting(
        "",
        "split of the hub data set, such as train; for demo: train, val, test, long or compose",
    )
    revision: str = setting(
        "",
        "revision of the hub data set; refs/convert/parquet reads data sets that have a loading "
        "script",
    )
    streaming: bool = setting(
        False,
        "read a hub data set over the network in each pass over the text, without a copy on the "
        "disk; with limit, only its beginning",
        resumable=True,
    )
    columns: list[str] = setting(
        list,
        "source and target column: TSV column numbers (from 0) or JSON keys; default: the "
        "language codes",
    )
    demo: int = setting(
        0, "number of sentence pairs to generate from the embedded corpus", maximum=10_000_000
    )
    links: Any = setting(
        None,
        "(test only) file(s) with gold word alignments in Pharaoh format (0-0 1-2), for the "
        "alignment error rate",
    )
    tag: str = setting(
        "",
        "tag in front of every source, which translation chooses by --tag: one word, such as "
        "<news> or <2de>",
    )
    tag_column: str = setting(
        "",
        "column with the tag of each pair, of .tsv (a number from 0) and .jsonl files (a key); a "
        "pair with an empty one has none",
    )
    limit: int = setting(0, "maximum number of pairs, taken from the start; 0: all")
    weight: float = setting(
        1.0,
        "(training only) how often each pair occurs per epoch; 0.5: another half in each epoch; "
        "3: three times",
        maximum=1000,
    )

    def given(self) -> dict[str, Any]:
        """Return the settings that do not have their default values."""
        return {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) != default_value(each)
        }


@dataclass
class TokenizerConfig:
    """SentencePiece model, trained on the cleaned training text.

    Unknown characters are encoded as bytes, so that decoding always restores the text.
    """

    type: str = setting("unigram", "subword model", choices=("unigram", "bpe"))
    vocab_size: int = setting(
        0,
        "vocabulary size in pieces (of each vocabulary, if joint=false), an error if the text does "
        "not support it; 0: automatic, that is max_vocab_size or the most that the text supports; "
        "a run records the size that it uses",
        maximum=10_000_000,
    )
    max_vocab_size: int = setting(
        8000,
        "(vocab_size=0 only) largest automatic vocabulary size; presets set this",
        resumable=True,
        auto=True,
        minimum=1,
        maximum=10_000_000,
    )
    joint: bool = setting(True, "use one vocabulary for both languages; false: one each")
    character_coverage: float = setting(
        0.9999,
        "fraction of the characters in the text that get their own piece; the others are encoded "
        "as bytes",
        maximum=1,
    )
    train_lines: int = setting(
        1_000_000,
        "maximum number of lines sampled to train the tokenizer (a million lines of typical length "
        "take about 4 GB of memory)",
        minimum=1,
    )
    symbols: list[str] = setting(
        list, "literal pieces of text that are never split, such as [C++,<br>]; no spaces"
    )
    placeholders: list[str] = setting(
        list,
        "kinds of text that translation copies unchanged: url, email, tag, braces, printf, role, "
        "dunder, or all; re:PATTERN adds a regular expression (docs/text.md)",
    )
    tags: list[str] = setting(
        list,
        "further tags for the vocabulary, which a run that starts from this one may train "
        "(trainer.init_from)",
    )
    extend: int = setting(
        0,
        "(trainer.init_from only) number of pieces that the vocabulary gets in addition, learned "
        "from the training text, and of each vocabulary, if there are two; new tags, too; 0: none",
        maximum=1_000_000,
    )
    sampling: float = setting(
        0.0,
        "subword regularisation; unigram: smoothing alpha, 0.1 (strong) to 0.5 (weak); bpe: merge "
        "dropout, about 0.1; 0: off",
        maximum=1,
    )


@dataclass
class NoiseConfig:
    """Noise of the training pairs, drawn anew in each epoch; at most one kind for each pair.

    Vocabularies are trained on text with it.
    """

    upper: float = setting(0.0, "share of the pairs in capitals, on both sides", maximum=1)
    title: float = setting(
        0.0, "share of the pairs with a capital at each word, on both sides", maximum=1
    )
    lower: float = setting(0.0, "share of the pairs whose source is in small letters", maximum=1)
    typos: float = setting(
        0.0, "share of the pairs with typing errors in a tenth of the source's words", maximum=1
    )
    punctuation: float = setting(
        0.0, "share of the pairs whose source is without punctuation", maximum=1
    )
    copy: float = setting(
        0.0, "share of the pairs with a random word at an end of both sides, to copy", maximum=1
    )


@dataclass
class DataConfig:
    """The parallel text."""

    name: str = setting(
        "files",
        "short name of the data, used in the default run name; for data=files and data=hub, from "
        "the name of the training text",
        resumable=True,
    )
    src_lang: str = setting(
        "src", "source language code, such as en; selects abbreviations that split no sentences"
    )
    tgt_lang: str = setting("tgt", "target language code, such as de; selects BLEU's tokenizer")
    reverse: bool = setting(
        False, "translate in the opposite direction: swap sides, columns and language codes"
    )
    both_directions: bool = setting(
        False,
        "train on each pair in both directions, with the tags <2TGT_LANG> and <2SRC_LANG>; "
        "validation and test are in the first",
    )
    train: SplitConfig = group(SplitConfig, "training set")
    val: SplitConfig = group(
        SplitConfig, "validation set; if unset, held out from train by a hash of the source"
    )
    test: SplitConfig = group(
        SplitConfig, "test set; if unset, held out from train by a hash of the source"
    )
    mix: dict[str, Any] = setting(
        dict,
        "additional training corpora by name, with the keys of data.train, such as "
        "data.mix.news.src=a.en",
    )
    val_sets: dict[str, Any] = setting(
        dict,
        "additional validation sets by name, with the keys of data.val, such as "
        "data.val_sets.old.src=old.en: scored at each validation",
    )
    holdout: int = setting(
        1000,
        "number of pairs to hold out for each of val and test if unset (at most 5 % of the corpus "
        "each)",
    )
    max_pieces: int = setting(
        256,
        "maximum length of a side in subword pieces; longer training pairs are dropped, longer "
        "input is split",
        minimum=1,
        maximum=1_000_000,
    )
    concat: float = setting(
        0.0,
        "(training only) share of the pairs that are joined with another pair of their corpus, "
        "chosen anew in each epoch, unless the result is over max_pieces; clean.max_words does not "
        "limit it (Varis and Bojar 2021); 0: none",
        maximum=1,
    )
    clean: CleanConfig = group(CleanConfig, "cleaning of the training pairs")
    noise: NoiseConfig = group(NoiseConfig, "noise of the training pairs (docs/text.md)")
    tokenizer: TokenizerConfig = group(TokenizerConfig, "subword tokenizer")
    prepared: str = setting(
        "",
        "folder or URL (s3://, gs://, https://, ...) to which mt-prepare --output has written a "
        "corpus: trains on that, without the text; its settings of data apply",
        resumable=True,
    )
    cache: str = setting(
        "",
        "directory of prepared corpora, keyed by content and settings; default: $MT_CACHE or "
        "~/.cache/mt",
        resumable=True,
    )
    workers: int = setting(
        0,
        "processes that prepare the corpus; 0: one for each core; any number prepares the same",
        maximum=1024,
        resumable=True,
    )
    offline: bool = setting(
        False, "read hub data from the local cache only, without network access", resumable=True
    )

    def named_splits(self) -> dict[str, SplitConfig]:
        """Return the splits that have a name, by their key in this section, such as mix.news."""
        return {
            f"{key}.{name}": split
            for key in NAMED_SPLITS
            for name, split in getattr(self, key).items()
        }

    def languages(self, tag: str = "") -> tuple[str, str]:
        """Return the codes of the source and the target language, swapped if `reverse`.

        They are also swapped for the tag of the other direction.
        """
        source, target = self.src_lang, self.tgt_lang
        if self.reverse:
            source, target = target, source
        return (target, source) if tag == f"<2{source}>" else (source, target)

    def direction_tags(self) -> tuple[str, str]:
        """Return the tags of the two directions of `both_directions`, that of the task first."""
        source, target = self.languages()
        return f"<2{target}>", f"<2{source}>"
