"""Count the memory of a training on GPUs without allocating it, from the settings of mt-train.

The parameters are those of the model on PyTorch's device `meta`, which has shapes only. The
formulas for activations are in docs/scale-on-paper.md.

    python scripts/count_memory.py --ranks 8 --vocabulary 32000 model/size=big
"""

from __future__ import annotations

import argparse

import torch

from mt.cli import run_command
from mt.config.compose import load_config
from mt.config.schema import Config, ModelConfig
from mt.errors import UsageError
from mt.models.build import build_model
from mt.training.memory import count_parameters, gathered_bytes

UNKNOWN = "activations are known for plain Transformers only: full attention, softmax, ReLU"


def state_bytes(config: Config) -> int:
    """Return bytes of weight, gradient, optimizer state and average for each parameter.

    With Muon they are those of a matrix; the few other parameters have a moment more.
    """
    moments = 1 if config.optim.optimizer == "muon" else 2
    return 4 * (2 + moments + (config.optim.ema > 0))


def activation_bytes(config: ModelConfig) -> int:
    """Return bytes that the layers keep for the backward pass, for a source and a target token.

    In bfloat16, with dropout, and with the kernels of a GPU. Raises UsageError for other models
    than plain Transformers.
    """
    stack, dim = config.transformer, config.dim
    patterns = {stack.pattern, stack.encoder_pattern, stack.decoder_pattern}
    chosen = config.encoder, config.decoder, stack.select, stack.activation
    if patterns - {"full", ""} or chosen != ("transformer", "transformer", "softmax", "relu"):
        raise UsageError(UNKNOWN)
    encoder, decoder = 40 * dim + 2 * stack.ff_dim, 56 * dim + 2 * stack.ff_dim
    if not stack.recompute:
        return stack.encoder_layers * encoder + stack.decoder_layers * decoder
    # The input of each layer in float32, and all of the one that is computed again.
    return 4 * dim * (stack.encoder_layers + stack.decoder_layers) + decoder


def main() -> None:
    """Print parameters, and the memory of one of the ranks for each kind of parallelism."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--vocabulary", type=int, default=32000)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    config = load_config(["auto=false", *arguments.overrides])
    with torch.device("meta"):
        model = build_model(config.model, arguments.vocabulary, arguments.vocabulary)
    parameters = count_parameters(model)
    state, tokens = state_bytes(config) * parameters, config.trainer.batch_tokens
    gigabytes = activation_bytes(config.model) * tokens / 1e9
    print(f"{parameters:,} parameters; activations of {tokens:,} tokens: {gigabytes:.2f} GB")
    for name, share in (("ddp", 1), ("fsdp", arguments.ranks)):
        gathered = gathered_bytes(model, share) / 1e9
        print(
            f"{name}: {state / share / 1e9:.2f} GB of weights and state in each rank, "
            f"and up to {gathered:.2f} GB that are gathered"
        )


if __name__ == "__main__":
    run_command(main)
