"""CTranslate2 in the translation benchmark (scripts/peers/protocol.py), with the weights of mt.

    python3 -m venv ct2 && ct2/bin/pip install ctranslate2 safetensors numpy
    python scripts/bench_translate.py --peer ct2=ct2/bin/python --peer ct2+int8=ct2/bin/python

On a CPU it uses one worker per thread. It makes its own batches, of the requested size. Options:
`int8` (weights and matrix products), `float16` (on a GPU).
"""

import math
import time
from pathlib import Path

import numpy as np
from protocol import (
    clock,
    finish,
    memory,
    read_lines,
    read_work,
    require_plain,
    version,
    write_outputs,
)

COMPUTE_TYPES = {"fp32": "float32", "bf16": "bfloat16"}


def convert(work, folder):
    """Write the pre-norm Transformer of mt, with sinusoidal positions, as a CTranslate2 model."""
    from ctranslate2.specs import TransformerSpec
    from safetensors.numpy import load_file

    weights = load_file(work["weights"])
    model, transformer = work["model"], work["model"]["transformer"]
    spec = TransformerSpec.from_config(
        (transformer["encoder_layers"], transformer["decoder_layers"]), transformer["heads"]
    )
    dim = model["dim"]
    frequencies = np.exp(np.arange(dim // 2) * (-math.log(10_000) / (dim // 2)))
    angles = np.arange(4096)[:, None] * frequencies
    positions = np.concatenate((np.sin(angles), np.cos(angles)), -1).astype(np.float32)

    def linear(target, *sources):
        """Concatenate linear layers of mt into one of CTranslate2."""
        target.weight, target.bias = (
            np.concatenate([weights[f"{name}.{kind}"] for name in sources])
            for kind in ("weight", "bias")
        )

    def norm(target, source):
        target.gamma, target.beta = weights[f"{source}.weight"], weights[f"{source}.bias"]

    embedding = weights["source_embedding.weight"]
    for side, part in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        (part.embeddings[0] if side == "encoder" else part.embeddings).weight = embedding
        part.scale_embeddings = True
        part.position_encodings.encodings = positions
        norm(part.layer_norm, f"{side}.stack.norm")
        for number, layer in enumerate(part.layer):
            name = f"{side}.layers.{number}"
            attention, around = "self_attention", "around_self"
            if side == "encoder":
                attention, around = "attention", "around_attention"
            norm(layer.self_attention.layer_norm, f"{name}.{around}.norm")
            linear(
                layer.self_attention.linear[0],
                f"{name}.{attention}.query",
                f"{name}.{attention}.key_value",
            )
            linear(layer.self_attention.linear[1], f"{name}.{attention}.out")
            if side == "decoder":
                norm(layer.attention.layer_norm, f"{name}.around_cross.norm")
                for place, ours in enumerate(("query", "key_value", "out")):
                    linear(layer.attention.linear[place], f"{name}.cross_attention.{ours}")
            norm(layer.ffn.layer_norm, f"{name}.around_feed_forward.norm")
            linear(layer.ffn.linear_0, f"{name}.feed_forward.wide")
            linear(layer.ffn.linear_1, f"{name}.feed_forward.narrow")
    spec.decoder.projection.weight, spec.decoder.projection.bias = embedding, weights["output.bias"]
    vocabulary = [str(number) for number in range(work["vocab"])]
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = (
        str(work[name]) for name in ("unk", "bos", "eos")
    )
    spec.config.decoder_start_token = str(work["bos"])
    spec.config.layer_norm_epsilon = 1e-5
    spec.validate()
    spec.optimize()
    spec.save(str(folder))


def translate(work):
    """Measure the translation."""
    import ctranslate2

    folder = Path(work["folder"]) / "ctranslate2"
    if not folder.exists():
        folder.mkdir()
        convert(work, folder)
    compute = next(
        (option for option in work["options"] if option in ("int8", "float16")),
        COMPUTE_TYPES[work["precision"]],
    )
    supported = ctranslate2.get_supported_compute_types(work["device"])
    if compute not in supported:
        raise SystemExit(
            f"CTranslate2 does not support {compute} on this {work['device']}, only "
            f"{', '.join(sorted(supported))}"
        )
    workers = work["threads"] if work["device"] == "cpu" else 1
    translator = ctranslate2.Translator(
        str(folder),
        device=work["device"],
        compute_type=compute,
        inter_threads=workers,
        intra_threads=1,
    )
    loaded = time.time() - work["started"]
    sources = [[str(piece) for piece in [*row, work["eos"]]] for row in read_lines(work["sources"])]

    def run(rows):
        return translator.translate_batch(
            rows,
            max_batch_size=work["batch"],
            beam_size=work["beam"],
            length_penalty=work["length_penalty"],
            max_decoding_length=work["longest"],
            max_input_length=0,
            disable_unk=True,
        )

    run(sources[: work["batch"]])
    begin = clock(work)
    results = run(sources)
    seconds = clock(work) - begin
    write_outputs(work, [[int(piece) for piece in result.hypotheses[0]] for result in results])
    peak = memory(work["device"]) if work["device"] == "cpu" else None
    finish({"seconds": seconds, "load": loaded, "memory": peak, "versions": version("ctranslate2")})


if __name__ == "__main__":
    work = read_work()
    if work["task"] != "translate":
        raise SystemExit("CTranslate2 does not train")
    require_plain(work)
    translate(work)
