"""Hugging Face transformers in the benchmarks (scripts/peers/protocol.py).

    python3 -m venv hf && hf/bin/pip install torch transformers safetensors
    python scripts/bench_train.py --peer hf=hf/bin/python

Training: MarianMTModel in a plain loop, with the batches of mt. Translation: `generate` of M2M100,
which has pre-norm layers like mt's Transformer, with the weights of mt. Option `eager`: attention
as matrix products instead of SDPA.
"""

import json
import math
import time
from pathlib import Path

from protocol import (
    Window,
    clock,
    finish,
    length_sorted_batches,
    memory,
    pad_batch,
    read_lines,
    read_work,
    require_plain,
    synchronise,
    version,
    write_outputs,
)


def shared(work):
    """Return the configuration values that both classes share."""
    model, transformer = work["model"], work["model"]["transformer"]
    return {
        "vocab_size": work["vocab"],
        "d_model": model["dim"],
        "encoder_layers": transformer["encoder_layers"],
        "decoder_layers": transformer["decoder_layers"],
        "encoder_attention_heads": transformer["heads"],
        "decoder_attention_heads": transformer["heads"],
        "encoder_ffn_dim": transformer["ff_dim"],
        "decoder_ffn_dim": transformer["ff_dim"],
        "activation_function": "relu",
        "dropout": work.get("dropout", 0.0),
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "scale_embedding": True,
        "max_position_embeddings": 4096,
        "pad_token_id": work["pad"],
        "bos_token_id": work["bos"],
        "eos_token_id": work["eos"],
        "decoder_start_token_id": work["bos"],
        "attn_implementation": "eager" if "eager" in work["options"] else "sdpa",
    }


def autocast(work):
    """Return the context for the precision of the work."""
    return torch.autocast(work["device"], torch.bfloat16, enabled=work["precision"] == "bf16")


def train(work):
    """Measure the training."""
    if work["family"] != "transformer":
        raise SystemExit("transformers has no recurrent translation model")
    require_plain(work)
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(work["seed"])
    model = (
        MarianMTModel(MarianConfig(**shared(work), forced_eos_token_id=None))
        .to(work["device"])
        .train()
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=work["betas"], eps=work["eps"], weight_decay=work["weight_decay"]
    )
    pairs = read_lines(work["pairs"])
    batches = json.loads(Path(work["batches"]).read_text(encoding="utf-8"))
    window, done, step = Window(work), False, 0
    while not done:
        *tensors, counts = pad_batch(work, batches[step % len(batches)], pairs)
        source, inputs, target = (
            torch.tensor(each).to(work["device"], non_blocking=True) for each in tensors
        )
        with autocast(work):
            logits = model(
                input_ids=source,
                attention_mask=source != work["pad"],
                decoder_input_ids=inputs,
                use_cache=False,
            ).logits
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1),
                target.flatten(),
                ignore_index=work["pad"],
                label_smoothing=work["label_smoothing"],
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), work["clip"])
        step += 1
        optimizer.param_groups[0]["lr"] = work["lr"] * min(1.0, step / work["lr_warmup"])
        optimizer.step()
        done = window.advance(**counts)
    finish(
        window.result(version("transformers", "torch"), model.num_parameters(only_trainable=True))
    )


