"""README.md of an export: how to use it without mt."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.tags import MARK
from mt.data.vocabulary import BOS, EOS, UNK
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
    print(target.decode({pieces}))
"""
# Of a multilingual model, whose outputs begin with their language.
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
{vocabulary}

def run(graph, inputs):
    wanted = [each.name for each in graph.get_inputs()]
    return graph.run(None, {{name: inputs[name] for name in wanted}})


def translate(sentence):
    tokens = numpy.array([{encoded} + [{eos}]])
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
        output.append({chosen})  # greedy search
    return target.decode([{piece} for token in output[1:] if {is_text}])


print(translate("{example}"))
"""
# Of a pretrained model, whose pieces have other ids than in SentencePiece.
VOCABULARY = """\
vocabularies = [json.load(open(name, encoding="utf-8")) for name in {names}]
ids = {{piece: i for i, piece in enumerate(vocabularies[0]) if i > {eos}}}


def encode(sentence):
    pieces = {source_start}source.encode(sentence, out_type=str)
    return [ids.get(piece, {unk}) for piece in pieces]

"""
TEMPLATES = {"ctranslate2": CTRANSLATE2, "onnx": ONNX}
PACKAGES = {"ctranslate2": "ctranslate2 sentencepiece", "onnx": "onnxruntime sentencepiece numpy"}
TEXT = """\
# {name}

A translation model ({languages}) for {backend}, written by `mt-export`.
With mt: `mt-translate FOLDER < in.txt`. Without, after `pip install {packages}`, in this folder:

```python
{code}```

{tags}mt also normalises text as in training (Unicode {unicode}), splits lines into sentences and
joins their translations, and keeps blank lines.
"""
TAGS = """\
A source may begin with the piece of a tag, as `{example}`. The tags are {pieces}.

"""


def readme(
    info: ExportInfo,
    name: str,
    languages: Sequence[str],
    tokenizers: Sequence[str],
    unicode: str,
    source_start: str = "",
    target_start: str = "",
    vocabularies: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> str:
    """Return the text of README.md.

    `tokenizers` are the names of the SentencePiece models of source and target, or of both in one.
    `source_start` and `target_start` are pieces that sources and outputs begin with: those of their
    languages, or a tag. `vocabularies` are the names of the files with the pieces of a pretrained
    model by id. `tags` are the pieces of all tags.
    """
    start = f"[{source_start!r}] + " if source_start else ""
    encoded, piece, chosen = "source.encode(sentence)", "token", "int(logits[0].argmax())"
    if source_start:
        encoded = f"[source.piece_to_id({source_start!r})] + {encoded}"
    vocabulary = ""
    if vocabularies:
        vocabulary = VOCABULARY.format(
            names=list(vocabularies), source_start=start, eos=EOS, unk=UNK
        )
        encoded, piece = "encode(sentence)", "vocabularies[-1][token]"
    pieces, is_text = "result.hypotheses[0]", f"token != {EOS}"
    if target_start:
        chosen = f"ids[{target_start!r}] if len(output) == 1 else {chosen}"
        pieces = f"[piece for piece in {pieces} if piece[0] != {MARK!r}]"
        is_text += f" and {piece}[0] != {MARK!r}"
    code = TEMPLATES[info.backend].format(
        source=tokenizers[0],
        target=tokenizers[-1],
        example="A sentence.",
        longest=info.longest,  # 0: unlimited
        max_output=min(MAX_OUTPUT_TOKENS, info.longest or MAX_OUTPUT_TOKENS),
        bos=BOS,
        eos=EOS,
        forbidden=", ".join(map(str, FORBIDDEN_TOKENS)),
        source_start=start,
        prefix=TARGET_PREFIX.format(target=target_start) if target_start else "",
        pieces=pieces,
        is_text=is_text,
        vocabulary=vocabulary,
        encoded=encoded,
        chosen=chosen,
        piece=piece,
    )
    return TEXT.format(
        name=name,
        languages=" to ".join(languages),
        backend={"ctranslate2": "CTranslate2", "onnx": "onnxruntime"}[info.backend],
        packages=PACKAGES[info.backend],
        code=code,
        tags=TAGS.format(example=f"[{tags[0]!r}] + ...", pieces=", ".join(map(repr, tags)))
        if tags
        else "",
        unicode=unicode,
    )
