"""What a training step costs in floating-point operations, whatever the model is.

Nobody writes down a formula for each mechanism: forward and backward pass of one sentence are run
in a few shapes under PyTorch's counter, and a polynomial in the two lengths is fitted. It is exact
where the cost is one (recurrent networks, full attention), and near (some per cent on very long
sentences) where attention works in blocks.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from mt.data.vocabulary import BOS, EOS, PAD
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq

# Source and target positions that are measured. Few, because every run begins with them; targets
# are short, because a recurrent decoder takes them one by one; sources reach beyond where blocks
# begin.
SHAPES = ((2, 2), (16, 4), (4, 12), (24, 20), (80, 4), (72, 24))


class FlopsEstimator:
    """Operations of forward and backward pass, of a batch by its shape.

    Products of matrices count, a multiplication and an addition as two; what is done element by
    element does not, nor does the optimizer. Counted on the CPU, where neither recurrent layers nor
    attention hide in fused kernels that the counter does not see: a GPU's kernels may do somewhat
    more or less.
    """

    def __init__(self, model: Seq2Seq) -> None:
        # A copy, because counting leaves gradients behind; on the CPU, wherever the model itself
        # is.
        own = copy.deepcopy(model).to("cpu").train()
        costs = np.array(
            [count(own, 1, source, target) for source, target in SHAPES], dtype=np.float64
        )
        terms = np.array([_terms(source, target) for source, target in SHAPES])
        # Weighted so that relative errors are small, of short sentences too.
        self.coefficients = np.linalg.lstsq(
            terms / costs[:, None], np.ones(len(costs)), rcond=None
        )[0].tolist()

    def __call__(self, sentences: int, source: int, target: int) -> float:
        """FLOPs of a batch of so many sentences, padded to `source` and `target` positions."""
        return sentences * sum(
            weight * term
            for weight, term in zip(self.coefficients, _terms(source, target), strict=True)
        )


def count(model: Seq2Seq, sentences: int, source: int, target: int) -> int:
    """Measured FLOPs of forward and backward pass of one batch without padding. Leaves gradients in `model`, which is on the CPU."""
    ids = torch.full((sentences, source), EOS)
    inputs, targets = torch.full((sentences, target), BOS), torch.full((sentences, target), EOS)
    # No random number of training is to be used up.
    with (
        torch.random.fork_rng(devices=[]),
        without_onednn(),
        FlopCounterMode(display=False) as counter,
    ):
        output = model(ids, torch.ones_like(ids, dtype=torch.bool), inputs)
        loss, nll = cross_entropy(output.hidden, model.output, targets)
        for term in output.losses:
            loss = loss + term(nll, targets != PAD)
        loss.backward()
    return counter.get_total_flops()


@contextlib.contextmanager
def without_onednn() -> Iterator[None]:
    """oneDNN computes an LSTM layer in one piece, which the counter does not see."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "TF32 acceleration"
        )  # setting the flags back says that this is no Intel GPU
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _terms(source: int, target: int) -> list[float]:
    """What the cost of a sentence is a sum of: 1, S, T, S^2, S T, T^2."""
    return [1.0, source, target, source**2, source * target, target**2]
