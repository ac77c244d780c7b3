"""Networks whose input has another number of channels than 3: C++ does what Python does."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_cpp_parity import Stage, program

pytest.importorskip("onnx")
import onnx_models

from runtime import InputError, ModelError, detect
from runtime.model.file import read_model
from runtime.stages.letterbox import letterbox, to_blob, to_channels
from runtime.tasks.read_info import read_info


def run(*arguments: str) -> tuple[int, str]:
    """Run the C++ program: its exit code, and all that it says."""
    done = subprocess.run(
        [program("yolov5-detect"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout.decode("utf-8")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("size", [(64, 96), (97, 131), (33, 20), (1, 1)], ids=str)
@pytest.mark.parametrize(
    ("given", "channels"), [(1, 1), (3, 1), (4, 1), (2, 2), (4, 4), (5, 5), (16, 16)], ids=str
)
def test_the_same_bytes(
    tmp_path: Path, given: int, channels: int, size: tuple[int, int], dtype: type
) -> None:
    most = np.iinfo(dtype).max
    image = np.random.default_rng(3).integers(0, most, (*size, given), dtype, endpoint=True)
    canvas, placement = letterbox(to_channels(image, channels), (64, 96), 32)
    blob = to_blob(canvas)
    header = struct.pack("<9i", 64, 96, 32, 1, channels, *image.shape, image.itemsize * 8)
    output = Stage(tmp_path)("letterbox", header, image.tobytes())
    assert struct.unpack_from("<2i3d", output) == (*canvas.shape[:2], *placement)
    np.testing.assert_array_equal(np.frombuffer(output, np.uint8, canvas.size, 32), canvas.ravel())
    np.testing.assert_array_equal(np.frombuffer(output, np.float32, -1, 32 + canvas.size), blob.ravel())


def test_another_number_says_both(tmp_path: Path) -> None:
    with pytest.raises(InputError) as python:
        to_channels(np.zeros((8, 8, 3), np.uint8), 4)
    (tmp_path / "input.bin").write_bytes(struct.pack("<9i", 64, 64, 0, 1, 4, 8, 8, 3, 8) + bytes(8 * 8 * 3))
    done = subprocess.run(
        [program("yolov5_dnn_parity"), "letterbox", tmp_path / "input.bin"], stderr=subprocess.PIPE
    )
    assert done.returncode == 1
    assert done.stderr.decode().strip() == str(python.value)


@pytest.mark.parametrize("channels", [1, 2, 4, 16])
def test_the_programs_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels: int) -> None:
    monkeypatch.chdir(tmp_path)
    onnx_models.write_channels(tmp_path / "few.onnx", channels, channels - 1)
    for name, planes in (("grey.png", 1), ("bgr.png", 3), ("four.png", 4), ("deep.tiff", 4)):
        image = np.zeros((64, 64, planes), np.uint16 if name == "deep.tiff" else np.uint8)
        image[24:32, 16:24] = np.iinfo(image.dtype).max
        assert cv2.imwrite(name, image)
    pictures = ["grey.png", "bgr.png", "four.png", "deep.tiff"]
    code = detect.main([*pictures, "--weights", "few.onnx", "--json", "python.json"])
    assert run(*pictures, "--weights", "few.onnx", "--json", "cpp.json")[0] == code
    python, cpp = (json.loads(Path(name).read_text()) for name in ("python.json", "cpp.json"))
    assert [(each["file"], each["detections"]) for each in cpp] == [
        (each["file"], each["detections"]) for each in python
    ]
    assert len(cpp) == {1: 4, 2: 0, 4: 2, 16: 0}[channels]
    assert all(len(each["detections"]) == 1 for each in cpp)


def test_the_picture_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    onnx_models.write_channels(tmp_path / "four.onnx", 4, 3)
    cv2.imwrite("three.png", np.zeros((64, 64, 3), np.uint8))
    code, said = run("three.png", "--weights", "four.onnx")
    assert code == 1
    assert "three.png: the image has 3 channels, and the model takes 4" in said


@pytest.mark.parametrize(
    ("stated", "changes"),
    [
        (17, {}),
        (3, {"channels": 0}),
        (3, {"channels": 17}),
        (5, {"channels": 4}),
        (4, {"channels": 4, "fold": 2}),
    ],
    ids=str,
)
def test_metadata_that_cannot_be(tmp_path: Path, stated: int, changes: dict[str, int]) -> None:
    path = onnx_models.write_channels(tmp_path / "wrong.onnx", stated, 0, **changes)
    with pytest.raises(ModelError, match="channels"):
        read_info(read_model(path).metadata, path)
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((64, 64, 3), np.uint8))
    code, said = run(str(tmp_path / "black.png"), "--weights", str(path))
    assert code == 2
    assert "channels" in said
