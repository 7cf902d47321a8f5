"""Estimation of the floating-point operations (FLOPs) of a training step, for any model.

There is no formula for each mechanism. Instead, the forward and backward pass of one sentence runs
in a few shapes under PyTorch's counter, and a polynomial in the two lengths is fitted. The result
is exact if the cost is such a polynomial (recurrent networks, full attention), and within a few per
cent on very long sentences if attention works in blocks.
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

# Source and target lengths to measure. Few, because every run measures them at its start. Targets
# are short, because a recurrent decoder computes them step by step. Sources are long enough for
# attention in blocks to have several of them.
MEASURED_SHAPES = ((2, 2), (16, 4), (4, 12), (24, 20), (80, 4), (72, 24))


class FlopsEstimator:
    """FLOPs of the forward and backward pass of a batch, by its shape.

    Only matrix products count, with two operations for a multiplication and an addition.
    Elementwise operations and the optimizer do not count. The measurement runs on the CPU, where
    neither recurrent layers nor attention run in fused kernels, which the counter would miss. The
    kernels of a GPU may take somewhat more or fewer operations.
    """

    def __init__(self, model: Seq2Seq) -> None:
        # A copy, because counting leaves gradients behind, and the model may be on another device.
        model = copy.deepcopy(model).to("cpu").train()
        flops = np.array(
            [measure_flops(model, 1, source, target) for source, target in MEASURED_SHAPES],
            dtype=np.float64,
        )
        terms = np.array([_terms(source, target) for source, target in MEASURED_SHAPES])
        # Weighted for small relative errors, so that short sentences are as exact as long ones.
        solution = np.linalg.lstsq(terms / flops[:, None], np.ones(len(flops)), rcond=None)
        self.coefficients = solution[0].tolist()

    def __call__(self, sentences: int, source: int, target: int) -> float:
        """Return the FLOPs of a batch of sentences, padded to `source` and `target` positions."""
        terms = _terms(source, target)
        return sentences * sum(
            coefficient * term for coefficient, term in zip(self.coefficients, terms, strict=True)
        )


def measure_flops(model: Seq2Seq, sentences: int, source: int, target: int) -> int:
    """Return the counted FLOPs of the forward and backward pass of a batch of these lengths.

    The model must be on the CPU. It is left with gradients.
    """
    ids = torch.full((sentences, source), EOS)
    inputs, targets = torch.full((sentences, target), BOS), torch.full((sentences, target), EOS)
    # Padding costs as much as tokens do, and location attention limits the number of these.
    mask = torch.zeros_like(ids, dtype=torch.bool)
    mask[:, 0] = True
    with (
        torch.random.fork_rng(devices=[]),  # so that training draws the same random numbers
        disable_onednn(),
        FlopCounterMode(display=False) as counter,
    ):
        output = model(ids, mask, inputs)
        loss, nll = cross_entropy(output.hidden, model.output, targets)
        for term in output.losses:
            loss = loss + term(nll, targets != PAD)
        loss.backward()
    return counter.get_total_flops()


@contextlib.contextmanager
def disable_onednn() -> Iterator[None]:
    """Disable oneDNN, whose fused LSTM layers the counter does not see."""
    with warnings.catch_warnings():
        # Restoring the flags warns that this is no Intel GPU.
        warnings.filterwarnings("ignore", "TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _terms(source: int, target: int) -> list[float]:
    """Return the terms of the polynomial for source length S and target length T."""
    return [1.0, source, target, source**2, source * target, target**2]