def load(work):
    """Return M2M100 with the weights of mt."""
    from safetensors.torch import load_file
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    weights, dim = load_file(work["weights"]), work["model"]["dim"]
    model = M2M100ForConditionalGeneration(M2M100Config(**shared(work)))
    state = {"model.shared.weight": weights["source_embedding.weight"]}
    for side in ("encoder", "decoder"):
        state[f"model.{side}.layer_norm.weight"], state[f"model.{side}.layer_norm.bias"] = (
            weights[f"{side}.stack.norm.{kind}"] for kind in ("weight", "bias")
        )
        names = {
            "feed_forward.wide": "fc1",
            "feed_forward.narrow": "fc2",
            "around_feed_forward.norm": "final_layer_norm",
        }
        attentions = (
            {"attention": "self_attn"}
            if side == "encoder"
            else {"self_attention": "self_attn", "cross_attention": "encoder_attn"}
        )
        norms = {
            "self_attn": "around_attention" if side == "encoder" else "around_self",
            "encoder_attn": "around_cross",
        }
        for ours, theirs in attentions.items():
            names |= {f"{ours}.query": f"{theirs}.q_proj", f"{ours}.out": f"{theirs}.out_proj"}
            names[f"{norms[theirs]}.norm"] = f"{theirs}_layer_norm"
        for layer in range(work["model"]["transformer"][f"{side}_layers"]):
            mine, other = f"{side}.layers.{layer}", f"model.{side}.layers.{layer}"
            for kind in ("weight", "bias"):
                for ours, theirs in names.items():
                    state[f"{other}.{theirs}.{kind}"] = weights[f"{mine}.{ours}.{kind}"]
                for ours, theirs in attentions.items():
                    key, value = weights[f"{mine}.{ours}.key_value.{kind}"].chunk(2)
                    (
                        state[f"{other}.{theirs}.k_proj.{kind}"],
                        state[f"{other}.{theirs}.v_proj.{kind}"],
                    ) = key, value
    missing, unexpected = model.load_state_dict(state, strict=False)
    tied = {
        "model.encoder.embed_tokens.weight",
        "model.decoder.embed_tokens.weight",
        "lm_head.weight",
    }
    if set(missing) - tied or unexpected:
        raise SystemExit(
            f"weights do not fit: missing {set(missing) - tied}, unexpected {unexpected}"
        )
    model.tie_weights()
    # Replace its table of positions: M2M100 counts from the id of the padding token, and its
    # wavelengths differ slightly from those of mt.
    frequencies = torch.exp(torch.arange(dim // 2) * (-math.log(10_000) / (dim // 2)))
    for side in (model.model.encoder, model.model.decoder):
        table = side.embed_positions
        angles = (torch.arange(len(table.weights))[:, None] - work["pad"] - 1).clamp(
            min=0
        ) * frequencies
        table.weights = torch.cat((angles.sin(), angles.cos()), -1)
    # The output layer of mt has a bias, that of M2M100 has none.
    model.lm_head.bias = torch.nn.Parameter(weights["output.bias"])
    return model.to(work["device"]).eval()


def translate(work):
    """Measure the translation."""
    require_plain(work)
    model, sources = load(work), read_lines(work["sources"])
    loaded = time.time() - work["started"]
    suppressed = [work["pad"], work["unk"], work["bos"]]

    @torch.no_grad()
    def run(rows):
        width = max(len(sources[row]) for row in rows) + 1
        ids = [
            sources[row] + [work["eos"]] + [work["pad"]] * (width - len(sources[row]) - 1)
            for row in rows
        ]
        source = torch.tensor(ids).to(work["device"])
        with autocast(work):
            outputs = model.generate(
                input_ids=source,
                attention_mask=source != work["pad"],
                num_beams=work["beam"],
                do_sample=False,
                length_penalty=work["length_penalty"],
                max_new_tokens=work["longest"],
                suppress_tokens=suppressed,
            )
        return [[token for token in row if token > work["eos"]] for row in outputs.tolist()]

    groups = length_sorted_batches(sources, work["batch"])
    run(groups[-1])
    synchronise(work["device"])
    begin, outputs = clock(work), [[]] * len(sources)
    for rows in groups:
        for row, pieces in zip(rows, run(rows), strict=True):
            outputs[row] = pieces
    seconds = clock(work) - begin
    write_outputs(work, outputs)
    finish(
        {
            "seconds": seconds,
            "load": loaded,
            "memory": memory(work["device"]),
            "versions": version("transformers", "torch"),
        }
    )


if __name__ == "__main__":
    import torch

    work = read_work()
    {"train": train, "translate": translate}[work["task"]](work)
