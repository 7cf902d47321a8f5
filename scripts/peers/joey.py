"""JoeyNMT in the training benchmark (scripts/peers/protocol.py).

    python3 -m venv joey && joey/bin/pip install torch importlib_metadata "setuptools<81" joeynmt
    python scripts/bench_train.py --peer joey=joey/bin/python

It uses its own trainer, vocabulary and batches. It does not support bfloat16 on a CPU. Its
recurrent decoder cannot share the embeddings with the output layer, which has another width.
"""

import torch
from protocol import (
    MeasurementDone,
    TrainingHook,
    finish,
    read_work,
    require_plain,
    version,
    write_text,
)


def side(work, kind):
    """Return the section of the encoder or the decoder."""
    model, transformer = work["model"], work["model"]["transformer"]
    embeddings = {"embedding_dim": model["dim"], "scale": True, "dropout": work["dropout"]}
    if work["family"] == "transformer":
        layers = {
            "type": "transformer",
            "num_layers": transformer[f"{kind}_layers"],
            "num_heads": transformer["heads"],
            "hidden_size": model["dim"],
            "ff_size": transformer["ff_dim"],
            "layer_norm": "pre",
        }
    else:
        rnn = model["rnn"]
        layers = {
            "type": "recurrent",
            "rnn_type": rnn["cell"],
            "hidden_size": rnn["hidden"],
            "num_layers": rnn["encoder_layers"] if kind == "encoder" else 1,
            "bidirectional": rnn["bidirectional"],
            "attention": "bahdanau",
            "init_hidden": "bridge",
            "input_feeding": True,
        }
    return {"embeddings": embeddings, "dropout": work["dropout"], **layers}


def configuration(work):
    """Write the data and return the configuration."""
    folder = write_text(work, ["<unk>", "<pad>", "<s>", "</s>"])
    data = {
        name: {"lang": name, "level": "word", "voc_file": str(folder / "vocab"), "lowercase": False}
        for name in ("src", "trg")
    }
    for name in ("train", "dev"):
        for ours, theirs in (("src", "src"), ("tgt", "trg")):
            lines = (folder / f"train.{ours}").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / f"joey.{name}.{theirs}").write_text(
                "".join(lines if name == "train" else lines[:10]), encoding="utf-8"
            )
    return {
        "name": "bench",
        "model_dir": str(folder),
        "use_cuda": work["device"] == "cuda",
        "random_seed": work["seed"],
        "data": {
            "train": str(folder / "joey.train"),
            "dev": str(folder / "joey.dev"),
            "dataset_type": "plain",
            **data,
        },
        "model": {
            "tied_embeddings": True,
            "tied_softmax": work["family"] == "transformer",
            "encoder": side(work, "encoder"),
            "decoder": side(work, "decoder"),
        },
        "training": {
            "optimizer": "adamw",
            "adam_betas": work["betas"],
            "learning_rate": work["lr"],
            "weight_decay": work["weight_decay"],
            "clip_grad_norm": work["clip"],
            "label_smoothing": work["label_smoothing"],
            "normalization": "tokens",
            "scheduling": "warmupinversesquareroot",
            "learning_rate_warmup": work["lr_warmup"],
            "batch_size": work["batch_tokens"],
            "batch_type": "token",
            "epochs": 1000,
            "validation_freq": 1_000_000,
            "logging_freq": 100,
            "overwrite": True,
        },
        "testing": {},
    }


def main():
    """Measure the training."""
    work = read_work()
    if work["task"] != "train" or work["precision"] != "fp32":
        raise SystemExit("JoeyNMT only takes part in the training benchmark, in fp32")
    if work["family"] == "transformer":
        require_plain(work)
    import joeynmt.training

    hook = TrainingHook(work)
    step = joeynmt.training.TrainManager._train_step

    def watched(self, batch):
        hook.count_batch(batch.src, batch.trg, self.model.pad_index)
        return step(self, batch)

    joeynmt.training.TrainManager._train_step = watched
    # Leaving the training would save a checkpoint.
    joeynmt.training.TrainManager._save_checkpoint = lambda *_: None
    torch.manual_seed(work["seed"])
    try:
        joeynmt.training.train(rank=0, world_size=1, cfg=configuration(work), skip_test=True)
    except MeasurementDone:
        finish(hook.window.result(version("joeynmt", "torch"), hook.weights))


if __name__ == "__main__":
    main()
