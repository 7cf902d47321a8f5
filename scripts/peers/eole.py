"""eole in the training benchmark (scripts/peers/protocol.py): its own trainer, vocabulary and batches.

    python3 -m venv eole && eole/bin/pip install torch eole
    python scripts/bench_train.py --peer eole=eole/bin/python

Its recurrent model is the nearest that it has: Bahdanau's score at Luong's place, with input
feeding, and an encoder whose two directions share the decoder's width, half the work of mt's. All
pairs are one bucket, made before the first step: nothing of its data pipeline falls into the
measured ones.
"""

from pathlib import Path

from protocol import Enough, Inside, finish, read_work, version, write_text


def model(work):
    ours, transformer, rnn = work["model"], work["model"]["transformer"], work["model"]["rnn"]
    common = {"embeddings": {"word_vec_size": ours["dim"]}, "share_embeddings": True}
    if work["family"] == "transformer":
        common["embeddings"]["position_encoding_type"] = "SinusoidalConcat"
        return common | {
            "architecture": "transformer", "share_decoder_embeddings": True, "hidden_size": ours["dim"], "heads": transformer["heads"],
            "transformer_ff": transformer["ff_dim"], "mlp_activation_fn": "relu", "add_qkvbias": True, "add_final_linear_bias": True,
            "add_ffnbias": True, "position_encoding_type": "SinusoidalConcat",
            "encoder": {"layers": transformer["encoder_layers"]}, "decoder": {"layers": transformer["decoder_layers"]},
        }  # fmt: skip
    return common | {
        "architecture": "custom", "hidden_size": rnn["hidden"],
        "encoder": {"encoder_type": "brnn", "layers": rnn["encoder_layers"], "rnn_type": rnn["cell"].upper()},
        "decoder": {"decoder_type": "rnn", "layers": 1, "rnn_type": rnn["cell"].upper(), "global_attention": "mlp"},
    }  # fmt: skip


def configuration(work):
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
    work = read_work()
    if work["task"] != "train":
        raise SystemExit("eole is measured in training")
    import eole.trainer
    from eole.config.run import TrainConfig
    from eole.train_single import main as train

    inside = Inside(work)
    step = eole.trainer.Trainer._train_step

    def watched(self, batches, *rest, **named):
        for batch in batches:
            inside.seen(batch["src"], batch["tgt"][:, 1:], self.train_loss.padding_idx)
        return step(self, batches, *rest, **named)

    eole.trainer.Trainer._train_step = watched
    config = TrainConfig(**configuration(work))
    config._validate_vocab_config()
    try:
        train(config, device_id=0 if work["device"] == "cuda" else -1)
    except Enough:
        finish(inside.window.result(version("eole", "torch"), inside.weights))


if __name__ == "__main__":
    main()
