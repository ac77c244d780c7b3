"""Open the two file formats that `torch.save` writes: find the pickle in them, and the storages.

* Since PyTorch 1.6: a zip archive, uncompressed, with the records `NAME/data.pkl` and `NAME/data/KEY`.
* Before (YOLOv5 v1.0 and v2.0): several pickles in a row, then the storages.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import torch

from runtime.escape import escape

from ..errors import CheckpointError
from .own_layers import OwnLayers
from .pickle_names import STORAGE_DTYPES, Name
from .pickle_objects import Objects, read_objects

MAX_BYTES = 16 << 30  # larger files are refused; the largest YOLOv5 training checkpoint has about 2.4 GB

# The same for the pickle in a zip archive, which has no tensors in it; 1 MB is usual.
MAX_PICKLE_BYTES = 256 << 20

MAX_RECORD_NAME = 100  # letters of a storage's name, which is a number in digits
MAX_RECORDS = 100_000  # in a zip archive: one for each storage, and a few others

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read_torch_file(
    path: Path, own: OwnLayers | None = None, own_paths: Collection[str] = ()
) -> tuple[Any, Objects, bool]:
    """Read what `torch.save` has written: the object, its pickle's names, and whether it is legacy.

    `own` and `own_paths` are as in `Objects`.
    """
    size = path.stat().st_size
    if size == 0:
        raise CheckpointError("the file is empty")
    if size > MAX_BYTES:
        raise CheckpointError(f"the file is larger than {MAX_BYTES >> 30} GiB, which no YOLOv5 checkpoint is")
    with path.open("rb") as file:
        head = file.read(64)
        file.seek(0)
        if head.startswith(b"PK"):
            return *_read_zip(file, size, own, own_paths), False
        if head.startswith(b"\x80"):
            return *_read_legacy(file, size, own, own_paths), True
    raise CheckpointError(_what_else(head, path))


def _what_else(head: bytes, path: Path) -> str:
    """Say what a file is that is neither a zip archive nor a pickle."""
    # an ONNX file begins with field 1 (ir_version, a small number), and one of these fields follows
    if path.suffix.lower() == ".onnx" or (head[0] == 8 and head[1] < 32 and head[2:3] in b"\x12\x1a\x3a\x42"):
        return "it is an ONNX model, not a PyTorch checkpoint; convert the checkpoint that it was made from"
    return "it is not in a format that torch.save writes, so it is not a checkpoint (or it is badly damaged)"


def _read_zip(
    file: BinaryIO, size: int, own: OwnLayers | None, own_paths: Collection[str]
) -> tuple[Any, Objects]:
    try:
        archive = zipfile.ZipFile(file)
        records = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise CheckpointError(
            "it is truncated or damaged: the zip archive that it should be has no end"
        ) from error
    pickles = [name for name in records if name.endswith("data.pkl") and name.count("/") <= 1]
    if any(name.endswith("constants.pkl") for name in records) and any("/code/" in name for name in records):
        raise CheckpointError(
            "it is a TorchScript archive, which has no layers left; convert the checkpoint it was made from"
        )
    if len(pickles) != 1:
        raise CheckpointError("it is a zip archive, but not one that torch.save has written")
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in records.values()):
        raise CheckpointError("its zip archive holds compressed records, which torch.save never writes")
    if len(records) > MAX_RECORDS:
        raise CheckpointError(f"its zip archive has more than {MAX_RECORDS} records")
    folder = pickles[0].removesuffix("data.pkl")
    # torch.save stores uncompressed, so all records together are smaller than the file: no zip bombs
    if sum(info.file_size for info in records.values()) > size:
        raise CheckpointError(
            "its zip archive holds compressed or overlapping records, which torch.save never writes"
        )

    def record(name: str) -> bytes:
        try:
            return archive.read(records[name])
        except KeyError as error:
            raise CheckpointError(f"it is damaged: the record {escape(name)} is missing") from error
        except (
            zipfile.BadZipFile,
            OSError,
            RuntimeError,
            ValueError,
            EOFError,
            NotImplementedError,
            struct.error,
            zlib.error,
        ) as error:
            raise CheckpointError(f"it is damaged: the record {escape(name)} cannot be read") from error

    if f"{folder}byteorder" in records and record(f"{folder}byteorder") != b"little":
        raise CheckpointError(
            "it was written on a big-endian machine; load and save it on a little-endian one first"
        )
    if records[pickles[0]].file_size > MAX_PICKLE_BYTES:
        raise CheckpointError("its pickle is far larger than that of any YOLOv5 checkpoint")
    storages: dict[str, torch.Tensor] = {}

    def persistent(key: Any) -> torch.Tensor:
        dtype, name, count = _storage(key)
        if name not in storages:
            data = record(f"{folder}data/{name}")
            if len(data) != count * dtype.itemsize:
                raise CheckpointError(f"it is damaged: the storage {escape(name, 40)} has the wrong size")
            # a copy, as PyTorch wants writable memory
            storages[name] = (
                torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
            )
        return storages[name]

    return read_objects(io.BytesIO(record(pickles[0])), persistent, own, own_paths)


def _storage(key: Any) -> tuple[torch.dtype, str, int]:
    """Give data type, name and number of elements of the storage that a persistent id speaks of."""
    if not isinstance(key, tuple) or len(key) < 5 or key[0] not in ("storage", b"storage"):
        raise ValueError("an unknown kind of persistent id")
    kind, name, count = key[1], key[2], key[4]
    if not isinstance(kind, Name) or kind.path not in STORAGE_DTYPES or type(count) is not int or count < 0:
        raise ValueError("a storage of an unknown type")
    return STORAGE_DTYPES[kind.path], _record_name(name), count


def _record_name(name: Any) -> str:
    if not isinstance(name, str) or len(name) > MAX_RECORD_NAME:
        raise ValueError("a storage without a name")
    return name


def _read_legacy(
    file: BinaryIO, size: int, own: OwnLayers | None, own_paths: Collection[str]
) -> tuple[Any, Objects]:
    def plain(key: Any) -> Any:
        raise ValueError("a persistent id where none belongs")

    magic, _ = read_objects(file, plain)
    if magic != LEGACY_MAGIC:
        raise CheckpointError("it is a pickle, but not one that torch.save has written")
    read_objects(file, plain)  # the format's version
    read_objects(file, plain)  # the byte order and sizes of the machine it was written on
    storages: dict[str, torch.Tensor] = {}
    promised = 0

    def persistent(key: Any) -> Any:
        nonlocal promised
        if isinstance(key, tuple) and len(key) >= 2 and key[0] in ("module", b"module"):
            return key[1]  # a class, with its source code behind it
        dtype, name, count = _storage(key)
        if len(key) > 5 and key[5] is not None:
            raise ValueError("a storage that is a view of another")
        if name not in storages:
            promised += count * dtype.itemsize
            if promised > size:
                raise CheckpointError("it is truncated: it has less data than it says")
            storages[name] = torch.empty(count, dtype=dtype)
        return storages[name]

    content, objects = read_objects(file, persistent, own, own_paths)
    keys, _ = read_objects(file, plain)
    if not isinstance(keys, list) or not {_record_name(key) for key in keys} <= storages.keys():
        raise CheckpointError("it is damaged: its list of storages does not fit its pickle")
    for key in keys:
        storage = storages[key]
        count = file.read(8)
        data = file.read(storage.numel() * storage.itemsize)
        if len(count) < 8 or len(data) < storage.numel() * storage.itemsize:
            raise CheckpointError("it is truncated: the weights end early")
        if int.from_bytes(count, "little") != storage.numel():
            raise CheckpointError("it is damaged: a storage has the wrong size")
        if data:
            storage.copy_(torch.frombuffer(bytearray(data), dtype=storage.dtype))
    if set(keys) != storages.keys():
        raise CheckpointError("it is damaged: the data of some weights is missing")
    return content, objects
