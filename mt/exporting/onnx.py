"""Any model as two ONNX graphs, an encoder and one step of decoding, which the same search drives (`mt/decoding/engines/onnx.py`).

A decoding state is a nested structure of batch-first tensors, so its tensors, flattened, are inputs
and outputs of the graphs whatever the model is: there is no case for a single architecture here.
Which axes have no fixed size is found by trying: those whose size differs between examples.

- encoder.onnx: source [B, S], mask [B, S] -> the memory (one row a sentence), the cache as far as
  the model starts with one
- step.onnx: tokens [N], step [], memory, cache -> logits [N, V], cache
- state.json: how many tensors the memory has, and how each tensor of the cache begins
"""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mt.data.vocabulary import BOS, EOS
from mt.decoding.engines.onnx import ENCODER, STATE, STEP
from mt.models.seq2seq import DecodingState, Seq2Seq
from mt.optional import require

QUANTIZATIONS = ("float32", "int8")
BEAM = 2  # of the examples
OPSET = 17  # the first with layer norm as one operator


@dataclass
class Example:
    """A state before its first step and after one and two. Several hypotheses a sentence: with one, some scores take a shorter way."""

    source: Tensor
    mask: Tensor
    tokens: Tensor
    states: list[DecodingState]

    @classmethod
    def of(cls, model: Seq2Seq, sentences: int, length: int) -> Example:
        source = torch.full((sentences, length), EOS)
        tokens = torch.full((sentences * BEAM,), BOS)
        mask = torch.ones_like(source, dtype=torch.bool)
        states = [model.init_state(model.encode(source, mask), BEAM)]
        for _ in range(2):
            states.append(model.step(tokens, states[-1])[1])
        return cls(source, mask, tokens, states)


