"""Arguments of the Python interface: used, or refused with an error that says what to do."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files

import pytest

import mt
from mt.decoding.arguments import SearchArguments
from mt.decoding.options import SearchOptions
from mt.decoding.translator import Translator
from mt.errors import UsageError

TEXT = ["the cat"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.translate(TEXT, nbest=2), r"call translate_nbest\(lines, 2\)"),
        (lambda t: t.translate("the cat", nbest=2), "call translate_nbest"),
        (lambda t: t.translate(None), "lines must be strings, got None"),
        (lambda t: t.translate(3), r"lines must be strings, got 3 \(int\)"),
        (lambda t: t.translate(b"the cat"), "lines must be strings, got b'the cat'"),
        (lambda t: t.translate(["the cat", None]), "line 2 must be a string, got None"),
        (lambda t: t.translate([b"the cat"]), r"line 1 must be a string, got .* \(bytes\)"),
        (lambda t: t.translate_nbest("the cat", 2), r"give \[text\]"),
        (lambda t: t.translate(TEXT, beams=2), "did you mean beam"),
        (lambda t: t.translate(TEXT, return_attention=True), "mt.inspect"),
        (lambda t: t.translate(TEXT, workers=2), "give it to mt.load"),
        (lambda t: t.translate(TEXT, beam="5"), r"beam must be of type int, got '5' \(str\)"),
        (lambda t: t.translate(TEXT, beam=2.5), "beam must be of type int"),
        (lambda t: t.translate(TEXT, beam=True), "beam must be of type int"),
        (lambda t: t.translate(TEXT, sample=1), "sample must be of type bool"),
        (lambda t: t.translate(TEXT, max_ratio=float("inf")), "max_ratio must be finite"),
        (lambda t: t.translate(TEXT, chunk_size=0), "chunk_size must be an integer >= 1"),
        (lambda t: t.translate(TEXT, seed="1"), "seed must be an integer"),
        (lambda t: t.translate(TEXT, seed=2**64), f"seed must be .* <= {2**64 - 1}"),
        (lambda t: t.score("ab"), "pairs must be"),
        (lambda t: t.score(["ab"]), "pair 1 must be"),
        (lambda t: t.score([("a", None)]), "pair 1 must be"),
        (lambda t: mt.inspect(t).align([("a", "b"), ("a",)]), "pair 2 must be"),
        (lambda t: mt.inspect(t).translate(None), "lines must be strings, got None"),
        (lambda t: mt.inspect(t).translate(TEXT, attention=["cross"]), "unknown search option"),
        (lambda t: mt.inspect(t).attention([("a", "b")], "cross"), r"give \['cross'\]"),
        (lambda t: mt.inspect(t).attention([("a", "b")], ["crss"]), "no attention of the kind"),
        (lambda t: mt.load("a", workers=-1), "workers must be an integer >= 0"),
        (lambda t: mt.load(None), "paths must be run directories, got None"),
        (lambda t: mt.load(["a", 3]), r"paths must be run directories, got 3 \(int\)"),
        (lambda t: mt.load("a", precision="fp16"), "precision must be auto, fp32 or bf16"),
        (lambda t: mt.load("a", backend="jax"), "backend must be auto, pytorch"),
        (lambda t: mt.load("a", options={"beam": 3}), "options must be a SearchOptions"),
        (lambda t: mt.inspect("runs/demo"), "give what mt.load returns"),
    ],
)
def test_wrong_arguments_are_refused(translator: Translator, call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(translator)


def test_a_default_of_several_translations_is_refused_too(translator: Translator) -> None:
    several = Translator(translator.models, translator.tokenizer, options=SearchOptions(nbest=2))
    with pytest.raises(UsageError, match="translate_nbest"):
        several.translate(TEXT)
    assert len(list(several.translate_stream(TEXT, beam=2))[0].outputs) == 2


def test_options_are_typed_and_the_package_says_so() -> None:
    assert list(SearchArguments.__annotations__) == [field.name for field in fields(SearchOptions)]
    assert files("mt").joinpath("py.typed").is_file()


def test_an_inspector_uses_its_arguments(translator: Translator) -> None:
    counts: list[int] = []
    one = mt.inspect(translator).translate(
        "the cat", progress=counts.append, alignments=True, beam=3, nbest=3
    )
    assert len(one.outputs) == 3 and all(output.links is not None for output in one.outputs)
    assert one.attention and counts == [1]
