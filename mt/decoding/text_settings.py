"""Settings of splitting, tags and warnings, which follow from the training text of a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

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


# Returns the settings for a tag; None stands for the default tag.
SettingsOfTag = Callable[[str | None], TextSettings]


def text_settings(
    config: Config,
    tokenizer: Tokenizer,
    texts: Sequence[TrainingText | None],
    split_sentences: bool | None,
    tag: str | None,
) -> TextSettings:
    """Return the settings for a tag (`choose_tag`), given the training texts of all models.

    By default, lines are split into sentences if the text of a model had one sentence a line. What
    an earlier version has trained is used as before, without.
    """
    known = [text for text in texts if text]
    tag = choose_tag(tag, tokenizer.tags, {each for text in known for each in text.tags})
    known = [text.of(tag) for text in known]
    if split_sentences is None:
        split_sentences = any(text.has_single_sentences for text in known)
    language, target_language = config.data.languages(tag)
    length_ratio = min((text.length_ratio for text in known), default=0.0)
    return TextSettings(language, target_language, split_sentences, length_ratio, tag)


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
