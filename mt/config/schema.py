"""The configuration schema: every setting, its type, its default and what it means.

The YAML files under `configs/` only choose values; what exists is defined here and nowhere else.
`mt-train --help` prints these definitions. Composing and checking is in `mt.config.compose`;
nothing below the commands sees a `DictConfig`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, field
from typing import Any, get_type_hints


def setting(
    default: Any,
    help: str,
    *,
    resumable: bool = False,
    choices: tuple[str, ...] = (),
    least: float = 0,
    below: float = math.inf,
) -> Any:
    """A documented field. `resumable`: may differ when a run is continued; allowed are `choices`, or least <= value < below."""
    metadata = {
        "help": help,
        "resumable": resumable,
        "choices": choices,
        "least": least,
        "below": below,
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def group(kind: type, help: str) -> Any:
    """A nested section of the configuration."""
    return field(default_factory=kind, metadata={"help": help})


@dataclass
class SplitConfig:
    """Where sentence pairs come from. Set one of: `src` and `tgt`, or `file`, or `hub`, or `demo`."""

    src: Any = setting(
        None,
        "text file(s) of the source side, one sentence a line: a path or a list of paths; .gz, .xz, .zst too",
    )
    tgt: Any = setting(
        None, "text file(s) of the target side, line by line the translations of src"
    )
    file: Any = setting(
        None,
        "file(s) with both sides: .tsv, .jsonl or .tmx (compressed too): a path or a list of paths",
    )
    hub: str = setting(
        "", "Hugging Face data set: a repository name, or a local folder laid out like one"
    )
    subset: str = setting(
        "",
        "configuration (subset) of the hub data set, such as de-en; of the embedded corpus: full or core",
    )
    split: str = setting(
        "",
        "split of the hub data set, such as train; of the embedded corpus: train, val, test, long or compose",
    )
    revision: str = setting(
        "",
        "revision of the hub data set; refs/convert/parquet reads sets that still have a loading script",
    )
    columns: list[str] = setting(
        list,
        "source and target column, TSV column number (from 0) or JSON key; default: the languages",
    )
    demo: int = setting(0, "number of generated pairs of the embedded corpus")
    links: Any = setting(
        None,
        "test only: file(s) with word alignments of its pairs (Pharaoh: 0-0 1-2), for the alignment error rate",
    )
    limit: int = setting(0, "use only the first so many pairs; 0: all")
    weight: float = setting(
        1.0,
        "training only: how often each pair is seen an epoch (0.5: a new half every epoch; 3: three times)",
    )


@dataclass
class CleanConfig:
    """Cleaning of the training pairs. Each step is counted and reported. Validation and test are normalised, never dropped."""

    unicode: str = setting("NFC", "Unicode normalisation", choices=("NFC", "NFKC", "none"))
    max_words: int = setting(
        250, "longest side in words (in characters for unspaced scripts); 0: no limit"
    )
    max_chars: int = setting(2500, "longest side in characters; 0: no limit")
    max_ratio: float = setting(
        4.0, "longest side over shortest in UTF-8 bytes, for pairs over 50 bytes; 0: no limit"
    )
    deduplicate: bool = setting(True, "drop repeated pairs")
    drop_overlap: bool = setting(
        True, "drop training pairs whose source or target is in validation or test"
    )


@dataclass
class TokenizerConfig:
    """SentencePiece, trained on the cleaned training text. Bytes stand in for unknown characters, so any text round-trips."""

    type: str = setting("unigram", "subword model", choices=("unigram", "bpe"))
    vocab_size: int = setting(8000, "pieces in the vocabulary (in each, when separate)", least=1)
    joint: bool = setting(True, "one vocabulary for both sides; false: one each")
    character_coverage: float = setting(
        0.9999, "share of characters that get a piece of their own; the rest is spelled in bytes"
    )
    train_lines: int = setting(
        1_000_000,
        "lines sampled to train it, at most (a million lines of a usual length take about 4 GB of memory)",
        least=1,
    )
    sampling: float = setting(
        0.0,
        "subword sampling; unigram: smoothing, 0.1 (wild) to 0.5 (mild); bpe: share of merges skipped, about 0.1; 0: off",
    )


@dataclass
class DataConfig:
    """The parallel text."""

    name: str = setting("files", "a short name, used in the default run name")
    src_lang: str = setting("src", "source language code, such as en")
    tgt_lang: str = setting("tgt", "target language code, such as de; decides how BLEU tokenises")
    reverse: bool = setting(
        False, "translate the other way round: swaps sides, columns and languages"
    )
    train: SplitConfig = group(SplitConfig, "training pairs")
    val: SplitConfig = group(
        SplitConfig, "validation pairs; if not set, held out of train by a hash of the source"
    )
    test: SplitConfig = group(
        SplitConfig, "test pairs; if not set, held out of train by a hash of the source"
    )
    mix: dict[str, Any] = setting(
        dict,
        "further training corpora by name, with the keys of data.train: +data.mix.news.src=a.en and so on",
    )
    holdout: int = setting(
        1000,
        "pairs to hold out for each of val and test where they are not set (at most 5 % of the corpus each)",
    )
    max_pieces: int = setting(
        256,
        "longest side in subword pieces; longer training pairs are dropped and counted, longer input is split",
        least=1,
    )
    clean: CleanConfig = group(CleanConfig, "cleaning of the training pairs")
    tokenizer: TokenizerConfig = group(TokenizerConfig, "subword tokenizer")
    cache: str = setting(
        "",
        "folder for prepared corpora, keyed by content and settings; default: $MT_CACHE, else ~/.cache/mt",
        resumable=True,
    )
    offline: bool = setting(
        False, "never ask the network for hub data; use what is in the cache", resumable=True
    )

    def languages(self) -> tuple[str, str]:
        """Codes of the source and the target language, `reverse` taken into account."""
        return (self.tgt_lang, self.src_lang) if self.reverse else (self.src_lang, self.tgt_lang)


ADDED_POSITION_NAMES = (
    "none",
    "sinusoidal",
    "learned",
)  # those that leave the scores of a query for a key alone
POSITION_NAMES = (*ADDED_POSITION_NAMES, "shaw", "t5", "alibi", "rope")
PATTERN_NAMES = ("full", "window", "strided", "multiscale", "adaptive_span", "linear")


@dataclass
class TransformerConfig:
    """Transformer encoder and decoder (Vaswani et al. 2017)."""

    encoder_layers: int = setting(3, "encoder layers", least=1)
    decoder_layers: int = setting(3, "decoder layers", least=1)
    heads: int = setting(4, "attention heads; divides model.dim", least=1)
    ff_dim: int = setting(1024, "inner width of the feed-forward layers", least=1)
    kv_heads: int = setting(
        0,
        "heads of keys and values; 1: multi-query, a divisor of heads: grouped-query; 0: as many as heads",
    )
    position: str = setting("sinusoidal", "position scheme of both sides", choices=POSITION_NAMES)
    encoder_position: str = setting(
        "", "position scheme of the encoder; empty: position", choices=("", *POSITION_NAMES)
    )
    decoder_position: str = setting(
        "", "position scheme of the decoder; empty: position", choices=("", *POSITION_NAMES)
    )
    pattern: str = setting(
        "full", "what self-attention looks at, on both sides", choices=PATTERN_NAMES
    )
    encoder_pattern: str = setting(
        "", "pattern of the encoder; empty: pattern", choices=("", *PATTERN_NAMES)
    )
    decoder_pattern: str = setting(
        "", "pattern of the decoder; empty: pattern", choices=("", *PATTERN_NAMES)
    )
    window: int = setting(
        16,
        "reach of windows to either side, in pieces: of all heads, the widest head, the longest span",
        least=1,
    )
    stride: int = setting(
        8, "of the pattern strided: window of half of the heads, step of the others", least=2
    )
    span_cost: float = setting(
        1e-3,
        "of the pattern adaptive_span: what a piece of mean span adds to the loss of each token",
    )
    select: str = setting(
        "softmax",
        "how scores become weights (linear has none)",
        choices=("softmax", "sparsemax", "entmax15"),
    )
    softcap: float = setting(
        0.0, "limit c of the products of queries and keys: c tanh(s / c); 0: none"
    )
    qk_norm: bool = setting(False, "normalise queries and keys of each head of self-attention")
    norm: str = setting(
        "pre",
        "where the norm of a sublayer stands (mt/models/transformer/sublayers.py)",
        choices=("pre", "post", "sandwich", "deepnorm"),
    )
    norm_kind: str = setting(
        "layer", "kind of norm: layer norm, or root mean square", choices=("layer", "rms")
    )
    activation: str = setting(
        "relu",
        "feed-forward non-linearity; swiglu has a gate, with two thirds of ff_dim",
        choices=("relu", "gelu", "swiglu"),
    )
    recompute: bool = setting(
        False,
        "make inner results of layers again in the backward pass: less memory, more time",
        resumable=True,
    )
    attention_dropout: float = setting(0.0, "dropout of attention weights", below=1)
    activation_dropout: float = setting(
        0.0, "dropout after the feed-forward non-linearity", below=1
    )


SCORE_NAMES = ("additive", "concat", "dot", "scaled_dot", "general", "location", "none")
MULTI_HEAD_SCORES = ("additive", "concat", "dot", "scaled_dot")


@dataclass
class RNNConfig:
    """Recurrent encoder and decoder (Bahdanau et al. 2014; Luong et al. 2015). Attention is score x scope x select."""

    cell: str = setting("gru", "recurrent cell", choices=("gru", "lstm"))
    encoder_layers: int = setting(1, "encoder layers", least=1)
    hidden: int = setting(
        512, "state size of the decoder, and of each direction of the encoder", least=1
    )
    bidirectional: bool = setting(
        True, "the encoder reads in both directions; false: left to right"
    )
    reverse_source: bool = setting(
        False, "an encoder of one direction reads from right to left (Sutskever et al. 2014)"
    )
    placement: str = setting(
        "bahdanau",
        "bahdanau: the previous state queries, the context enters the recurrence; luong: the current one, the context joins the output",
        choices=("bahdanau", "luong"),
    )
    input_feeding: bool = setting(
        True, "of the placement luong: what attention made of a step is an input of the next"
    )
    attention: str = setting(
        "additive",
        "score of a source state for a query; none: the source only sets the initial state",
        choices=SCORE_NAMES,
    )
    attention_dim: int = setting(
        512, "inner width of the additive score; of queries and keys with several heads", least=1
    )
    attention_heads: int = setting(
        1, f"heads, of {', '.join(MULTI_HEAD_SCORES)}; 1: the papers' plain form", least=1
    )
    longest_source: int = setting(
        257, "of the score location: positions it knows; at least data.max_pieces + 1", least=1
    )
    scope: str = setting(
        "global",
        "where a query may look: all over, or near step t or a learned place",
        choices=("global", "local_m", "local_p"),
    )
    window: int = setting(
        10, "of the local scopes: positions to either side of the centre", least=1
    )
    select: str = setting(
        "softmax",
        "how scores become weights; hard: one position",
        choices=("softmax", "sparsemax", "entmax15", "hard"),
    )
    hard_estimator: str = setting(
        "reinforce",
        "of hard: how it is trained; gumbel: straight-through",
        choices=("reinforce", "gumbel"),
    )
    hard_entropy: float = setting(
        0.1, "of hard with reinforce: reward for each nat of entropy, against choosing too early"
    )
    hard_temperature: float = setting(
        1.0, "of hard with gumbel: temperature of the gradient's softmax", least=1e-3
    )
    coverage: bool = setting(False, "keys know how much attention their position has had")
    coverage_loss: float = setting(
        0.0, "of coverage: cost of looking again where attention has been (See et al. 2017 take 1)"
    )
    readout: str = setting(
        "maxout",
        "of the placement bahdanau: what joins state, word and context",
        choices=("maxout", "plain"),
    )


@dataclass
class ModelConfig:
    """An encoder and a decoder, each of either family, so that hybrids work."""

    encoder: str = setting("transformer", "encoder family", choices=("transformer", "rnn"))
    decoder: str = setting("transformer", "decoder family", choices=("transformer", "rnn"))
    dim: int = setting(256, "width of embeddings and of the Transformer", least=1)
    dropout: float = setting(0.1, "dropout of embeddings and of each sublayer's output", below=1)
    tie_embeddings: str = setting(
        "all",
        "share weights: all (source, target, output; needs a joint vocabulary), target (target and output), none",
        choices=("all", "target", "none"),
    )
    transformer: TransformerConfig = group(TransformerConfig, "settings of Transformer parts")
    rnn: RNNConfig = group(RNNConfig, "settings of recurrent parts")


SCHEDULE_NAMES = ("inverse_sqrt", "cosine", "constant")


@dataclass
class OptimConfig:
    """The optimizer and its learning rate."""

    optimizer: str = setting(
        "adamw",
        "muon: steps of weight matrices made orthogonal (Jordan et al. 2024); the rest AdamW's",
        choices=("adamw", "muon"),
    )
    lr: float = setting(1e-3, "peak learning rate")
    warmup: int = setting(1000, "steps of linear warm-up")
    schedule: str = setting(
        "inverse_sqrt",
        "after warm-up: inverse_sqrt (lr * sqrt(warmup / step)), cosine (to zero at the nearest limit), constant",
        choices=SCHEDULE_NAMES,
    )
    betas: list[float] = setting(lambda: [0.9, 0.98], "decay of AdamW's two moments")
    eps: float = setting(1e-9, "AdamW's epsilon")
    momentum: float = setting(0.95, "of muon: decay of the momentum", below=1)
    weight_decay: float = setting(
        0.01, "decoupled weight decay of matrices; vectors and embeddings have none"
    )
    clip: float = setting(1.0, "largest gradient norm; 0: no clipping")
    label_smoothing: float = setting(
        0.1,
        "share of the target's probability spread over the vocabulary (Szegedy et al. 2015)",
        below=1,
    )
    ema: float = setting(
        0.999,
        "decay of the averaged weights that are validated and saved as the model; 0: no average",
        below=1,
    )


@dataclass
class TrainerConfig:
    """The training loop: budget, precision, validation."""

    max_steps: int = setting(0, "stop after so many optimizer steps; 0: no limit", resumable=True)
    max_epochs: float = setting(
        0.0, "stop after so many passes over the corpus; 0: no limit", resumable=True
    )
    max_minutes: float = setting(
        0.0,
        "stop after so many minutes, validation included, added up over restarts; 0: no limit; without any of the five limits: 30",
        resumable=True,
    )
    max_target_tokens: int = setting(
        0,
        "stop after so many target tokens, end of sentence counted, padding not, in the step that reaches them; 0: no limit",
        resumable=True,
    )
    max_flops: float = setting(
        0.0,
        "stop after so many floating-point operations, such as 1e15 (mt/training/flops.py says which count); 0: no limit",
        resumable=True,
    )
    batch_tokens: int = setting(
        4096, "tokens a batch and device, padding included, on the longer side", least=1
    )
    accumulate: int = setting(1, "batches a device adds up before each optimizer step", least=1)
    device: str = setting(
        "auto", "where to train", resumable=True, choices=("auto", "cpu", "cuda", "mps")
    )
    precision: str = setting(
        "auto",
        "bf16: matrix products in bfloat16; auto: where the hardware has it",
        resumable=True,
        choices=("auto", "fp32", "bf16"),
    )
    threads: int = setting(0, "CPU threads; 0: all cores", resumable=True)
    compile: bool = setting(
        False,
        "compile the layers of Transformers (torch.compile), for a GPU: on CPUs it is slower; needs a C++ compiler",
        resumable=True,
    )
    log_every: int = setting(20, "steps between progress lines", resumable=True, least=1)
    val_every: int = setting(500, "steps between validations; 0: only at the end")
    val_minutes: float = setting(
        0.0, "minutes between validations, beside val_every; 0: off", resumable=True
    )
    val_metric: str = setting("bleu", "what chooses the best model", choices=("bleu", "loss"))
    val_beam: int = setting(1, "beam size of validation", least=1)
    patience: int = setting(
        0, "stop after so many validations without a better one; 0: never", resumable=True
    )
    samples: int = setting(2, "validation sentences shown with their translation", resumable=True)
    save_minutes: float = setting(
        5.0, "minutes between saves for resuming; every validation saves too", resumable=True
    )
    init_from: str = setting(
        "", "run directory whose weights and tokenizer to start from (fine-tuning)"
    )
    test_beam: int = setting(5, "beam size of the test after training", resumable=True, least=1)


@dataclass
class Config:
    """A training run."""

    name: str = setting(
        "${data.name}-${model.decoder}",
        "name of the run: its folder is runs_dir/name",
        resumable=True,
    )
    runs_dir: str = setting("runs", "folder of all runs", resumable=True)
    seed: int = setting(
        1, "decides initial weights, order of the data, dropout and subword sampling"
    )
    data: DataConfig = group(DataConfig, "parallel text")
    model: ModelConfig = group(ModelConfig, "encoder and decoder")
    optim: OptimConfig = group(OptimConfig, "optimizer and loss")
    trainer: TrainerConfig = group(TrainerConfig, "training loop")


def fields(kind: type = Config, prefix: str = "") -> Iterator[tuple[str, Field, bool]]:
    """All keys as (dotted name, dataclass field, whether it is a section with keys of its own), in order of definition."""
    hints = get_type_hints(kind)
    for each in dataclasses.fields(kind):
        name = prefix + each.name
        section = dataclasses.is_dataclass(hints[each.name])
        yield name, each, section
        if section:
            yield from fields(hints[each.name], name + ".")


@functools.cache
def keys() -> dict[str, Field]:
    """Every key that can be set, by its dotted name."""
    return {name: each for name, each, section in fields() if not section}


def field_default(each: Field) -> Any:
    """The default of a field of the schema."""
    if each.default is not MISSING:
        return each.default
    assert each.default_factory is not MISSING
    return each.default_factory()
