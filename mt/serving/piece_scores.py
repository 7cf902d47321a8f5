"""Log-probabilities of pieces, from an engine whose search does not give them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mt.data.vocabulary import EOS
from mt.decoding.engines.ctranslate2 import CTranslate2Engine
from mt.decoding.engines.fallback import FallbackEngine
from mt.decoding.outputs import Translation
from mt.decoding.translator import Translator


def add_piece_scores(
    translations: Sequence[Translation], translator: Translator
) -> list[Translation]:
    """Return translations of one part each whose best outputs have the log-probabilities of pieces.

    CTranslate2 computes them by another pass over the output.
    """
    engine = translator.engine
    fast = engine.fast if isinstance(engine, FallbackEngine) else engine
    missing = [t for t in translations if t.parts and not t.outputs[0].pieces]
    if not missing or not isinstance(fast, CTranslate2Engine):
        return list(translations)
    best = [(t.parts[0].pieces, t.parts[0].hypotheses[0].tokens) for t in missing]
    scores = {id(t): found for t, found in zip(missing, fast.score_pieces(best), strict=True)}
    given = len(translator.tokenizer.starts["tgt"])  # tokens, whose probability does not count
    result = []
    for translation in translations:
        if id(translation) in scores:
            hypothesis = translation.parts[0].hypotheses[0]
            names = translator.tokenizer.pieces([*hypothesis.tokens, EOS][: hypothesis.length])
            log_probs = [*[0.0] * given, *scores[id(translation)][given:]]
            pieces = list(zip(names, log_probs, strict=False))  # no EOS if cut off
            outputs = [replace(translation.outputs[0], pieces=pieces), *translation.outputs[1:]]
            translation = replace(translation, outputs=outputs)
        result.append(translation)
    return result
