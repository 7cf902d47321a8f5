"""The ONNX engine: graphs that mt-export wrote, run by onnxruntime under `mt.decoding.search`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import PAD
from mt.decoding.engines.engine import SearchEngine, no_attention_error
from mt.decoding.export_folder import EXPORT_AGAIN
from mt.decoding.scoring import PairScore
from mt.decoding.token_budget import TokenBudget
from mt.errors import MTError, UsageError
from mt.models.seq2seq import DecodingState, Seq2Seq
from mt.optional import require

# Files of an export, described in mt/exporting/onnx.py.
ENCODER_FILE = "encoder.onnx"
STEP_FILE = "step.onnx"
STATE_FILE = "state.json"


class OnnxModel:
    """An encoder graph and a step graph with the interface of `mt.decoding.search.Searchable`.

    The memory and the cache of its decoding states are flat lists of tensors.
    """

    def __init__(self, folder: Path) -> None:
        self.encoder = Graph(folder / ENCODER_FILE)
        self.decoder = Graph(folder / STEP_FILE)
        path = folder / STATE_FILE
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            self.memory_size: int = state["memory"]  # number of tensors
            # For each tensor of the cache the initial shape of a row, filled with zeros, or None if
            # the encoder computes its initial value.
            self.cache_shapes: list[list[int] | None] = state["cache"]
            self._check_graphs()
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise MTError(f"{path} cannot be read ({error}): {EXPORT_AGAIN}") from error

    def _check_graphs(self) -> None:
        """Raise ValueError or TypeError if the graphs do not have the tensors of the state."""
        memory, cache = range(self.memory_size), range(len(self.cache_shapes))
        for shape in self.cache_shapes:
            if shape is not None:
                torch.empty(0, *shape)
        names = {"tokens", "step", *(f"memory_{i}" for i in memory), *(f"cache_{i}" for i in cache)}
        sizes = len(self.encoder.outputs), len(self.decoder.outputs)
        expected = len(memory) + self.cache_shapes.count(None), 1 + len(cache)
        inputs = {*self.decoder.inputs} <= names and {*self.encoder.inputs} <= {"source", "mask"}
        if sizes != expected or not inputs:
            raise ValueError(f"{ENCODER_FILE} and {STEP_FILE} have other tensors")

    def encode(self, source: Tensor, mask: Tensor) -> list[Tensor]:
        """Encode source ids [B, S] with mask [B, S] bool.

        Returns the tensors of the memory, then the initial values of the cache that the encoder
        computes.
        """
        return self.encoder({"source": source, "mask": mask})

    def init_state(self, memory: list[Tensor], beam: int = 1) -> DecodingState:
        computed = (tensor.repeat_interleave(beam, 0) for tensor in memory[self.memory_size :])
        rows = memory[0].shape[0] * beam
        cache = [
            next(computed) if shape is None else torch.zeros(rows, *shape)
            for shape in self.cache_shapes
        ]
        return DecodingState(memory[: self.memory_size], cache)

    def step(
        self, tokens: Tensor, state: DecodingState
    ) -> tuple[Tensor, DecodingState, dict[str, Tensor]]:
        """Decode one step: tokens [B * K] -> logits [B * K, V] and the next state, no attention."""
        inputs = {"tokens": tokens, "step": torch.tensor(state.step)}
        for name, tensors in (("memory", state.memory), ("cache", state.cache)):
            inputs |= {f"{name}_{number}": tensor for number, tensor in enumerate(tensors)}
        logits, *cache = self.decoder(inputs)
        return logits, DecodingState(state.memory, cache, state.step + 1), {}


class Graph:
    """A graph that onnxruntime runs on the CPU, with as many threads as PyTorch would use."""

    def __init__(self, path: Path) -> None:
        library: Any = require("onnxruntime", "onnx")
        options = library.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        self.path = path
        try:
            self.session = library.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the exceptions of onnxruntime have no common base class
            raise self._error("load", error) from error
        self.outputs = [value.name for value in self.session.get_outputs()]
        self.inputs = [value.name for value in self.session.get_inputs()]

    def __call__(self, tensors: dict[str, Tensor]) -> list[Tensor]:
        """Run the graph on named tensors. Those that the graph does not use are ignored."""
        inputs = {name: tensors[name].numpy() for name in self.inputs}
        try:
            return [torch.from_numpy(array) for array in self.session.run(None, inputs)]
        except Exception as error:
            raise self._error("run", error) from error

    def _error(self, verb: str, error: Exception) -> MTError:
        reason = " ".join(str(error).split())
        return MTError(f"onnxruntime cannot {verb} {self.path} ({reason}): {EXPORT_AGAIN}")


class OnnxEngine(SearchEngine):
    """The exported model in `folder`."""

    def __init__(self, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise UsageError("the backend onnx runs on the CPU only: leave out --device")
        if precision != "auto":
            raise UsageError(
                "the backend onnx computes in the precision of the export: leave out --precision"
            )
        super().__init__(OnnxModel(folder), torch.device("cpu"), "fp32")

    @property
    def models(self) -> list[Seq2Seq]:
        raise no_attention_error("onnx")

    @torch.no_grad()
    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        encoded = tokenizer.encode_pairs(pairs)
        sources, targets = [pair.source for pair in encoded], [pair.target for pair in encoded]

        def score_batch(rows: list[int]) -> list[PairScore]:
            batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows])
            state = self.searched.init_state(self.searched.encode(batch.source, batch.source_mask))
            totals = torch.zeros(len(rows))
            steps = zip(batch.target_input.unbind(1), batch.target.unbind(1), strict=True)
            for tokens, target in steps:
                logits, state, _ = self.searched.step(tokens.contiguous(), state)
                log_probs = logits.log_softmax(-1).gather(1, target[:, None])[:, 0]
                totals += log_probs.masked_fill(target == PAD, 0)
            lengths = (batch.target != PAD).sum(1)
            return [
                PairScore(total, length)
                for total, length in zip(totals.tolist(), lengths.tolist(), strict=True)
            ]

        longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
        return budget.map(longer, 1, score_batch)
