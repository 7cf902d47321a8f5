"""Settings of regularisation by dropped tokens and by several passes."""

from __future__ import annotations

from dataclasses import dataclass

from mt.config.setting import setting

CONSISTENCY_NAMES = ("rdrop", "simcut", "token_cutoff")  # losses over several passes


@dataclass
class RegulariseConfig:
    """Regularisers that drop whole tokens, or compare several passes over the same text.

    Dropout inside the model is `model.dropout`, label smoothing `optim.label_smoothing`.
    """

    rdrop: float = setting(
        0.0,
        "alpha of R-Drop: weight of the divergence between two passes that differ in dropout "
        "(Wu et al. 2021; 5 in translation); 0: off; a step takes about twice the time",
        maximum=1000,
    )
    simcut: float = setting(
        0.0,
        "alpha of SimCut: weight of the divergence between a pass and one with cut tokens "
        "(Gao et al. 2022; 3 in the paper); 0: off; a step takes about twice the time",
        maximum=1000,
    )
    token_cutoff: float = setting(
        0.0,
        "weight of the divergence between a pass and others with cut tokens, which have to "
        "translate as well (Shen et al. 2020); 0: off",
        maximum=1000,
    )
    cut: float = setting(
        0.05,
        "(simcut and token_cutoff only) probability with which a source or target token is cut: "
        "its embedding becomes zero",
        below=1,
    )
    views: int = setting(
        1,
        "(token_cutoff only) number of passes with cut tokens; each takes the time of a step",
        minimum=1,
        maximum=100,
    )
    word_dropout_src: float = setting(
        0.0,
        "probability with which a distinct piece is dropped from a source sentence, wherever it "
        "occurs (Gal and Ghahramani 2016)",
        below=1,
    )
    word_dropout_tgt: float = setting(
        0.0, "the same for the target sentence as the decoder reads it", below=1
    )
