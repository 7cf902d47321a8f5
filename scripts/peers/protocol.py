"""The protocol between the benchmarks and their contestants.

It only needs the standard library, so it runs under any interpreter. A contestant is a script in
this folder. Its argument is a JSON file, the work. Its last line on standard output is a JSON
object, the result. Tokens are piece ids of one SentencePiece model for all contestants.

Keys of every work:

- `task`: train or translate
- `folder`: scratch folder
- `device`, `precision` (fp32, bf16), `threads`
- `cpu_time`: whether to measure processor time instead of wall-clock time
- `options`: the words after + in --peer
- `started`: time.time() just before the process was started
- `model`: the section `model` of mt's configuration
- `vocab`: vocabulary size
- `pad`, `unk`, `bos`, `eos`: token ids

Keys for training:

- `family`: transformer or rnn
- `pairs`: file of JSON lines, [source, target] as pieces without BOS and EOS
- `batches`: JSON file with the rows of `pairs` for each step, as mt batches them
- `batch_tokens`, `warm_up` and `steps` (numbers of steps), `dropout`, `label_smoothing`, `lr`,
  `lr_warmup`, `betas`, `eps`, `weight_decay`, `clip`, `seed`

Keys for translation:

- `weights`: safetensors file with mt's parameter names
- `sources`: file of JSON lines, pieces without EOS
- `beam`, `batch` (sentences), `length_penalty`
- `longest`: maximum number of pieces in an output
- `outputs`: file to write, JSON lines of output pieces
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

# Move this folder from the beginning of the path to its end: otherwise `import eole` would find the
# script of that name instead of the library.
if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    sys.path.append(sys.path.pop(0))


class MeasurementDone(Exception):
    """Raised in a toolkit's training loop to leave it after the last measured step."""


def read_work():
    """Read the work, a dict.

    The number of threads is already set, by OMP_NUM_THREADS.
    """
    return json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))


def read_lines(path):
    """Read a file of JSON lines."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def finish(result):
    """Print the result as the last line of standard output."""
    print("\n" + json.dumps(result), flush=True)


def require_plain(work):
    """Exit with a message if peers do not have this model: a Transformer other than the paper's."""
    model, transformer = work["model"], work["model"]["transformer"]
    wanted = {"encoder": "transformer", "decoder": "transformer", "tie_embeddings": "all"}
    plain = {
        "position": "sinusoidal",
        "encoder_position": "",
        "decoder_position": "",
        "pattern": "full",
        "encoder_pattern": "",
        "decoder_pattern": "",
        "select": "softmax",
        "norm": "pre",
        "norm_kind": "layer",
        "activation": "relu",
        "kv_heads": 0,
        "softcap": 0,
        "qk_norm": False,
    }
    other = [f"model.{name}={model[name]}" for name in wanted if model[name] != wanted[name]]
    other += [
        f"model.transformer.{name}={transformer[name]}"
        for name in plain
        if transformer[name] != plain[name]
    ]
    if other:
        raise SystemExit(f"this peer only supports mt's plain Transformer, not {', '.join(other)}")


def clock(work):
    """Return wall-clock seconds, or the processor time of this process (`work["cpu_time"]`)."""
    return time.process_time() if work["cpu_time"] else time.perf_counter()


def synchronise(device):
    """Wait until a GPU has finished all work."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def memory(device):
    """Return the peak memory in bytes: of tensors on a GPU, else of this resident process.

    On Linux this is not ru_maxrss, which survives exec and so starts with the size of the parent
    process.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return next(
            int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
        )
    except OSError:  # not Linux
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def version(*packages):
    """Return the versions of packages, such as "torch 2.13.0, numpy 2.3.0"."""
    from importlib import metadata

    return ", ".join(f"{package} {metadata.version(package)}" for package in packages)


class Window:
    """The measured optimizer steps, after the warm-up: their duration and counts.

    Also measures the time from the start of the process to the end of the first step.
    """

    def __init__(self, work):
        self.work, self.step, self.first_step, self.seconds = work, 0, None, 0.0
        self.counts, self.begun = {}, 0.0

    def advance(self, steps=1, **counts):
        """Record finished steps; return True after the last measured one.

        `counts` are target_tokens, sentences, and real and padded positions of these steps.
        """
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
        """Return the result. `weights` is the number of parameters."""
        return {
            "seconds": self.seconds,
            "steps": self.work["steps"],
            **self.counts,
            "first_step": self.first_step,
            "memory": memory(self.work["device"]),
            "versions": versions,
            "weights": weights,
        }


def pad_batch(work, rows, pairs):
    """Return source [B][S], decoder input [B][T], target [B][T] and counts of a batch."""
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
    """Write the pairs as text, for toolkits that read files: train.src, train.tgt and vocab.

    Each piece id is a word. The vocabulary begins with `specials`, in place of pad, unk, bos and
    eos. Returns the folder. Existing text is kept.
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


class TrainingHook:
    """A measurement inside the training loop of a toolkit.

    The loop must pass each batch to `count_batch`. Each optimizer step ends a measured step.
    """

    def __init__(self, work):
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self.window, self.counts, self.weights = Window(work), {}, 0
        register_optimizer_step_post_hook(self.after_step)

    def count_batch(self, source, target, pad):
        """Count a batch: token ids of the source [B, S] and of the target without BOS [B, T]."""
        real = int((target != pad).sum())
        new = {
            "target_tokens": real,
            "sentences": len(source),
            "real": real + int((source != pad).sum()),
            "padded": source.numel() + target.numel(),
        }
        self.counts = {name: self.counts.get(name, 0) + value for name, value in new.items()}

    def after_step(self, optimizer, *_):
        """End a step. Raises MeasurementDone after the last measured one."""
        self.weights = sum(
            parameter.numel() for group in optimizer.param_groups for parameter in group["params"]
        )
        counts, self.counts = self.counts, {}
        if self.window.advance(**counts):
            raise MeasurementDone


def length_sorted_batches(sources, size):
    """Return batches of `size` sentence indices, longest sentences first."""
    order = sorted(range(len(sources)), key=lambda row: -len(sources[row]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def write_outputs(work, outputs):
    """Write the output pieces."""
    with open(work["outputs"], "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in outputs)
