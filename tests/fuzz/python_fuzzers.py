"""The fuzzers of what is written in Python, for atheris (pip install atheris).

    python tests/fuzz/python_fuzzers.py NAME [libFuzzer's options and folders]

Each takes arbitrary bytes and raises, which atheris reports, if anything comes of them but the one error that
a caller is promised. `pickle` and `checkpoint` mutate opcodes, not bytes: what comes of it is a pickle that
holds together and gets far into a real checkpoint's structure.
"""

# ruff: noqa: E501

from __future__ import annotations

import io
import json
import os
import pickletools
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(1 << 20)  # read while OpenCV is loaded
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["convert", "runtime"], enable_loader_override=False):
    import torch

    from convert.checkpoint.load import load_checkpoint
    from convert.checkpoint.pickle_objects import read_objects
    from convert.errors import CheckpointError
    from convert.sizes import ConvertError, check_budget, size_multiple
    from runtime.errors import ModelError
    from runtime.inputs.image_header import read_header
    from runtime.model.file import _walk_model
    from runtime.model.protobuf import WireError
    from runtime.model.tensors import GraphError
    from runtime.service import predict, v1, v2
    from runtime.service.errors import RequestError
    from runtime.service.response import Arrays
    from runtime.tasks.read_info import read_info

_DECODED = 1 << 20  # pixels that a decoder may make here
_STORAGE = torch.zeros(4096)
_GOOD = {
    "names": '["a", "b"]',
    "strides": "[8, 16]",
    "anchors": "[[[10, 13]], [[16, 30]]]",
    "imgsz": "[64, 64]",
    "task": '"detect"',
    "dynamic": "true",
    "fold": "1",
    "size_multiple": "32",
    "source": "{}",
    "masks": "4",
    "keypoints": "5",
    "reg_max": "16",
    "crop": '"square"',
    "mean": "[0, 0, 0]",
    "std": "[1, 1, 1]",
}


def pickle(data: bytes) -> None:
    """The pickle machine and the builder, on storages that are all the same."""
    try:
        read_objects(io.BytesIO(data), lambda key: _STORAGE)
    except CheckpointError as error:
        _is_sentence(str(error))


def checkpoint(data: bytes) -> None:
    """`load_checkpoint` whole, and the runs with shapes alone; the storages are as long as the pickle says."""
    with tempfile.NamedTemporaryFile(
        suffix=".pt", dir="/dev/shm" if Path("/dev/shm").exists() else None
    ) as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a/data.pkl", data)
            for key, size in _storages(data).items():
                archive.writestr(f"a/data/{key}", bytes(size))
        file.flush()
        try:
            loaded = load_checkpoint(file.name)
            multiple = size_multiple(loaded)
            check_budget(loaded, (4 * multiple, 4 * multiple))
        except (CheckpointError, ConvertError) as error:
            _is_sentence(str(error))


def model(data: bytes) -> None:
    """The walk through a model file, and the check of its metadata."""
    try:
        read_info(_walk_model(memoryview(bytearray(data)))[0], "fuzz.onnx")
    except (GraphError, WireError, ModelError) as error:
        _is_sentence(str(error))


def metadata(data: bytes) -> None:
    """The metadata of a model file: a good file's, one or two of whose JSON texts are made of the bytes."""
    source = atheris.FuzzedDataProvider(data)
    entries = dict(_GOOD)
    entries["task"] = json.dumps(source.PickValueInList(["detect", "segment", "keypoints", "classify", "x"]))
    for _ in range(source.ConsumeIntInRange(1, 2)):
        key = source.PickValueInList(list(_GOOD))
        text = (
            source.ConsumeUnicode(20) if source.ConsumeProbability() < 0.1 else json.dumps(_value(source, 0))
        )
        entries[key] = text
    try:
        read_info(entries, "fuzz.onnx")
    except ModelError as error:
        _is_sentence(str(error))


def _value(source: Any, depth: int) -> Any:
    """Some JSON value."""
    kind = source.ConsumeIntInRange(0, 9)
    if kind < 4 and depth < 4:
        return [_value(source, depth + 1) for _ in range(source.ConsumeIntInRange(0, 4))]
    if kind == 4 and depth < 4:
        return {source.ConsumeUnicode(3): _value(source, depth + 1)}
    if kind == 5:
        return source.ConsumeUnicode(9)
    if kind == 6:
        return source.ConsumeFloat()
    if kind == 7:
        return source.PickValueInList([None, True, False, 10**30, -1, 0, "square", "shorter-side"])
    return source.PickValueInList([1, 2, 8, 16, 32, 64, 640, source.ConsumeInt(8)])


