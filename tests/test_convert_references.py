"""Real checkpoints of every release, against what that release's own PyTorch code gave. Needs ../shared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

from convert import convert  # noqa: E402
from convert.checkpoint import load_checkpoint  # noqa: E402
from convert.errors import CheckpointError  # noqa: E402
from runtime.letterbox import to_blob  # noqa: E402
from runtime.model_file import read_info, read_model  # noqa: E402
from runtime.network import Network  # noqa: E402

RELEASES = {
    "duckie-v7.0": "v7.0",
    "helmet-vest-v6.1": "v6.0 to v6.1",
    "random-v1.0-s": "v1.0",
    "random-v2.0-s": "v2.0",
    "random-v3.1-s": "v3.0 to v3.1",
    "random-v4.0-s": "v4.0 to v5.0",
    "random-v5.0-s": "v4.0 to v5.0",
    "random-v5.0-s6": "v4.0 to v5.0",
    "random-v6.2-n": "v6.2 to v7.0",
    "random-v7.0-hub-yolov5-p2": "v6.2 to v7.0",
    "random-v7.0-hub-yolov5s-LeakyReLU": "v6.2 to v7.0",
    "random-v7.0-hub-yolov5s-ghost": "v6.2 to v7.0",
    "random-v7.0-n6": "v6.2 to v7.0",
    "yolov5n-coco-focus-v5.0": "v4.0 to v5.0",
    "yolov5n-coco-v6.0": "v6.0 to v6.1",
}
"""The checkpoints, and the release that each must be taken for."""


def reference(shared: Path, name: str) -> dict[str, np.ndarray]:
    """What PyTorch gave; the focus-v5.0 network has v6.0's weights, rearranged, and its reference too."""
    file = name.replace("yolov5n-coco-focus-v5.0", "yolov5n-coco-v6.0") + ".npz"
    return dict(np.load(shared / "reference" / file))


def assert_close(outputs: Sequence[np.ndarray], heads: list[np.ndarray], name: str) -> None:
    """Trained networks within 1e-4; random ones, with wild activations, within 3e-4 of the largest logit."""
    for output, raw in zip(outputs, heads, strict=True):
        n, anchors, ny, nx, no = raw.shape
        maps = output.reshape(n, anchors, no, ny, nx).transpose(0, 1, 3, 4, 2)
        tolerance = 3e-4 * abs(raw).max() if name.startswith("random-") else 1e-4
        np.testing.assert_allclose(maps, raw, rtol=0, atol=tolerance)


@pytest.mark.parametrize("focus", ["permute", "conv"])
@pytest.mark.parametrize("name", RELEASES)
def test_head_maps(name: str, focus: Literal["permute", "conv"], shared: Path, tmp_path: Path) -> None:
    expected = reference(shared, name)
    heads = [expected[key] for key in sorted(expected) if key.startswith("raw")]
    height, width = expected["input_u8"].shape[2:]
    # with the one convolution the input size is free: convert at another than the reference's
    size = (height, width) if focus == "permute" else (height + 64, width)
    report = convert(shared / "checkpoints" / f"{name}.pt", tmp_path / "a.onnx", size, focus)
    assert report.checkpoint.release == RELEASES[name]

    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "a.onnx").metadata_props}
    np.testing.assert_array_equal(metadata["strides"], expected["strides"])
    np.testing.assert_array_equal(metadata["anchors"], expected["anchors_pixels"])
    assert len(metadata["names"]) == heads[0].shape[-1] - 5

    net = cv2.dnn.readNetFromONNX(str(tmp_path / "a.onnx"))
    net.setInput(expected["input_u8"].astype(np.float32) / 255)
    outputs = net.forward([f"out{i}" for i in range(len(heads))])
    assert_close(outputs, heads, name)


@pytest.mark.parametrize("name", RELEASES)
def test_head_maps_of_the_fast_graph(name: str, shared: Path, tmp_path: Path) -> None:
    expected = reference(shared, name)
    heads = [expected[key] for key in sorted(expected) if key.startswith("raw")]
    image = np.ascontiguousarray(expected["input_u8"][0].transpose(1, 2, 0)[..., ::-1])
    convert(shared / "checkpoints" / f"{name}.pt", tmp_path / "a.onnx", 256, target="fast")
    buffer, properties = read_model(tmp_path / "a.onnx")
    info = read_info(properties, tmp_path / "a.onnx")
    network = Network(buffer, info, "cpu", tmp_path / "a.onnx")
    assert_close([head[None] for head in network(to_blob(image, info.fold))], heads, name)


def test_list_is_complete(shared: Path) -> None:
    found = {path.stem for path in (shared / "checkpoints").glob("*.pt")}
    assert found == RELEASES.keys() | {"random-v7.0-n-seg"}


def test_segmentation_is_refused(shared: Path) -> None:
    with pytest.raises(CheckpointError, match="a segmentation checkpoint"):
        load_checkpoint(shared / "checkpoints" / "random-v7.0-n-seg.pt")
