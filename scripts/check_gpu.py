"""Check that a GPU computes the same as the CPU: loss, gradients and translations.

    python scripts/check_gpu.py

A Transformer and a recurrent model run with the same weights on both devices. In fp32, the relative
difference of loss and gradients must be at most 1e-3, and nine in ten greedy translations must be
identical, because ties may be broken differently. In bf16, the loss must agree to 2 %. Prints the
differences, and exits with 1 if one is too large.
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
from mt.training.seeding import seed_everything

TOLERANCES = {
    "fp32 loss": 1e-3,
    "fp32 gradient": 1e-3,
    "fp32 translations that differ": 0.1,
    "bf16 loss": 0.02,
}
VOCAB_SIZE, SENTENCES, MAX_LENGTH = 500, 24, 30


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args(arguments)
    run_command(lambda: check(pick_device(options.device)))


def check(device: torch.device) -> None:
    """Print the differences of a device from the CPU.

    Raises MTError if one is larger than its tolerance.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    failed = []
    for family in ("transformer", "rnn"):
        for name, value in differences(family, device).items():
            print(f"{family:12} {name:30} {value:.2g} (at most {TOLERANCES[name]:g})", flush=True)
            failed += [f"{family}: {name}"] * (not value <= TOLERANCES[name])
    if failed:
        raise MTError(f"{device.type} differs from the CPU: {', '.join(failed)}")


def differences(family: str, device: torch.device) -> dict[str, float]:
    """Return the relative differences from the CPU, by the names of TOLERANCES."""
    seed_everything(1)
    config = load_config(
        ["auto=false", f"model={family}", "model/size=tiny", "model.dropout=0"]
    ).model
    model = build_model(config, VOCAB_SIZE, VOCAB_SIZE)
    device_model = build_model(config, VOCAB_SIZE, VOCAB_SIZE)
    device_model.load_state_dict(model.state_dict())
    device_model.to(device)
    loss, gradient = measure(model, "fp32")
    device_loss, device_gradient = measure(device_model, "fp32")
    low_loss, _ = measure(device_model, "bf16")
    pairs = list(zip(translate(model), translate(device_model), strict=True))
    return {
        "fp32 loss": abs(device_loss - loss) / loss,
        "fp32 gradient": float((device_gradient - gradient).norm() / gradient.norm()),
        "fp32 translations that differ": sum(one != other for one, other in pairs) / len(pairs),
        "bf16 loss": abs(low_loss - loss) / loss,
    }


def random_sentences() -> list[list[int]]:
    """Return random token ids, the same at each call."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.randint(2, MAX_LENGTH, (SENTENCES,), generator=generator).tolist()
    return [
        torch.randint(EOS + 1, VOCAB_SIZE, (length,), generator=generator).tolist()
        for length in lengths
    ]


def measure(model: Seq2Seq, precision: str) -> tuple[float, torch.Tensor]:
    """Return the loss per token of a batch, and the gradient of all weights as one CPU vector."""
    model.train().zero_grad()
    sentences = random_sentences()
    batch = make_batch(sentences, [sentence[::-1] for sentence in sentences]).to(model.device)
    with autocast(model.device, precision):
        output = model(batch.source, batch.source_mask, batch.target_input)
        loss, _ = cross_entropy(output.hidden, model.output, batch.target, 0.1)
    loss.backward()
    gradients = [p.grad.flatten().float().cpu() for p in model.parameters() if p.grad is not None]
    return loss.item() / batch.target_tokens, torch.cat(gradients)


def translate(model: Seq2Seq) -> list[list[int]]:
    """Return greedy translations in fp32."""
    batch = make_batch(random_sentences(), [()] * SENTENCES).to(model.device)
    model.eval()
    options = SearchOptions(beam=1, max_ratio=0, max_extra=10)
    results = search(model, batch.source, batch.source_mask, options)
    return [hypotheses[0].tokens for hypotheses in results]


if __name__ == "__main__":
    main()