class EncoderGraph(nn.Module):
    """From source ids to the tensors of the first state."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        state = self.model.init_state(self.model.encode(source, mask))
        return tuple(
            leaf for leaf in pytree.tree_leaves((state.memory, state.cache)) if leaf is not None
        )


class StepGraph(nn.Module):
    """From the last tokens and the tensors of a state to logits and the tensors of the next cache."""

    def __init__(self, model: Seq2Seq, memory: pytree.TreeSpec, cache: pytree.TreeSpec) -> None:
        super().__init__()
        self.model, self.memory, self.cache = model, memory, cache

    def forward(self, tokens: Tensor, step: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
        memory = pytree.tree_unflatten(leaves[: self.memory.num_leaves], self.memory)
        cache = pytree.tree_unflatten(leaves[self.memory.num_leaves :], self.cache)
        logits, state, _ = self.model.step(tokens, DecodingState(memory, cache, step))  # type: ignore[arg-type]  # a number in the graph
        return logits, *pytree.tree_leaves(state.cache)


@torch.no_grad()
def write_graphs(folder: Path, model: Seq2Seq, quantization: str) -> None:
    """Write the graphs of a model, which is in evaluation mode and on the CPU, into an existing folder."""
    require("onnx", "onnx")
    small, large = Example.of(model, 2, 5), Example.of(model, 3, 7)
    memory, memory_spec = pytree.tree_flatten(small.states[0].memory)
    cache, cache_spec = pytree.tree_flatten(small.states[1].cache)
    begins = [
        beginning(path, small.states)
        for path, _ in pytree.tree_flatten_with_path(small.states[1].cache)[0]
    ]
    memory_names = [f"memory_{i}" for i in range(len(memory))]
    cache_names = [f"cache_{i}" for i in range(len(cache))]
    later = pytree.tree_leaves((large.states[2].memory, large.states[2].cache))
    axes = {
        name: {
            axis: f"{name}_{axis}"
            for axis, size in enumerate(leaf.shape)
            if size != other.shape[axis]
        }
        for name, leaf, other in zip(
            [*memory_names, *cache_names], [*memory, *cache], later, strict=True
        )
    }
    given = [name for name, begin in zip(cache_names, begins, strict=True) if begin is None]
    export_graph(
        folder / ENCODER,
        EncoderGraph(model),
        {"source": small.source, "mask": small.mask},
        [*memory_names, *given],
        axes | {"source": {0: "sentences", 1: "length"}, "mask": {0: "sentences", 1: "length"}},
    )
    inputs = {"tokens": small.tokens, "step": torch.tensor(1)} | dict(
        zip([*memory_names, *cache_names], [*memory, *cache], strict=True)
    )
    export_graph(
        folder / STEP,
        StepGraph(model, memory_spec, cache_spec),
        inputs,
        ["logits", *(f"next_{name}" for name in cache_names)],
        axes
        | {f"next_{name}": axes[name] for name in cache_names}
        | {"tokens": {0: "rows"}, "logits": {0: "rows"}},
    )
    (folder / STATE).write_text(
        json.dumps({"memory": len(memory), "cache": begins}) + "\n", encoding="utf-8"
    )
    if quantization == "int8":
        for name in (ENCODER, STEP):
            quantize(folder / name)


def beginning(path: Any, states: list[DecodingState]) -> list[int] | None:
    """How a tensor of the cache begins, for one row: its shape, of zeros; None: as the encoder's graph gives it.

    The first step makes what is None before it. Along an axis that grows there is nothing yet.
    """
    found: Any = states[0].cache
    for key in path:
        if found is None:
            break
        found = key.get(found)
    if isinstance(found, Tensor):
        return None
    one, two = (pytree.key_get(state.cache, path).shape for state in states[1:])
    return [2 * size - later for size, later in zip(one[1:], two[1:], strict=True)]


def export_graph(
    path: Path,
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """Trace `module` once and write what it did. Whatever its Python code decides by sizes is decided for all sizes."""
    for name, symbolic in symbolics().items():
        torch.onnx.register_custom_op_symbolic(name, symbolic, OPSET)
    with warnings.catch_warnings():
        # The exporter that follows Python code by guards (dynamo=True) refuses models that choose a
        # faster way for long input.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes={name: axes[name] for name in [*inputs, *outputs] if axes.get(name)},
        )


def quantize(path: Path) -> None:
    """Weights of a graph in 8 bits, in its place; activations are quantised as they come.

    Matrix products, embeddings and LSTMs. onnxruntime has no kernel for GRUs of 8 bits: GRUs that
    run over a whole sentence stay in float32. (Decoders that attend before they read have their
    cell in matrix products.)
    """
    onnx, _ = require("onnx", "onnx"), require("onnxruntime", "onnx")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    separate_tables(model.graph)
    logger = logging.getLogger()
    logger.addFilter(not_advice)
    try:
        types = ["MatMul", "Gemm", "Gather", "LSTM"]
        quantize_dynamic(
            model, path, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=types
        )
    finally:
        logger.removeFilter(not_advice)


def separate_tables(graph: Any) -> None:
    """Give embeddings a table of their own where they share it with the output layer: rows of a table have one scale together, those
    of a matrix one each."""
    weights = {each.name: each for each in graph.initializer}
    for node in graph.node:
        name = node.input[0] if node.op_type == "Gather" else ""
        if name in weights and sum(name in other.input for other in graph.node) > 1:
            table = graph.initializer.add()
            table.CopyFrom(weights[name])
            table.name = node.input[0] = f"{name}.rows"


def not_advice(record: logging.LogRecord) -> bool:
    """onnxruntime recommends a simplification that the exporter has done already."""
    return "pre-processing before quantization" not in record.getMessage()


def symbolics() -> dict[str, Any]:
    """How to write operators that the exporter does not know, or gets wrong: movedim where dimensions count from the end, and
    unflatten, of whose result it does not know the shape and then takes all sizes of the example
    for constants.
    """

    def transpose_last(g: Any, x: Any) -> Any:
        rank = x.type().dim()
        return g.op("Transpose", x, perm_i=[*range(rank - 2), rank - 1, rank - 2])

    def move_dimension(g: Any, x: Any, start: Any, end: Any) -> Any:
        rank = x.type().dim()
        start, end = (each.node().t("value").item() % rank for each in (start, end))
        order = [axis for axis in range(rank) if axis != start]
        order.insert(end, start)
        return g.op("Transpose", x, perm_i=order)

    def rms_norm(g: Any, x: Any, shape: Any, weight: Any, epsilon: Any) -> Any:
        square = g.op("Mul", x, x)
        mean = g.op("ReduceMean", square, axes_i=[-1], keepdims_i=1)
        return g.op("Mul", g.op("Div", x, g.op("Sqrt", g.op("Add", mean, epsilon))), weight)

    def unflatten(g: Any, x: Any, dim: Any, sizes: Any) -> Any:
        rank, shape = x.type().dim(), g.op("Shape", x)
        dim = dim.node().t("value").item() % rank
        first = g.op("Constant", value_t=torch.tensor([0]))
        kept = [
            g.op("Gather", shape, g.op("Constant", value_t=torch.tensor([axis])))
            for axis in range(rank)
        ]
        listed = sizes.node().kind() == "prim::ListConstruct"
        inside = (
            [g.op("Unsqueeze", size, first) for size in sizes.node().inputs()]
            if listed
            else [sizes]
        )
        return g.op("Reshape", x, g.op("Concat", *kept[:dim], *inside, *kept[dim + 1 :], axis_i=0))

    return {
        "aten::unflatten": unflatten,
        "aten::mT": transpose_last,
        "aten::movedim": move_dimension,
        "aten::rms_norm": rms_norm,
    }
