"""Whether a GPU computes what the CPU does: loss, gradients and translations of the same weights on both.

    python scripts/check_gpu.py

Both families. In fp32, loss and gradients must agree to 1e-3 of their size and nine in ten greedy
translations to the letter (a tie may fall either way); in bf16 the loss to 2 %. Prints the
differences; the exit code is 1 where one is too large.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from mt.cli import run_command
from mt.config.compose import load_config
from mt.data.batching import make_batch
from mt.data.vocabulary import EOS
from mt.decoding.options import SearchOptions
from mt.decoding.search import search
from mt.device import autocast, pick_device
from mt.errors import MTError
from mt.models.build import build_model
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.training.trainer import seed_everything

TOLERANCES = {
    "fp32 loss": 1e-3,
    "fp32 gradient": 1e-3,
    "fp32 translations that differ": 0.1,
    "bf16 loss": 0.02,
}
VOCABULARY, SENTENCES, LONGEST = 500, 24, 30


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(arguments)
    run_command(lambda: check(pick_device(options.device)))


def check(device: torch.device) -> None:
    """MTError where a difference is over its tolerance."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    wrong = []
    for family in ("transformer", "rnn"):
        for name, value in differences(family, device).items():
            print(f"{family:12} {name:30} {value:.2g} (at most {TOLERANCES[name]:g})", flush=True)
            wrong += [f"{family}: {name}"] * (not value <= TOLERANCES[name])
    if wrong:
        raise MTError(f"{device.type} differs from the CPU: {', '.join(wrong)}")


def differences(family: str, device: torch.device) -> dict[str, float]:
    """Relative differences to the CPU, by the names of TOLERANCES."""
    seed_everything(1)
    config = load_config([f"model={family}", "model/size=tiny", "model.dropout=0"]).model
    model = build_model(config, VOCABULARY, VOCABULARY)
    there = build_model(config, VOCABULARY, VOCABULARY)
    there.load_state_dict(model.state_dict())
    there.to(device)
    loss, gradient = measure(model, "fp32")
    other_loss, other_gradient = measure(there, "fp32")
    low_loss, _ = measure(there, "bf16")
    pairs = list(zip(translations(model), translations(there), strict=True))
    return {
        "fp32 loss": abs(other_loss - loss) / loss,
        "fp32 gradient": float((other_gradient - gradient).norm() / gradient.norm()),
        "fp32 translations that differ": sum(one != other for one, other in pairs) / len(pairs),
        "bf16 loss": abs(low_loss - loss) / loss,
    }


def rows() -> list[list[int]]:
    random = torch.Generator().manual_seed(1)
    lengths = torch.randint(2, LONGEST, (SENTENCES,), generator=random).tolist()
    return [
        torch.randint(EOS + 1, VOCABULARY, (length,), generator=random).tolist()
        for length in lengths
    ]


def measure(model: Seq2Seq, precision: str) -> tuple[float, torch.Tensor]:
    """Loss of a batch, and the gradient of all weights as one vector on the CPU."""
    model.train().zero_grad()
    sentences = rows()
    batch = make_batch(sentences, [row[::-1] for row in sentences]).to(model.device)
    with autocast(model.device, precision):
        output = model(batch.source, batch.source_mask, batch.target_input)
        loss, _ = cross_entropy(output.hidden, model.output, batch.target, 0.1)
    loss.backward()
    gradients = [
        parameter.grad.flatten().float().cpu()
        for parameter in model.parameters()
        if parameter.grad is not None
    ]
    return loss.item() / batch.target_tokens, torch.cat(gradients)


def translations(model: Seq2Seq) -> list[list[int]]:
    """Greedy outputs, in fp32."""
    batch = make_batch(rows(), [()] * SENTENCES).to(model.device)
    model.eval()
    return [
        found[0].tokens
        for found in search(
            model, batch.source, batch.source_mask, SearchOptions(beam=1, max_ratio=0, max_extra=10)
        )
    ]


if __name__ == "__main__":
    main()
