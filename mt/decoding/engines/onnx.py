"""ONNX under the translator: the graphs of `mt/exporting/onnx.py` in onnxruntime, driven by our own search."""

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
from mt.decoding.scoring import PairScore
from mt.decoding.token_budget import TokenBudget
from mt.errors import MTError, UsageError
from mt.models.seq2seq import DecodingState, Seq2Seq
from mt.optional import require

ENCODER, STEP, STATE = "encoder.onnx", "step.onnx", "state.json"  # files of an export


class OnnxModel:
    """An encoder and a step as `mt.decoding.search` wants them (`Searchable`). States are flat lists of tensors."""

    def __init__(self, folder: Path) -> None:
        self.encoder, self.decoder = Graph(folder / ENCODER), Graph(folder / STEP)
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            self.memory: int = state["memory"]  # tensors of the memory
            self.begins: list[list[int] | None] = state[
                "cache"
            ]  # shape of a row of zeros; None: as the encoder says
        except (OSError, ValueError, KeyError) as error:
            raise MTError(
                f"{folder / STATE} cannot be read ({error}): export the run again"
            ) from error

    def encode(self, source: Tensor, mask: Tensor) -> list[Tensor]:
        """source [B, S] ids, mask [B, S] bool -> the tensors of the memory, then those that a cache begins with."""
        return self.encoder({"source": source, "mask": mask})

    def init_state(self, memory: list[Tensor], beam: int = 1) -> DecodingState:
        given = iter(each.repeat_interleave(beam, 0) for each in memory[self.memory :])
        rows = memory[0].shape[0] * beam
        cache = [
            next(given) if shape is None else torch.zeros(rows, *shape) for shape in self.begins
        ]
        return DecodingState(memory[: self.memory], cache)

    def step(
        self, tokens: Tensor, state: DecodingState
    ) -> tuple[Tensor, DecodingState, dict[str, Tensor]]:
        """tokens [B * K] -> logits [B * K, V], the next state, no attention."""
        given = {"tokens": tokens, "step": torch.tensor(state.step)}
        for name in ("memory", "cache"):
            given |= {
                f"{name}_{number}": tensor for number, tensor in enumerate(getattr(state, name))
            }
        logits, *cache = self.decoder(given)
        return logits, DecodingState(state.memory, cache, state.step + 1), {}


class Graph:
    """A graph in onnxruntime, from tensors to tensors on the CPU. As many threads as PyTorch would take."""

    def __init__(self, path: Path) -> None:
        library: Any = require("onnxruntime", "onnx")
        options = library.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = (
            torch.get_num_threads(),
            3,
        )  # 3: errors
        self.path = path
        try:
            self.session = library.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own kinds of errors have no common base
            raise MTError(f"onnxruntime cannot use {path}: {error}") from error
        self.inputs = [each.name for each in self.session.get_inputs()]

    def __call__(self, given: dict[str, Tensor]) -> list[Tensor]:
        """Inputs by name. The graph has none for what the model does not use."""
        found = self.session.run(None, {name: given[name].numpy() for name in self.inputs})
        return [torch.from_numpy(array) for array in found]


class OnnxEngine(SearchEngine):
    """The exported model in `folder`."""

    def __init__(self, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        if device not in ("auto", "cpu"):
            raise UsageError("the backend onnx runs on the CPU: leave out --device")
        if precision != "auto":
            raise UsageError("the backend onnx computes as it was exported: leave out --precision")
        super().__init__(OnnxModel(folder), torch.device("cpu"), "fp32")

    @property
    def models(self) -> list[Seq2Seq]:
        raise no_attention_error("onnx")

    @torch.no_grad()
    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        sources, targets = (
            tokenizer.encode_many([pair[side] for pair in pairs], name)
            for side, name in enumerate(("src", "tgt"))
        )

        def work(rows: list[int]) -> list[PairScore]:
            batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows])
            state = self.searched.init_state(self.searched.encode(batch.source, batch.source_mask))
            total = torch.zeros(len(rows))
            for tokens, wanted in zip(
                batch.target_input.unbind(1), batch.target.unbind(1), strict=True
            ):
                logits, state, _ = self.searched.step(tokens.contiguous(), state)
                total += (
                    logits.log_softmax(-1)
                    .gather(1, wanted[:, None])[:, 0]
                    .masked_fill(wanted == PAD, 0)
                )
            return [
                PairScore(*each)
                for each in zip(total.tolist(), (batch.target != PAD).sum(1).tolist(), strict=True)
            ]

        longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
        return budget.map(longer, 1, work)
