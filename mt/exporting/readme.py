"""README.md of an export: how to use it without mt."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.vocabulary import BOS, EOS
from mt.decoding.export_folder import ExportInfo
from mt.decoding.logits_processors import FORBIDDEN_TOKENS

MAX_OUTPUT_TOKENS = 256  # the default of CTranslate2
CTRANSLATE2 = """\
import ctranslate2
import sentencepiece

source = sentencepiece.SentencePieceProcessor(model_file="{source}")
target = sentencepiece.SentencePieceProcessor(model_file="{target}")
translator = ctranslate2.Translator(".")  # device="cuda": on a GPU
sentences = ["{example}"]
pieces = [{source_start}source.encode(sentence, out_type=str) for sentence in sentences]
options = {{
    "max_input_length": {longest},
    "max_decoding_length": {max_output},
    "min_decoding_length": 0,
{prefix}}}
for result in translator.translate_batch(pieces, beam_size=5, patience=2, **options):
    print(target.decode(result.hypotheses[0]{rest}))
"""
# Of a multilingual model, whose sources and outputs begin with their languages.
TARGET_PREFIX = """\
    "target_prefix": [[{target!r}]] * len(pieces),
"""
ONNX = """\
import json
import numpy
import onnxruntime
import sentencepiece

source = sentencepiece.SentencePieceProcessor(model_file="{source}")
target = sentencepiece.SentencePieceProcessor(model_file="{target}")
encoder, step = (onnxruntime.InferenceSession(f"{{name}}.onnx") for name in ("encoder", "step"))
shapes = json.load(open("state.json"))  # of what the encoder computes and a step hands to the next


def run(graph, inputs):
    wanted = [each.name for each in graph.get_inputs()]
    return graph.run(None, {{name: inputs[name] for name in wanted}})


def translate(sentence):
    tokens = numpy.array([source.encode(sentence) + [{eos}]])
    memory = run(encoder, {{"source": tokens, "mask": numpy.ones(tokens.shape, bool)}})
    computed = iter(memory[shapes["memory"] :])
    cache = [
        next(computed) if shape is None else numpy.zeros((1, *shape), numpy.float32)
        for shape in shapes["cache"]
    ]
    inputs = {{f"memory_{{i}}": each for i, each in enumerate(memory[: shapes["memory"]])}}
    output = [{bos}]
    while len(output) < 2 * tokens.size + 20 and output[-1] != {eos}:
        inputs |= {{f"cache_{{i}}": each for i, each in enumerate(cache)}}
        inputs |= {{"tokens": numpy.array(output[-1:]), "step": numpy.array(len(output) - 1)}}
        logits, *cache = run(step, inputs)
        logits[:, [{forbidden}]] = -numpy.inf  # padding, unknown and start never follow
        output.append(int(logits[0].argmax()))
    return target.decode([token for token in output[1:] if token != {eos}])  # greedy search


print(translate("{example}"))
"""
TEMPLATES = {"ctranslate2": CTRANSLATE2, "onnx": ONNX}
PACKAGES = {"ctranslate2": "ctranslate2 sentencepiece", "onnx": "onnxruntime sentencepiece numpy"}
TEXT = """\
# {name}

A translation model ({languages}) for {backend}, written by `mt-export`.
With mt: `mt-translate FOLDER < in.txt`. Without, after `pip install {packages}`, in this folder:

```python
{code}```

mt also normalises text as in training (Unicode {unicode}), splits lines into sentences and
joins their translations, and keeps blank lines.
"""


def readme(
    info: ExportInfo,
    name: str,
    languages: Sequence[str],
    tokenizers: Sequence[str],
    unicode: str,
    starts: Sequence[str] = (),
) -> str:
    """Return the text of README.md.

    `tokenizers` are the names of the SentencePiece models of source and target, or of both in one.
    `starts` are the pieces that sources and outputs of a multilingual model begin with.
    """
    code = TEMPLATES[info.backend].format(
        source=tokenizers[0],
        target=tokenizers[-1],
        example="A sentence.",
        longest=info.longest,  # 0: unlimited
        max_output=min(MAX_OUTPUT_TOKENS, info.longest or MAX_OUTPUT_TOKENS),
        bos=BOS,
        eos=EOS,
        forbidden=", ".join(map(str, FORBIDDEN_TOKENS)),
        source_start=f"[{starts[0]!r}] + " if starts else "",
        prefix=TARGET_PREFIX.format(target=starts[1]) if starts else "",
        rest="[1:]" if starts else "",
    )
    return TEXT.format(
        name=name,
        languages=" to ".join(languages),
        backend={"ctranslate2": "CTranslate2", "onnx": "onnxruntime"}[info.backend],
        packages=PACKAGES[info.backend],
        code=code,
        unicode=unicode,
    )