def image_header(data: bytes) -> None:
    """The sizes of pictures, and that no decoder makes more pixels than the header says."""
    header = read_header(data)
    if header is None:
        return  # is refused
    assert header.width >= 0
    assert header.height >= 0
    assert 1 <= header.orientation <= 8
    stated = header.width * header.height
    if stated > _DECODED:
        return
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE_PIXELS" in str(error):
            raise AssertionError("the decoder sees more pixels than the header says") from error
        return
    assert image is None or image.shape[0] * image.shape[1] <= stated


_MODEL: Any = SimpleNamespace(
    name="model",
    number=1,
    names=("a", "b"),
    settings={"conf_thres": 0.25, "iou_thres": 0.45, "max_det": 1000, "classes": None, "agnostic_nms": False},
)
_RESULTS: list[Arrays] = [{"boxes": np.zeros((2, 4), np.float32), "scores": np.ones(2, np.float32)}]


def request_body(data: bytes) -> None:
    """Bodies of the service's requests, in each of its protocols; what is read is answered."""
    kind, body = data[:1], data[1:]
    try:
        if kind < b"@":
            inference, by_instance = v1.read_request(_MODEL, body)
            v1.write_response(inference, by_instance, _RESULTS)
        elif kind < b"\xc0":
            length = str(body.rfind(b"}") + 1) if kind >= b"\x80" else None
            inference, response_format = v2.read_request(_MODEL, body, length)
            response_format.outputs.clear()
            v2.write_response(_MODEL, response_format, _RESULTS)
        else:
            inference, _ = predict.read_request(_MODEL, body, "multipart/form-data; boundary=x", {})
        assert 1 <= len(inference.pictures) <= 64
    except RequestError as error:
        if error.status not in (400, 413, 415):
            raise
        _is_sentence(error.text)


def _is_sentence(text: str) -> None:
    assert text.isprintable() or not any(ord(letter) < 32 for letter in text), text
    assert len(text) <= 2000, len(text)


def _storages(data: bytes) -> dict[str, int]:
    """How many bytes a pickle's storages have, by their keys: what stands before BINPERSID, roughly."""
    sizes, texts, numbers = {}, ["0"], [0]
    try:
        for opcode, arg, _ in pickletools.genops(data):
            if isinstance(arg, str):
                texts.append(arg)
            elif isinstance(arg, int) and opcode.name.startswith(("BININT", "INT", "LONG")):
                numbers.append(arg)
            elif opcode.name == "BINPERSID":
                sizes[texts[-2][:50]] = 2 * min(max(numbers[-1], 0), 1 << 16)
    except Exception:
        pass
    return {key: size for key, size in sizes.items() if key.isalnum()}


def mutate_opcodes(data: bytes, max_size: int, seed: int) -> bytes:
    """Delete, repeat, swap, move or change some of a pickle's opcodes; of other bytes, let atheris change any."""
    chance = random.Random(seed)
    try:
        at = [position for _, _, position in pickletools.genops(data)]
    except Exception:
        return bytes(atheris.Mutate(data, max_size))
    parts = [data[start:end] for start, end in zip(at, [*at[1:], len(data)], strict=True)]
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        i, j = chance.randrange(len(parts)), chance.randrange(len(parts))
        kind = chance.randrange(7)
        if kind == 0:
            del parts[i]
        elif kind == 1:
            parts.insert(j, parts[i])
        elif kind == 2:
            parts[i], parts[j] = parts[j], parts[i]
        elif kind == 3:
            parts[j:j] = parts[i : i + chance.randrange(1, 40)]
        elif kind == 4:
            parts[i] = chance.choice(_OPCODES)
        elif kind == 5:
            parts[i] = parts[i][:1] + bytes(atheris.Mutate(parts[i][1:], len(parts[i]) + 3))
        else:
            parts[i] = chance.choice(parts)
        if not parts:
            return data
    return b"".join(parts)[:max_size]


_OPCODES = [
    *(opcode.code.encode("latin-1") for opcode in pickletools.opcodes if opcode.arg is None),
    b"K\x00", b"K\xff", b"J\xff\xff\xff\x7f", b"J\x00\x00\x00\x80", b"M\x00\x10", b"\x8a\x08" + b"\xff" * 7 + b"\x7f",
    b"G\x7f\xf8\0\0\0\0\0\0", b"X\x01\0\0\0a", b"h\x00", b"h\x01", b"q\x00", b"(", b"cbuiltins\nrange\n",
    b"cbuiltins\nset\n", b"cbuiltins\ngetattr\n", b"ccollections\nOrderedDict\n", b"ctorch\nSize\n",
]  # fmt: skip

FUZZERS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (pickle, checkpoint, model, metadata, image_header, request_body)
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in FUZZERS:
        sys.exit(f"usage: {sys.argv[0]} {{{','.join(FUZZERS)}}} [libFuzzer's options]")
    name = sys.argv.pop(1)
    opcodes = {"custom_mutator": mutate_opcodes} if name in ("pickle", "checkpoint") else {}
    atheris.Setup(sys.argv, FUZZERS[name], **opcodes)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
