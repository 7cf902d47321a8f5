"""Settings of the optimizer and of the training loop."""

from __future__ import annotations

from dataclasses import dataclass

from mt.config.data_schema import MAIN_VAL_SET
from mt.config.setting import setting

SCHEDULE_NAMES = ("inverse_sqrt", "cosine", "constant")
DECAY_NAMES = ("none", "linear", "1-sqrt")
TRACKER_NAMES = ("wandb", "mlflow", "trackio")


@dataclass
class OptimConfig:
    """Optimizer, learning-rate schedule and label smoothing."""

    optimizer: str = setting(
        "adamw",
        "optimizer; muon: orthogonalised momentum for weight matrices (Jordan et al. 2024), AdamW "
        "for the rest",
        choices=("adamw", "muon"),
        auto=True,
    )
    lr: float = setting(1e-3, "peak learning rate", auto=True)
    warmup: int = setting(1000, "linear warm-up, in optimizer steps", auto=True)
    schedule: str = setting(
        "inverse_sqrt",
        "learning rate after warm-up; inverse_sqrt: lr * sqrt(warmup / step); cosine: to zero "
        "when the training budget is spent",
        choices=SCHEDULE_NAMES,
        auto=True,
    )
    decay: str = setting(
        "none",
        "(schedules inverse_sqrt and constant only) factor by which the rate falls to zero at the "
        "end of training; linear: 1 - x; 1-sqrt: 1 - sqrt(x), with x from 0 to 1 (Haegele et al. "
        "2024)",
        choices=DECAY_NAMES,
        auto=True,
    )
    decay_share: float = setting(
        0.5,
        "(decay only) length of the decay, as a share of the steps before it",
        minimum=0.001,
        maximum=10,
    )
    betas: list[float] = setting(lambda: [0.9, 0.98], "decay rates of AdamW's two moments")
    eps: float = setting(1e-9, "epsilon of AdamW", minimum=1e-30, below=1)
    momentum: float = setting(0.95, "(muon only) momentum", below=1)
    weight_decay: float = setting(
        0.01,
        "decoupled weight decay of weight matrices; embeddings, biases and norms have none",
        maximum=10,
    )
    init_decay: float = setting(
        0.0,
        "(trainer.init_from only) decoupled decay of all weights towards the initial ones, which "
        "keeps what the model had learned; 0: none; such as 1",
        maximum=1000,
    )
    lora: int = setting(
        0,
        "(trainer.init_from with optim.optimizer=adamw only) rank of the changes of weight "
        "matrices (LoRA, Hu et al. 2022); all other weights stay as they are; 0: train all "
        "weights; such as 16",
        maximum=4096,
    )
    clip: float = setting(1.0, "maximum norm of the gradient; 0: no clipping")
    label_smoothing: float = setting(
        0.1,
        "probability mass spread uniformly over the vocabulary (Szegedy et al. 2015)",
        below=1,
    )
    ema: float = setting(
        0.999,
        "decay of the exponential moving average of the weights, which is validated and saved as "
        "the model; 0: no average",
        below=1,
        auto=True,
    )


