"""Export of any model to two ONNX graphs: the encoder, and one decoding step.

`mt.decoding.search` drives them (`mt/decoding/engines/onnx.py`). A decoding state is a nested
structure of batch-first tensors. Its flattened tensors are inputs and outputs of the graphs,
whatever the model is, so no architecture is a special case here. Dynamic axes are those whose size
differs between two examples.

- encoder.onnx: source [B, S], mask [B, S] -> the memory (one row per sentence), and the tensors of
  the cache that have an initial value
- step.onnx: tokens [N], step [], memory, cache -> logits [N, V], cache
- state.json: the number of tensors in the memory, and the initial shape of each tensor of the cache
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
from mt.decoding.engines.onnx import ENCODER_FILE, STATE_FILE, STEP_FILE
from mt.models.seq2seq import DecodingState, Seq2Seq
from mt.optional import require

QUANTIZATIONS = ("float32", "int8")
# Beam size of the examples: with one hypothesis per sentence, some scores are computed differently.
EXAMPLE_BEAM = 2
OPSET = 17  # the first one with layer normalisation as a single operator


@dataclass
class Example:
    """The inputs of both graphs, and the states before the first step, after one and after two."""

    source: Tensor
    mask: Tensor
    tokens: Tensor
    states: list[DecodingState]

    @classmethod
    def build(cls, model: Seq2Seq, sentences: int, length: int) -> Example:
        source = torch.full((sentences, length), EOS)
        tokens = torch.full((sentences * EXAMPLE_BEAM,), BOS)
        mask = torch.ones_like(source, dtype=torch.bool)
        states = [model.init_state(model.encode(source, mask), EXAMPLE_BEAM)]
        for _ in range(2):
            states.append(model.step(tokens, states[-1])[1])
        return cls(source, mask, tokens, states)


class EncoderGraph(nn.Module):
    """Source ids -> the tensors of the initial state."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        state = self.model.init_state(self.model.encode(source, mask))
        leaves = pytree.tree_leaves((state.memory, state.cache))
        return tuple(leaf for leaf in leaves if leaf is not None)


