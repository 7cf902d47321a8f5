"""Damaged files of a run directory: one clear line each, whatever the content."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mt.config.schema import Config
from mt.decoding.load import load_run
from mt.errors import MTError
from mt.evaluation.evaluation_set import read_stored_test_set
from mt.run_folder import RunFolder
from mt.tensor_files import count_parameters, read_facts, read_tensors, write_tensors

BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(run, tmp_path / "run")))


@pytest.mark.parametrize(
    "text",
    [
        "a: [", BOMB, "[" * 5000, "{a: " * 5000, "seed: &x 3\nname: *x", "", "\0", "data: [1]",
        "data: null", "seed: {a: 1}", "? [a]\n: b", "seed: !!binary aGk=", "seed: .nan",
        "!!python/object/apply:os.getcwd []", "data: {mix: [1]}", "data: {mix: {a: 3}}",
        "${oc.env:HOME}: 1", "seed: ${oc.env:HOME}", "model: ${data}", "null: 1",
    ],
)  # fmt: skip
def test_a_damaged_config_is_an_error_of_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MTError) as caught:
        RunFolder(tmp_path).read_config()
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/config.yaml cannot be read") and "\n" not in message


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", r"\${seed}", r"\\${seed}", "${", "a${b", "${seed}${", "x\\", "$5"]
)
def test_a_config_is_plain_text_and_resolves_nothing(text: str, tmp_path: Path) -> None:
    folder, config = RunFolder(tmp_path), Config(name=text)
    folder.write_config(config)
    assert folder.read_config() == config


def test_damaged_metrics_are_skipped_and_removed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    records = [
        {"kind": "train", "step": 5, "loss": 2.0},
        {"kind": "val", "step": 5, "bleu": 1.0},
        {"kind": "train", "step": 9, "loss": 1.0},
        {"kind": "val", "step": 9, "bleu": 2.0},
        {"kind": "val", "step": 9, "bleu": 3.0},
        {"kind": "train", "step": 12, "loss": 1.0},
    ]
    good = [json.dumps(record).encode() for record in records]
    bad = [
        b'{"kind": "train", "step": 6, "\xff": 1}', b"[" * 100_000, b"{}", b"null", b"[1]", b"\0",
        b'{"kind": 1, "step": 6}', b'{"kind": "val", "step": "6"}', b'{"kind": "val", "ste',
    ]  # fmt: skip
    lines = [line for pair in zip(good, [*bad[:5], b""], strict=True) for line in pair]
    folder.metrics.write_bytes(b"\n".join([*lines, *bad[5:]]))
    # A validation that stands twice counts once, as it was the last time.
    assert folder.read_metrics() == [*records[:3], *records[4:]]
    folder.drop_metrics_after(step=9, validated=5)  # killed between validation and checkpoint
    assert folder.metrics.read_bytes() == b"".join(line + b"\n" for line in good[:3])


def test_every_flipped_byte_of_a_tensor_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    tensors = {
        "a": torch.randn(3, 4), "b": torch.tensor(2.0), "c": torch.arange(4, dtype=torch.bfloat16),
        "empty": torch.zeros(0),
    }  # fmt: skip
    write_tensors(path, tensors, {"step": 7, "best": None})
    read, facts = read_tensors(path)
    assert facts == {"step": 7, "best": None} and count_parameters(path) == 17
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    content = path.read_bytes()
    draw = random.Random(1)
    accepted = []
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= draw.randrange(1, 256)
        path.write_bytes(damaged)
        try:
            again = read_tensors(path)
        except MTError as error:
            assert str(path) in str(error)
        else:
            accepted.append(position)
            assert again[1] == facts and again[0].keys() == read.keys()
            assert all(torch.equal(again[0][name], tensor) for name, tensor in tensors.items())
    # Only flips in the name of the checksum, which earlier versions did not write, go unnoticed.
    assert len(accepted) <= len("checksum") + 1


def test_tensor_files_of_earlier_versions_have_no_checksum(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "old", {"mt_format": "1", "facts": '{"step": 3}'})
    tensors, facts = read_tensors(tmp_path / "old")
    assert facts == {"step": 3} and torch.equal(tensors["a"], torch.ones(2))
    assert read_facts(tmp_path / "old") == facts


def test_facts_are_read_without_tensors(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_tensors(path, {"a": torch.ones(1000)}, {"step": 3})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # in a tensor
    path.write_bytes(content)
    assert read_facts(path) == {"step": 3}
    with pytest.raises(MTError, match="does not match its checksum"):
        read_tensors(path)
    path.write_bytes(content[:100])
    with pytest.raises(MTError, match=f"{path} is damaged"):
        read_facts(path)


JUNK = {
    "empty": b"", "binary": random.Random(2).randbytes(3000), "zeros": bytes(500),
    "list": b"[]", "object": b"{}", "null": b"null", "number": b"1e999", "deep": b"[" * 100_000,
    "strings": b'{"starts": "x", "scores": 3, "format": "y", "words": [1]}', "folder": None,
}  # fmt: skip
FILES = [
    "config.yaml", "model.safetensors", "tokenizer.model", "metrics.jsonl", "environment.json",
    "cost.json", "test.json", "test.sources.txt", "test.references.txt", "test.links.txt",
]  # fmt: skip


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", FILES)
def test_no_content_of_a_run_directory_gives_a_traceback(
    copy: RunFolder, name: str, junk: str
) -> None:
    for side in ("sources", "references", "links"):
        copy.test_file(side).write_text("a b\n")
    path, content = copy.path / name, JUNK[junk]
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    for action in (
        lambda: load_run(copy.path, torch.device("cpu")),
        copy.read_metrics,
        lambda: copy.drop_metrics_after(3, 3),
        copy.read_starts,
        copy.read_cost,
        copy.read_scores,
        lambda: read_stored_test_set(copy),
    ):
        try:
            action()
        except MTError as error:
            assert "\n" not in str(error)
        except OSError as error:  # commands print it in one line
            assert str(path) in str(error)


def test_settings_that_are_not_text_are_an_error_without_a_checksum_too(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"name: \xff\n")  # a run of an earlier version
    with pytest.raises(MTError, match=r"config\.yaml cannot be read .*restore it"):
        RunFolder.at(tmp_path).read_config()
