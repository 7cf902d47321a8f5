"""SentencePiece models with other pieces: changes of the protocol buffer that such a model is.

The messages are declared here as far as they are needed; the classes that come with SentencePiece
work with some versions of protobuf only. All other fields are kept as they are: normalisation, and
the scores and the order of the pieces that stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Types of pieces. Words are made of ordinary ones; the others are special tokens, tags, symbols and
# bytes.
NORMAL, UNKNOWN, CONTROL, UNUSED = 1, 2, 3, 5
ORDINARY = (NORMAL, UNUSED)
BPE = 2  # a type of model


def _model_class() -> Any:
    """Return the class of the message `ModelProto` of SentencePiece, with some of its fields."""
    field = descriptor_pb2.FieldDescriptorProto
    optional, repeated = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    file = descriptor_pb2.FileDescriptorProto(
        name="mt.sentencepiece", package="mt", syntax="proto2"
    )
    model = file.message_type.add(name="Model")
    piece = model.nested_type.add(name="Piece")
    piece.field.add(name="piece", number=1, label=optional, type=field.TYPE_STRING)
    piece.field.add(name="score", number=2, label=optional, type=field.TYPE_FLOAT)
    piece.field.add(name="type", number=3, label=optional, type=field.TYPE_INT32, default_value="1")
    model.field.add(
        name="pieces",
        number=1,
        label=repeated,
        type=field.TYPE_MESSAGE,
        type_name=".mt.Model.Piece",
    )
    trainer = model.nested_type.add(name="Trainer")
    trainer.field.add(name="model_type", number=3, label=optional, type=field.TYPE_INT32)
    normalizer = model.nested_type.add(name="Normalizer")
    normalizer.field.add(
        name="precompiled_charsmap", number=2, label=optional, type=field.TYPE_BYTES
    )
    for number, message in enumerate((trainer, normalizer), 2):
        model.field.add(
            name=message.name.lower(),
            number=number,
            label=optional,
            type=field.TYPE_MESSAGE,
            type_name=f".mt.Model.{message.name}",
        )
    # Texts and their pieces, which some versions of SentencePiece test when they load a model.
    model.field.add(name="self_test_data", number=4, label=optional, type=field.TYPE_BYTES)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("mt.Model"))


Model = _model_class()


def keep_pieces(serialized: bytes, kept: Collection[str]) -> tuple[bytes, list[int]]:
    """Return the model without the ordinary pieces that are not `kept`, and the ids that stay."""
    model = Model.FromString(serialized)
    pieces = list(enumerate(model.pieces))
    pieces = [(i, each) for i, each in pieces if each.type not in ORDINARY or each.piece in kept]
    kept_pieces = [each for _, each in pieces]
    del model.pieces[:]
    model.pieces.extend(kept_pieces)
    model.ClearField("self_test_data")
    return model.SerializeToString(), [i for i, _ in pieces]


def add_pieces(serialized: bytes, pieces: Iterable[tuple[str, float]], kind: int = NORMAL) -> bytes:
    """Return the model with further pieces of a type and their scores, after the others."""
    model = Model.FromString(serialized)
    for piece, score in pieces:
        model.pieces.add(piece=piece, score=score, type=kind)
    model.ClearField("self_test_data")
    return model.SerializeToString()


def fixed_pieces(serialized: bytes) -> set[str]:
    """Return the pieces that are not ordinary."""
    pieces = Model.FromString(serialized).pieces
    return {each.piece for each in pieces if each.type not in ORDINARY}


def ordinary_scores(serialized: bytes) -> dict[str, float]:
    """Return the scores of the ordinary pieces."""
    pieces = Model.FromString(serialized).pieces
    return {each.piece: each.score for each in pieces if each.type in ORDINARY}


def build_bpe(pieces: Sequence[str], charsmap: bytes) -> bytes:
    """Return a BPE model of ordinary pieces, in the order of merges, after <unk>, <s> and </s>.

    `charsmap` is the normalisation of SentencePiece, compiled. White space is treated as usual.
    """
    model = Model()
    for piece, kind in (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)):
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for rank, piece in enumerate(pieces):
        model.pieces.add(piece=piece, score=-float(rank), type=NORMAL)
    model.trainer.model_type = BPE
    model.normalizer.precompiled_charsmap = charsmap
    return model.SerializeToString()
