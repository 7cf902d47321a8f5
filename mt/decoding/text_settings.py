"""Settings of splitting, tags and warnings, which follow from the training text of a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mt.config.schema import Config
from mt.data.tags import default_tag, list_tags
from mt.data.tokenizer import Tokenizer
from mt.data.training_text import TrainingText
from mt.decoding.arguments import describe
from mt.errors import UsageError


@dataclass(frozen=True)
class TextSettings:
    """The settings of a translator for text with one tag."""

    language: str = ""  # code of the source language, for the rules that split sentences
    target_language: str = ""  # its code, for `mbr_metric` and the sentences of prefixes
    split_sentences: bool = False  # translate each sentence of a line by itself
    length_ratio: float = 0.0  # characters of target / source in the training text; 0: unknown
    tag: str = ""  # tag of the vocabulary in front of every source; "": none


@dataclass(frozen=True)
class TextRules:
    """Hold what decides the settings of a translator: its runs and what the user wants."""

    config: Config
    tokenizer: Tokenizer
    texts: Sequence[TrainingText | None]  # of all models; None: the run is from an earlier version
    # Whether lines are split into sentences; None: if the text of a model had one sentence a line.
    split_sentences: bool | None

    def settings(self, tag: str | None) -> TextSettings:
        """Return the settings for a tag (`choose_tag`).

        By default, what an earlier version has trained is used as before: lines are not split.
        """
        known = [text for text in self.texts if text]
        tags = {each for text in known for each in text.tags}
        tag = choose_tag(tag, self.tokenizer.tags, tags)
        known = [text.of(tag) for text in known]
        split_sentences = self.split_sentences
        if split_sentences is None:
            split_sentences = any(text.has_single_sentences for text in known)
        language, target_language = self.config.data.languages(tag)
        length_ratio = min((text.length_ratio for text in known), default=0.0)
        return TextSettings(language, target_language, split_sentences, length_ratio, tag)

    def in_languages(self, source: str, target: str) -> TextRules:
        """Return the rules for other languages; see the function `in_languages`."""
        config, tokenizer = in_languages(self.config, self.tokenizer, source, target)
        return replace(self, config=config, tokenizer=tokenizer)


def in_languages(
    config: Config, tokenizer: Tokenizer, src_lang: str, tgt_lang: str
) -> tuple[Config, Tokenizer]:
    """Return the settings and the tokenizer of a run for other languages; "" keeps one.

    Raises UsageError if the run is not multilingual, or does not have such a language.
    """
    if not (src_lang or tgt_lang):
        return config, tokenizer
    if tokenizer.languages is None:
        source, target = config.data.languages()
        raise UsageError(
            f"src_lang and tgt_lang are for multilingual models, and this one translates from "
            f"{source} to {target}: leave them out"
        )
    tokenizer = tokenizer.with_languages(src_lang, tgt_lang)
    assert tokenizer.languages is not None
    source, target = tokenizer.languages.source, tokenizer.languages.target
    data = replace(config.data, src_lang=source, tgt_lang=target, reverse=False)
    return replace(config, data=data), tokenizer


def choose_tag(tag: str | None, known: Collection[str], trained: Collection[str]) -> str:
    """Return the tag to translate with, "" for none; None stands for the default.

    `known` are the tags of the vocabulary, `trained` those of the training text, with "" if some
    has none. Raises UsageError if the tag is not known, or if there is no default.
    """
    if tag is None:
        tag = default_tag(trained)
        if tag is None:
            raise UsageError(
                "all text that the model was trained on has a tag, so the text to translate needs "
                f"one too: give --tag TAG (in Python, mt.load(..., tag=TAG)), one of "
                f"{list_tags(trained)}"
            )
        return tag
    if not isinstance(tag, str):
        raise UsageError(f"tag must be text or None, got {describe(tag)}")
    if tag and tag not in known:
        if not known:
            raise UsageError(f"the model was trained without tags, so it does not know {tag!r}")
        raise UsageError(f"the model does not know the tag {tag!r}: it knows {list_tags(known)}")
    return tag
