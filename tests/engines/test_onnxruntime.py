"""`--device onnxruntime`: the same boxes from the installed package, and clear words where it is absent."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from paths import ROOT

from runtime import Classifier, Detector, DeviceError, ModelError
from runtime.detect import main
from runtime.engines import onnxruntime as engine
from runtime.engines.load import DEVICES, usable_devices
from runtime.engines.network import Network
from runtime.inputs.image_file import read_image

SAMPLE = ROOT / "samples" / "cluttered.jpg"


@pytest.fixture
def package() -> Any:
    return pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "options", [{}, {"rect": False}, {"imgsz": 416}, {"imgsz": (320, 512), "rect": False}]
)
def test_the_same_boxes_as_opencv(package: Any, options: dict[str, Any]) -> None:
    """Rectangles, squares and other sizes than the file's."""
    image = read_image(SAMPLE)
    expected = Detector(conf_thres=0.1, **options)(image)
    found = Detector(device="onnxruntime", conf_thres=0.1, **options)(image)
    assert len(expected) == len(found) > 5
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.05)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


def test_a_rectangle_is_kept(package: Any) -> None:
    """A wide picture costs a rectangle, not a square: the network sees no more rows than it needs."""
    seen = []

    def spy(*model: Any) -> Any:
        forward = engine.OnnxRuntime(*model)

        def spied(blob: np.ndarray) -> list[np.ndarray]:
            seen.append(blob.shape)
            return forward(blob)

        return spied

    Detector(device="onnxruntime", load=spy)(np.zeros((100, 640, 3), np.uint8))
    assert seen[0][2] * 4 <= seen[0][3]


def test_other_tasks_run_too(package: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from convert import convert

    image = read_image(ROOT / "samples" / "shapes-detected.jpg")
    engines = ("cpu", "onnxruntime")
    for name in ("masks", "classes"):
        convert(ROOT / "weights" / "shapes" / f"{name}.pt", tmp_path / f"{name}.onnx")
    masks, theirs = (Detector(tmp_path / "masks.onnx", device=device)(image) for device in engines)
    np.testing.assert_allclose(theirs.xyxy, masks.xyxy, atol=0.05)
    assert np.mean(np.asarray(theirs.masks) != np.asarray(masks.masks)) < 1e-3
    one, other = (Classifier(tmp_path / "classes.onnx", device=device)(image) for device in engines)
    np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-4)


def test_threads_are_those_of_opencv(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--threads` sets OpenCV's number; the session is made with the same."""
    asked: list[int] = []

    class Options(package.SessionOptions):  # type: ignore[misc, name-defined]
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "intra_op_num_threads":
                asked.append(value)
            super().__setattr__(name, value)

    monkeypatch.setattr(package, "SessionOptions", Options)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        Detector(device="onnxruntime")
    finally:
        cv2.setNumThreads(before)
    assert asked == [1]


def test_the_command_takes_it(package: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SAMPLE), "--device", "onnxruntime", "--no-save"]) == 0
    assert "2 qr_code" in capsys.readouterr().out


def test_without_the_package_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(engine, "is_installed", lambda: False)
    assert main([str(SAMPLE), "--device", "onnxruntime-cuda", "--no-save"]) == 2
    printed = capsys.readouterr().err
    assert "needs the package onnxruntime, which is not installed" in printed
    assert "pip install onnxruntime" in printed
    assert len(printed.splitlines()) == 1


def test_a_provider_that_the_package_lacks_is_refused(package: Any) -> None:
    missing = next(name for name in engine.PROVIDERS if name not in engine.available_providers())
    with pytest.raises(DeviceError, match=f"cannot use the device '{missing}'; it can use onnxruntime"):
        Detector(device=missing)


def test_no_other_provider_takes_its_place(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package offers CUDA, but cannot start it: a session silently goes on with the processor."""
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    session = SimpleNamespace(get_providers=lambda: offered[1:])
    monkeypatch.setattr(package, "get_available_providers", lambda: offered)
    monkeypatch.setattr(package, "InferenceSession", lambda *model, **options: session)
    with pytest.raises(DeviceError, match="has CUDAExecutionProvider, but cannot start it"):
        Detector(device="onnxruntime-cuda")


def test_what_it_cannot_run_is_told(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*model: Any, **options: Any) -> None:
        raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED\nmore")

    monkeypatch.setattr(package, "InferenceSession", refuse)
    with pytest.raises(ModelError, match=r"onnxruntime cannot load .*NOT_IMPLEMENTED$"):
        Detector(device="onnxruntime")


def test_an_unknown_device_names_those_that_can_be_used() -> None:
    with pytest.raises(DeviceError, match="no device 'onnx'; here you can use cpu"):
        Detector(device="onnx")
    assert set(usable_devices()) <= set(DEVICES)


def test_the_file_is_checked_before_a_byte_is_handed_over(package: Any, tmp_path: Path) -> None:
    """A tensor whose payload is shorter than its dimensions say never reaches the package."""
    whole = (ROOT / "weights" / "codes.onnx").read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="is not an ONNX model, or a damaged one"):
        Detector(cut, device="onnxruntime")


def test_opencv_stays_the_default() -> None:
    assert isinstance(Detector().network, Network)
