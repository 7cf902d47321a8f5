"""torch.compile for the layers of Transformers, in training.

Each kind of layer is compiled once, for batches of any shape, and serves all layers of its kind,
since they differ in weights alone. That takes less time to start than compiling the model as a
whole. Recurrent networks stay as they are, because their loops would be unrolled anew for each
length; so do validation and translation, which would be further programs to compile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from mt.errors import MTError
from mt.models.seq2seq import Seq2Seq
from mt.models.transformer.encoder_decoder import DecoderLayer, EncoderLayer


def compile_layers(model: Seq2Seq) -> None:
    """From now on calls of the Transformer's layers run compiled; the first ones wait for the compiler."""
    for module in model.modules():
        if isinstance(module, EncoderLayer | DecoderLayer):
            module.compile(dynamic=True)


def uncompiled(wanted: bool) -> contextlib.AbstractContextManager:
    """Within it, what was compiled runs as it was written. Not `wanted`: nothing, without importing the compiler."""
    return torch.compiler.set_stance("force_eager") if wanted else contextlib.nullcontext()


@contextlib.contextmanager
def compiler_advice(wanted: bool) -> Iterator[None]:
    """A compiler that fails, as where none is installed, says so in a line. Not `wanted`: nothing."""
    try:
        yield
    except RuntimeError as error:
        if not wanted or not isinstance(error, torch._dynamo.exc.TorchDynamoException):
            raise
        reason = next(
            (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        raise MTError(
            f"torch.compile failed ({reason}): it needs a C++ compiler, and on a GPU Triton; or set trainer.compile=false"
        ) from error
