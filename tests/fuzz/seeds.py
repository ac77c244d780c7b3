"""The fuzzers' first inputs, made of the golden cases and of the model and checkpoint in this repository.

    python tests/fuzz/seeds.py FOLDER

writes FOLDER/NAME/ for each fuzzer's NAME.
"""

from __future__ import annotations

import base64
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def model_files() -> Iterator[bytes]:
    for name in ("hostile_models.json", "model_file.json"):
        for case in json.loads((ROOT / "tests" / "cases" / name).read_text(encoding="utf-8")):
            yield base64.b64decode(case["file"])


def pickles() -> Iterator[bytes]:
    """Real checkpoints' structure, small: a network of two layers and a head, then single layers."""
    import networks  # type: ignore[import-not-found]
    from torch import nn

    from convert.layers import SPPF, Concat, Conv, Detect, DetectionModel, Segment

    detect = Detect(1, [networks.ANCHORS[8]], [4], [8])
    network = DetectionModel([(-1, Conv(3, 4, 8, 8)), (-1, Concat()), ([0], detect)], ["a"])
    head = Segment(1, [networks.ANCHORS[8]], [4], [8], 2, 4)
    for module in (
        network,
        detect,
        head,
        Conv(3, 4),
        SPPF(4, 4),
        nn.Upsample(None, 2, "nearest"),
        nn.Linear(2, 2),
    ):
        yield pickle_of(module)


def pickle_of(module: Any) -> bytes:
    """The pickle of a checkpoint that holds this module."""
    from convert.checkpoint import save_checkpoint

    path = Path("seed.pt")
    save_checkpoint(path, module)
    with zipfile.ZipFile(path) as archive:
        data = next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
    path.unlink()
    return data


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


def main(folder: Path) -> None:
    parts = list(pickles())
    seeds = {
        "fuzz_model_file": list(model_files()),
        "fuzz_stages": [bytes(range(i, 256)) * 8 for i in range(0, 250, 25)],
        "model": list(model_files()),
        "pickle": parts[1:],
        "checkpoint": parts[:1],
        "image_header": list(pictures()),
        "metadata": [bytes(range(i, 256)) for i in range(0, 250, 25)],
    }
    for name, files in seeds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(files):
            (folder / name / f"seed{i:03d}").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
