"""The fuzzers' first inputs, made of the golden cases and of the model and checkpoint in this repository.

    python tests/fuzz/seeds.py FOLDER

writes FOLDER/NAME/ for each fuzzer's NAME.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "support")]


def model_files() -> Iterator[bytes]:
    for name in ("hostile_models.json", "model_file.json"):
        for case in json.loads((ROOT / "tests" / "cases" / name).read_text(encoding="utf-8")):
            yield base64.b64decode(case["file"])


def checkpoints() -> Iterator[bytes]:
    """The pickle of a whole checkpoint, small: a network of two layers and a head."""
    import networks  # type: ignore[import-not-found]

    from convert.checkpoint import save_checkpoint
    from convert.layers import Concat, Conv, Detect, DetectionModel

    detect = Detect(1, [networks.ANCHORS[8]], [4], [8])
    network = DetectionModel([(-1, Conv(3, 4, 8, 8)), (-1, Concat()), ([0], detect)], ["a"])
    path = Path("seed.pt")
    save_checkpoint(path, network)
    with zipfile.ZipFile(path) as archive:
        yield next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    path.unlink()


class Named(NamedTuple):
    """A module-level name in a pickle, perhaps called, and perhaps with a state for what comes of it."""

    path: str
    args: tuple[Any, ...] | None = None
    state: dict[str, Any] | None = None


class Stored(NamedTuple):
    """A persistent id."""

    key: Any


def pickles() -> Iterator[bytes]:
    """Each thing that checkpoints are made of, in as few opcodes as hold it: fewer are sooner read."""
    empty = Named("collections.OrderedDict", ())
    storage = Stored(("storage", Named("torch.FloatStorage"), "0", "cpu", 4))
    tensor = Named("torch._utils._rebuild_tensor_v2", (storage, 0, (2, 2), (2, 1), False, empty))
    parameter = Named("torch._utils._rebuild_parameter", (tensor, True, empty))
    conv = Named(
        "torch.nn.modules.conv.Conv2d",
        (),
        {"_parameters": {"weight": parameter, "bias": None}, "stride": (1, 1), "padding_mode": "zeros"},
    )
    yield program(tensor)
    yield program(conv)
    yield program(
        {"epoch": -1, "model": Named("models.common.Conv", (), {"_modules": {"conv": conv}}), "ema": None}
    )
    yield program(
        Named("models.yolo.Detect", (), {"nc": 2, "_buffers": {"anchors": tensor}, "names": ["a", "b"]})
    )
    yield program([Named("builtins.getattr", (conv, "forward_fuse")), Named("torch.Size", ([1, 2],))])
    yield program(
        {
            "opt": Named(
                "argparse.Namespace",
                (),
                {"imgsz": 640, "lr": 0.01, "p": Named("pathlib.PosixPath", ("a", "b"))},
            )
        }
    )
    yield program(
        [
            Named("builtins.set", ([1, "a"],)),
            Named("builtins.range", (0, 3)),
            Named("collections.OrderedDict", ([["a", 1]],)),
        ]
    )
    yield program(
        [Named("numpy.core.multiarray.scalar", (Named("numpy.dtype", ("f8",)), b"\0\0")), True, 1 << 40]
    )


def program(value: Any) -> bytes:
    """Write a pickle of protocol 2, as PyTorch does, each name once and called back from the memo."""
    memo: dict[str, int] = {}
    return b"\x80\x02" + _opcodes(value, memo) + b"."


def _opcodes(value: Any, memo: dict[str, int]) -> bytes:
    def all_of(values: Iterable[Any]) -> bytes:
        return b"".join(_opcodes(each, memo) for each in values)

    if isinstance(value, Named):
        if value.path in memo:
            data = b"h" + bytes([memo[value.path]])
        else:
            module, _, name = value.path.rpartition(".")
            memo[value.path] = len(memo)
            data = f"c{module}\n{name}\n".encode() + b"q" + bytes([memo[value.path]])
        if value.args is not None:
            data += _opcodes(value.args, memo) + (b"R" if value.state is None else b"\x81")
        return data if value.state is None else data + _opcodes(value.state, memo) + b"b"
    if isinstance(value, Stored):
        return _opcodes(value.key, memo) + b"Q"
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        return (
            b"K" + bytes([value])
            if 0 <= value < 256
            else b"\x8a\x08" + value.to_bytes(8, "little", signed=True)
        )
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return b"C" + bytes([len(value)]) + value
    if isinstance(value, tuple):
        return b"(" + all_of(value) + b"t" if value else b")"
    if isinstance(value, list):
        return b"](" + all_of(value) + b"e"
    return b"}(" + all_of(each for pair in value.items() for each in pair) + b"u"


def pictures() -> Iterator[bytes]:
    import cv2
    import numpy as np

    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    for suffix in (
        ".jpg",
        ".png",
        ".webp",
        ".tif",
        ".bmp",
        ".gif",
        ".ppm",
        ".pam",
        ".ras",
        ".hdr",
        ".jp2",
        ".avif",
    ):
        try:
            encoded, data = cv2.imencode(suffix, image.astype(np.float32) if suffix == ".hdr" else image)
        except cv2.error:
            continue
        if encoded:
            yield data.tobytes()
    yield b"BM" + bytes(12) + b"\x0c\0\0\0\x08\0\x09\0\x01\0\x18\0"
    yield b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"


def request_bodies() -> Iterator[bytes]:
    """Requests of the service: V1's, V2's with and without binary data, and a form's."""
    import numpy as np

    pixels = np.arange(60 * 60 * 3, dtype=np.uint8).reshape(60, 60, 3).tolist()
    shape = {"name": "image", "datatype": "UINT8", "shape": [60, 60, 3]}
    settings = {"conf_thres": 0.5, "max_det": 5, "classes": "a,1", "timeout": 1000}
    yield b"0" + json.dumps({"instances": [pixels, pixels], "parameters": settings}).encode()
    yield b"0" + json.dumps({"inputs": {"image": [{"b64": "AAAA"}]}, "fetch": ["boxes"]}).encode()
    yield b"A" + json.dumps({"inputs": [{**shape, "data": pixels}], "outputs": [{"name": "boxes"}]}).encode()
    file = {"name": "image", "datatype": "BYTES", "shape": [1]}
    yield (
        b"A"
        + json.dumps({"id": "7", "inputs": [{**file, "data": ["AAAA"]}], "parameters": settings}).encode()
    )
    head = json.dumps({"inputs": [{**file, "parameters": {"binary_data_size": 7}}]}).encode()
    yield b"\x80" + head + b"\3\0\0\0abc"
    yield b'\xc0--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\nabc\r\n--x--\r\n'


def main(folder: Path) -> None:
    seeds = {
        "fuzz_model_file": list(model_files()),
        "fuzz_stages": [bytes(range(i, 256)) * 8 for i in range(0, 250, 25)],
        "model": list(model_files()),
        "pickle": list(pickles()),
        "checkpoint": list(checkpoints()),
        "image_header": list(pictures()),
        "request_body": list(request_bodies()),
        "metadata": [bytes(range(i, 256)) for i in range(0, 250, 25)],
    }
    for name, files in seeds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(files):
            (folder / name / f"seed{i:03d}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
