"""The toolkit eole in the training benchmark (scripts/peers/protocol.py).

    python3 -m venv eole && eole/bin/pip install torch eole
    python scripts/bench_train.py --peer eole=eole/bin/python

It uses its own trainer, vocabulary and batches. Its recurrent model is the closest available:
additive attention in Luong's position, with input feeding, and an encoder whose two directions
share the decoder's width (half the work of mt's encoder). All pairs are one bucket, which is built
before the first step, so that its data pipeline does not run during measured steps.
"""

from pathlib import Path

from protocol import (
    MeasurementDone,
    TrainingHook,
    finish,
    read_work,
    require_plain,
    version,
    write_text,
)


def model(work):
    """Return the section `model` of the configuration."""
    ours, transformer, rnn = work["model"], work["model"]["transformer"], work["model"]["rnn"]
    common = {"embeddings": {"word_vec_size": ours["dim"]}, "share_embeddings": True}
    if work["family"] == "transformer":
        common["embeddings"]["position_encoding_type"] = "SinusoidalConcat"
        return common | {
            "architecture": "transformer",
            "share_decoder_embeddings": True,
            "hidden_size": ours["dim"],
            "heads": transformer["heads"],
            "transformer_ff": transformer["ff_dim"],
            "mlp_activation_fn": "relu",
            "add_qkvbias": True,
            "add_final_linear_bias": True,
            "add_ffnbias": True,
            "position_encoding_type": "SinusoidalConcat",
            "encoder": {"layers": transformer["encoder_layers"]},
            "decoder": {"layers": transformer["decoder_layers"]},
        }
    cell = rnn["cell"].upper()
    encoder = {"encoder_type": "brnn", "layers": rnn["encoder_layers"], "rnn_type": cell}
    decoder = {"decoder_type": "rnn", "layers": 1, "rnn_type": cell, "global_attention": "mlp"}
    return common | {
        "architecture": "custom",
        "hidden_size": rnn["hidden"],
        "encoder": encoder,
        "decoder": decoder,
    }


def configuration(work):
    """Write the data and return the configuration."""
    folder = write_text(work, ["<unk>", "<blank>", "<s>", "</s>"])
    for name in ("src", "tgt"):
        lines = (folder / f"train.{name}").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"eole.valid.{name}").write_text("".join(lines[:10]), encoding="utf-8")
    pairs = len(lines)

    def corpus(name):
        return {
            "path_src": f"{folder / name}.src",
            "path_tgt": f"{folder / name}.tgt",
            "transforms": [],
        }

    return {
        "seed": work["seed"],
        "src_vocab": str(folder / "vocab"),
        "tgt_vocab": str(folder / "vocab"),
        "share_vocab": True,
        "src_vocab_size": work["vocab"],
        "tgt_vocab_size": work["vocab"],
        "data": {"corpus": corpus("train"), "valid": corpus("eole.valid")},
        "model": model(work),
        "training": {
            "model_path": str(Path(work["folder"]) / "eole-model"),
            "world_size": 1,
            "gpu_ranks": [0] if work["device"] == "cuda" else [],
            "compute_dtype": work["precision"],
            "use_amp": work["precision"] == "bf16",
            "bucket_size": pairs,
            "num_workers": 0,
            "batch_type": "tokens",
            "batch_size": work["batch_tokens"],
            "normalization": "tokens",
            "optim": "adamw",
            "adam_beta1": work["betas"][0],
            "adam_beta2": work["betas"][1],
            "adam_eps": work["eps"],
            "weight_decay": work["weight_decay"],
            "learning_rate": work["lr"],
            "decay_method": "rsqrt",
            "warmup_steps": work["lr_warmup"],
            "max_grad_norm": work["clip"],
            "label_smoothing": work["label_smoothing"],
            "dropout": [work["dropout"]],
            "attention_dropout": [0.0],
            "param_init_method": "xavier_uniform",
            "train_steps": 1_000_000,
            "valid_steps": 1_000_000,
            "save_checkpoint_steps": 1_000_000,
            "log_attention_entropy": False,
        },
    }


def main():
    """Measure the training."""
    work = read_work()
    if work["task"] != "train":
        raise SystemExit("eole only takes part in the training benchmark")
    if work["family"] == "transformer":
        require_plain(work)
    import eole.trainer
    from eole.config.run import TrainConfig
    from eole.train_single import main as train

    hook = TrainingHook(work)
    step = eole.trainer.Trainer._train_step

    def watched(self, batches, *rest, **named):
        for batch in batches:
            hook.count_batch(batch["src"], batch["tgt"][:, 1:], self.train_loss.padding_idx)
        return step(self, batches, *rest, **named)

    eole.trainer.Trainer._train_step = watched
    config = TrainConfig(**configuration(work))
    config._validate_vocab_config()
    try:
        train(config, device_id=0 if work["device"] == "cuda" else -1)
    except MeasurementDone:
        finish(hook.window.result(version("eole", "torch"), hook.weights))


if __name__ == "__main__":
    main()
