"""Compilation of Transformer layers with torch.compile, in training.

Each type of layer is compiled once, for batches of any shape, and the result is shared by all
layers of the type, since they differ in their weights only. This starts faster than compiling the
whole model. Recurrent networks are not compiled, because their loops would be unrolled again for
each length. Nor are validation and translation, which would be further programs to compile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from mt.errors import MTError
from mt.models.seq2seq import Seq2Seq
from mt.models.transformer.encoder_decoder import DecoderLayer, EncoderLayer


def compile_layers(model: Seq2Seq) -> None:
    """Compile the Transformer layers of a model; the first calls wait for the compiler.

    DistributedDataParallel would divide what is compiled, to transfer gradients early. A layer is
    small enough.
    """
    torch._dynamo.config.optimize_ddp = False
    for module in model.modules():
        if isinstance(module, EncoderLayer | DecoderLayer):
            module.compile(dynamic=True)


def eager_mode(enabled: bool) -> contextlib.AbstractContextManager:
    """Return a context in which compiled layers run eagerly; if not `enabled`, do nothing."""
    return torch.compiler.set_stance("force_eager") if enabled else contextlib.nullcontext()


@contextlib.contextmanager
def explain_compiler_errors(enabled: bool) -> Iterator[None]:
    """Raise MTError in one line if the compiler fails, such as when none is installed."""
    try:
        yield
    except RuntimeError as error:
        if not enabled or not isinstance(error, torch._dynamo.exc.TorchDynamoException):
            raise
        lines = (line.strip() for line in str(error).splitlines())
        reason = next((line for line in lines if line), type(error).__name__)
        raise MTError(
            f"torch.compile failed ({reason}): it needs a C++ compiler, and on a GPU Triton; "
            "or set trainer.compile=false"
        ) from error