@dataclass
class TrainerConfig:
    """Training loop: budget, batches, precision, validation and checkpoints."""

    max_steps: int = setting(0, "stop after N optimizer steps; 0: no limit", resumable=True)
    max_epochs: float = setting(0.0, "stop after N epochs; 0: no limit", resumable=True)
    max_minutes: float = setting(
        0.0,
        "stop after N minutes of training and validation, the last one included, summed over "
        "restarts; 0: no limit (30 minutes if until=budget and none of the five limits is set)",
        resumable=True,
    )
    max_target_tokens: int = setting(
        0,
        "stop after N target tokens, end of sentence included, padding excluded; 0: no limit",
        resumable=True,
    )
    max_flops: float = setting(
        0.0,
        "stop after N floating-point operations, such as 1e15, counted as in mt/training/flops.py; "
        "0: no limit",
        resumable=True,
    )
    until: str = setting(
        "budget",
        "end of training; budget: at the first limit; plateau: when the second half of the steps "
        "has lowered the validation loss by under 0.01 or 1 %, and raised BLEU by under 0.5 or "
        "3 %, then after optim.decay; limits hold, too",
        resumable=True,
        choices=("budget", "plateau"),
        auto=True,
    )
    pause_at: float = setting(
        1.0,
        "share of the budget after which training pauses, with a validation; learning rates are "
        "those of the whole budget; raise it to continue; 1: no pause",
        resumable=True,
        minimum=1e-6,
        maximum=1,
    )
    batch_tokens: int = setting(
        4096,
        "batch size per device, in tokens of the longer side, padding included",
        minimum=1,
        maximum=100_000_000,
        auto=True,
    )
    accumulate: int = setting(
        1, "batches per device in an optimizer step", minimum=1, maximum=1_000_000
    )
    processes: int = setting(
        1,
        "(CPU only) processes that share each batch, with one thread each, at most one for each of "
        "`threads`: faster than one process with several threads",
        minimum=1,
        maximum=1024,
        auto=True,
    )
    parallel: str = setting(
        "auto",
        "(torchrun only) what its processes share; ddp: gradients, so that each has all weights; "
        "fsdp: weights and optimizer state, too, of which each has a part, for models that are too "
        "large for one GPU; hybrid: fsdp within each machine, and only gradients between machines; "
        "auto: ddp",
        resumable=True,
        choices=("auto", "ddp", "fsdp", "hybrid"),
    )
    device: str = setting(
        "auto", "training device", resumable=True, choices=("auto", "cpu", "cuda", "mps")
    )
    precision: str = setting(
        "auto",
        "bf16: matrix products in bfloat16; auto: bf16 if the hardware supports it, else fp32",
        resumable=True,
        choices=("auto", "fp32", "bf16"),
    )
    threads: int = setting(
        0, "number of CPU threads; 0: one per core", resumable=True, maximum=1024
    )
    compile: bool = setting(
        False,
        "compile Transformer layers with torch.compile; slower on CPUs; needs a C++ compiler",
        resumable=True,
    )
    log_every: int = setting(
        20, "interval of progress lines, in optimizer steps", resumable=True, minimum=1
    )
    val_every: int = setting(
        500,
        "interval of validations, in optimizer steps; 0: only at the end",
        resumable=True,
        auto=True,
    )
    val_minutes: float = setting(
        0.0,
        "interval of additional validations, in minutes; 0: none",
        resumable=True,
    )
    val_metric: str = setting(
        "bleu",
        "metric that selects the best model; equal values of BLEU, and those below 1 or with fewer "
        "than 25 matching 4-grams, are decided by the loss",
        choices=("bleu", "loss"),
    )
    val_set: str = setting(
        MAIN_VAL_SET,
        "validation set whose scores select the best model and end training: val is data.val; or a "
        "name of data.val_sets",
    )
    val_beam: int = setting(1, "beam size in validation; 1: greedy search", minimum=1, maximum=1000)
    patience: int = setting(
        0,
        "stop after N validations in a row without improvement, not counting those during warm-up; "
        "0: no limit; needs optim.decay=none: with a decay, use trainer.until=plateau",
        resumable=True,
    )
    samples: int = setting(
        2, "number of validation sentences logged with their translations", resumable=True
    )
    report_to: list[str] = setting(
        list,
        "services that get settings, metrics and test scores, such as [wandb]: wandb, mlflow, "
        "trackio; each must be installed, and is configured by its own environment variables",
        resumable=True,
    )
    save_minutes: float = setting(
        5.0,
        "interval of checkpoints, in minutes; each validation also saves one",
        resumable=True,
    )
    keep: int = setting(
        0,
        "number of validations whose models stay in the folder kept, the last ones, for mt-average",
        resumable=True,
        maximum=1000,
    )
    init_from: str = setting(
        "",
        "run directory to fine-tune: its weights, its tokenizer, and the settings of both",
    )
    test: bool = setting(
        True, "test the best model when training ends, on data.test", resumable=True
    )
    test_beam: int = setting(
        5, "beam size in the test after training", resumable=True, minimum=1, maximum=1000
    )

    def micro_batches(self) -> int:
        """Return the number of micro-batches per device in an optimizer step."""
        return self.accumulate * self.processes

    def is_limited(self) -> bool:
        """Return whether training has a limit."""
        counts = self.max_steps, self.max_target_tokens
        return any((*counts, self.max_epochs, self.max_minutes, self.max_flops))