class StepGraph(nn.Module):
    """The last tokens and the tensors of a state -> logits and the tensors of the next cache."""

    def __init__(self, model: Seq2Seq, memory: pytree.TreeSpec, cache: pytree.TreeSpec) -> None:
        super().__init__()
        self.model, self.memory, self.cache = model, memory, cache

    def forward(self, tokens: Tensor, step: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
        memory = pytree.tree_unflatten(leaves[: self.memory.num_leaves], self.memory)
        cache = pytree.tree_unflatten(leaves[self.memory.num_leaves :], self.cache)
        # In the graph, the step is a tensor.
        state = DecodingState(memory, cache, step)  # type: ignore[arg-type]
        logits, state, _ = self.model.step(tokens, state)
        return logits, *pytree.tree_leaves(state.cache)


@torch.no_grad()
def write_graphs(folder: Path, model: Seq2Seq, quantization: str) -> None:
    """Write the graphs of a model into an existing folder.

    The model must be in evaluation mode and on the CPU.
    """
    require("onnx", "onnx")
    small, large = Example.build(model, 2, 5), Example.build(model, 3, 7)
    memory, memory_spec = pytree.tree_flatten(small.states[0].memory)
    cache, cache_spec = pytree.tree_flatten(small.states[1].cache)
    paths = [path for path, _ in pytree.tree_flatten_with_path(small.states[1].cache)[0]]
    initial_shapes = [initial_shape(path, small.states) for path in paths]
    memory_names = [f"memory_{i}" for i in range(len(memory))]
    cache_names = [f"cache_{i}" for i in range(len(cache))]
    names, tensors = [*memory_names, *cache_names], [*memory, *cache]
    others = pytree.tree_leaves((large.states[2].memory, large.states[2].cache))
    axes = {
        name: {
            axis: f"{name}_{axis}"
            for axis, size in enumerate(tensor.shape)
            if size != other.shape[axis]
        }
        for name, tensor, other in zip(names, tensors, others, strict=True)
    }
    encoded = [
        name for name, shape in zip(cache_names, initial_shapes, strict=True) if shape is None
    ]
    source_axes = {0: "sentences", 1: "length"}
    export_graph(
        folder / ENCODER_FILE,
        EncoderGraph(model),
        {"source": small.source, "mask": small.mask},
        [*memory_names, *encoded],
        axes | {"source": source_axes, "mask": source_axes},
    )
    next_axes = {f"next_{name}": axes[name] for name in cache_names}
    export_graph(
        folder / STEP_FILE,
        StepGraph(model, memory_spec, cache_spec),
        {"tokens": small.tokens, "step": torch.tensor(1)} | dict(zip(names, tensors, strict=True)),
        ["logits", *next_axes],
        axes | next_axes | {"tokens": {0: "rows"}, "logits": {0: "rows"}},
    )
    state = {"memory": len(memory), "cache": initial_shapes}
    (folder / STATE_FILE).write_text(json.dumps(state) + "\n", encoding="utf-8")
    if quantization == "int8":
        for name in (ENCODER_FILE, STEP_FILE):
            quantize(folder / name)


def initial_shape(path: Any, states: list[DecodingState]) -> list[int] | None:
    """Return the initial shape of one row of a cache tensor, or None if the encoder computes it.

    A tensor that is None before the first step starts with zeros. Its size is 0 along an axis that
    grows with each step.
    """
    value: Any = states[0].cache
    for key in path:
        if value is None:
            break
        value = key.get(value)
    if isinstance(value, Tensor):
        return None
    first, second = (pytree.key_get(state.cache, path).shape for state in states[1:])
    return [2 * size - later for size, later in zip(first[1:], second[1:], strict=True)]


def export_graph(
    path: Path,
    module: nn.Module,
    inputs: dict[str, Tensor],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """Trace `module` once and write the graph.

    Python code that branches on sizes is traced with the sizes of the example: the graph contains
    that branch for all sizes.
    """
    for name, symbolic in custom_symbolics().items():
        torch.onnx.register_custom_op_symbolic(name, symbolic, OPSET)
    with warnings.catch_warnings():
        # The newer exporter (dynamo=True) refuses models that switch to a faster implementation
        # for long input.
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
    """Quantise the weights of a graph to 8 bits, in place. Activations are quantised at run time.

    This covers matrix products, embeddings and LSTMs. onnxruntime has no 8-bit kernel for GRUs, so
    those that run over a whole sentence stay in float32. (The cell of Bahdanau's decoder consists
    of matrix products.)
    """
    onnx, _ = require("onnx", "onnx"), require("onnxruntime", "onnx")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    copy_shared_embeddings(model.graph)
    logger = logging.getLogger()
    logger.addFilter(is_not_preprocessing_hint)
    try:
        types = ["MatMul", "Gemm", "Gather", "LSTM"]
        quantize_dynamic(
            model, path, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=types
        )
    finally:
        logger.removeFilter(is_not_preprocessing_hint)


def copy_shared_embeddings(graph: Any) -> None:
    """Give embeddings that share their weights with another layer a copy of their own.

    A table is quantised with one scale for all rows, a matrix with one scale per column.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        name = node.input[0] if node.op_type == "Gather" else ""
        if name in weights and sum(name in other.input for other in graph.node) > 1:
            table = graph.initializer.add()
            table.CopyFrom(weights[name])
            table.name = node.input[0] = f"{name}.rows"


def is_not_preprocessing_hint(record: logging.LogRecord) -> bool:
    """Return False for onnxruntime's hint to simplify the graph: the exporter already does that."""
    return "pre-processing before quantization" not in record.getMessage()


def custom_symbolics() -> dict[str, Any]:
    """Return the translations of operators that the exporter lacks or gets wrong.

    It lacks mT and rms_norm, and mishandles movedim with negative dimensions. It does not infer
    the shape of the result of unflatten, and then treats the sizes of the example as constants.
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
        old_sizes = [
            g.op("Gather", shape, g.op("Constant", value_t=torch.tensor([axis])))
            for axis in range(rank)
        ]
        new_sizes = [sizes]
        if sizes.node().kind() == "prim::ListConstruct":
            new_sizes = [g.op("Unsqueeze", size, first) for size in sizes.node().inputs()]
        all_sizes = [*old_sizes[:dim], *new_sizes, *old_sizes[dim + 1 :]]
        return g.op("Reshape", x, g.op("Concat", *all_sizes, axis_i=0))

    return {
        "aten::unflatten": unflatten,
        "aten::mT": transpose_last,
        "aten::movedim": move_dimension,
        "aten::rms_norm": rms_norm,
    }
