"""What a contestant of the benchmarks is asked and what it answers. Standard library alone: it runs under any interpreter.

A contestant is a script of this folder. Its argument is a JSON file, the work; its last line on
standard output is a JSON object, the result. Tokens are piece numbers that the bench has made with
one SentencePiece model for all.

Work, always: `task` (train or translate), `folder` (scratch), `device`, `precision` (fp32, bf16),
`threads`, `cpu_time` (whether seconds are those of the processors), `options` (what followed a + in
--peer), `started` (time.time() just before the process began), `model` (the `model` section of mt's
configuration), `vocab` (pieces), `pad`, `unk`, `bos`, `eos` (their numbers). To train: `family`,
`pairs` (JSON lines: [source, target], pieces without BOS and EOS), `batches` (JSON: rows of the
pairs, one list a step, those that mt itself makes), `batch_tokens`, `warm_up` and `steps` (how
many), `dropout`, `label_smoothing`, `lr`, `lr_warmup`, `betas`, `eps`, `weight_decay`, `clip`,
`seed`. To translate: `weights` (a safetensors file with mt's names), `sources` (JSON lines: pieces
without EOS), `beam`, `batch` (sentences), `length_penalty`, `longest` (most pieces of an output),
`outputs` (where the JSON lines of output pieces go).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

# The folder of this file is first on the path, where `import eole` would find the adapter of that
# name: behind the libraries.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    sys.path.append(sys.path.pop(0))


class Enough(Exception):
    """Raised inside a toolkit's own training loop, to leave it when everything has been measured."""


def read_work():
    """The work, a dict. Threads are set by OMP_NUM_THREADS, before any library is there to be told."""
    return json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))


def read_lines(path):
    """JSON lines -> a list."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def finish(result):
    """The answer: the last line of standard output."""
    print("\n" + json.dumps(result), flush=True)


def require_plain(work):
    """Leave with a message if mt's weights are of a model that the translating peers cannot take over."""
    model, transformer = work["model"], work["model"]["transformer"]
    wanted = {"encoder": "transformer", "decoder": "transformer", "tie_embeddings": "all"}
    plain = {"position": "sinusoidal", "encoder_position": "", "decoder_position": "", "pattern": "full", "encoder_pattern": "",
             "decoder_pattern": "", "select": "softmax", "norm": "pre", "norm_kind": "layer", "activation": "relu", "kv_heads": 0,
             "softcap": 0, "qk_norm": False}  # fmt: skip
    other = [f"model.{name}={model[name]}" for name in wanted if model[name] != wanted[name]]
    other += [
        f"model.transformer.{name}={transformer[name]}"
        for name in plain
        if transformer[name] != plain[name]
    ]
    if other:
        raise SystemExit(
            f"this peer takes the weights of mt's plain Transformer only, not with {', '.join(other)}"
        )


def clock(work):
    """Seconds: on the wall, or what this process has had of the processors (`work["cpu_time"]`)."""
    return time.process_time() if work["cpu_time"] else time.perf_counter()


def synchronise(device):
    """Wait until a GPU has done what it was given."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def memory(device):
    """Bytes: the most that tensors took of a GPU; else the most that this process was resident.

    Not ru_maxrss: it survives exec, so it would begin with the size of the process that started
    this one.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(
            int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
        )
    except OSError:  # no Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def version(*packages):
    """Of this interpreter's packages, as "torch 2.13.0, ..."."""
    from importlib.metadata import version as of

    return ", ".join(f"{package} {of(package)}" for package in packages)


class Window:
    """Counts and seconds of the measured optimizer steps: those after the warm-up. Time to the first step begins with the process."""

    def __init__(self, work):
        self.work, self.step, self.first_step, self.seconds = work, 0, None, 0.0
        self.counts, self.begun = {}, 0.0

    def advance(self, steps=1, **counts):
        """So many steps are done, with these counts of target_tokens, sentences, real and padded positions. True: enough."""
        before, warm_up = self.step, self.work["warm_up"]
        end = warm_up + self.work["steps"]
        self.step += steps
        if before >= warm_up:
            for name, value in counts.items():
                self.counts[name] = self.counts.get(name, 0) + value
        if before < 1 or before < warm_up <= self.step or self.step >= end:
            synchronise(self.work["device"])
            if before < 1:
                self.first_step = time.time() - self.work["started"]
            if before < warm_up <= self.step:
                self.begun = clock(self.work)
            if self.step >= end:
                self.seconds = clock(self.work) - self.begun
        return self.step >= end

    def result(self, versions, weights):
        """`weights`: how many numbers the model has."""
        return {
            "seconds": self.seconds,
            "steps": self.work["steps"],
            **self.counts,
            "first_step": self.first_step,
            "memory": memory(self.work["device"]),
            "versions": versions,
            "weights": weights,
        }


def padded(work, rows, pairs):
    """A batch for a plain loop: source [B][S] with EOS, decoder input [B][T] from BOS, target [B][T] to EOS, and its counts."""
    pad, bos, eos = work["pad"], work["bos"], work["eos"]
    sources = [pairs[row][0] + [eos] for row in rows]
    targets = [pairs[row][1] + [eos] for row in rows]
    wide, long = (max(map(len, side)) for side in (sources, targets))
    counts = {
        "target_tokens": sum(map(len, targets)),
        "sentences": len(rows),
        "real": sum(map(len, sources)) + sum(map(len, targets)),
        "padded": len(rows) * (wide + long),
    }
    return (
        [each + [pad] * (wide - len(each)) for each in sources],
        [[bos, *each[:-1]] + [pad] * (long - len(each)) for each in targets],
        [each + [pad] * (long - len(each)) for each in targets],
        counts,
    )


def write_text(work, specials):
    """For toolkits that read text: train.src, train.tgt (a piece's number is its word) and vocab in the scratch folder, once.

    The vocabulary begins with `specials`, which take the places of pad, unk, bos and eos. Returns
    the folder.
    """
    folder = Path(work["folder"]) / "words"
    if not folder.exists():
        folder.mkdir()
        for side, name in enumerate(("src", "tgt")):
            with open(folder / f"train.{name}", "w", encoding="utf-8") as file:
                file.writelines(
                    " ".join(map(str, pair[side])) + "\n" for pair in read_lines(work["pairs"])
                )
    words = [*specials, *(str(number) for number in range(work["eos"] + 1, work["vocab"]))]
    (folder / "vocab").write_text("".join(word + "\n" for word in words), encoding="utf-8")
    return folder


class Inside:
    """The window of a toolkit that trains in a loop of its own: each batch is told to `seen`, each optimizer step ends one step."""

    def __init__(self, work):
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self.window, self.counts, self.weights = Window(work), {}, 0
        register_optimizer_step_post_hook(self.stepped)

    def seen(self, source, target, pad):
        """source [B, S], target [B, T] without the first symbol, both tensors of numbers."""
        real = int((target != pad).sum())
        new = {
            "target_tokens": real,
            "sentences": len(source),
            "real": real + int((source != pad).sum()),
            "padded": source.numel() + target.numel(),
        }
        self.counts = {name: self.counts.get(name, 0) + value for name, value in new.items()}

    def stepped(self, optimizer, *_):
        self.weights = sum(
            parameter.numel() for group in optimizer.param_groups for parameter in group["params"]
        )
        counts, self.counts = self.counts, {}
        if self.window.advance(**counts):
            raise Enough


def in_groups(sources, size):
    """Indices of sentences to translate together, `size` at once, longest first."""
    order = sorted(range(len(sources)), key=lambda row: -len(sources[row]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def write_outputs(work, outputs):
    with open(work["outputs"], "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in outputs)
