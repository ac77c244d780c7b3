"""What people export: other opsets, other pixels, other numbers. It runs as meant, or is told by name."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import RED_BOX, red_picture

from runtime import Detector, ModelError

pytest.importorskip("onnx")
import exported
import onnx
import onnx_models
from onnx import TensorProto, helper, numpy_helper

OPENCV_5 = hasattr(cv2.dnn, "ENGINE_CLASSIC")


def before(model: onnx.ModelProto, *steps: tuple[str, object]) -> None:
    """Put operators, each with a constant, before all that reads the input."""
    graph, value, nodes = model.graph, "images", []
    for node in graph.node:
        node.input[:] = ["scaled" if name == "images" else name for name in node.input]
    for i, (operator, constant) in enumerate(steps):
        made = "scaled" if i == len(steps) - 1 else f"step{i}"
        if operator == "Cast":
            nodes.append(helper.make_node("Cast", [value], [made], to=1))
        else:
            graph.initializer.append(numpy_helper.from_array(np.asarray(constant, np.float32), f"by{i}"))
            nodes.append(helper.make_node(operator, [value, f"by{i}"], [made]))
        value = made
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])


def behind(model: onnx.ModelProto, factors: list[float]) -> None:
    """Multiply the columns of the output."""
    graph = model.graph
    graph.node[-1].output[0] = "as it was"
    graph.initializer.append(numpy_helper.from_array(np.array(factors, np.float32), "factors"))
    graph.node.append(helper.make_node("Mul", ["as it was", "factors"], ["output0"], "changed"))


def changed(path: Path, change, *arguments) -> Path:
    """Write YOLOv5's export, changed."""
    model = onnx.load(str(exported.yolov5(path)))
    change(model, *arguments)
    onnx.save(model, str(path))
    return path


def colours(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


SCALED = {
    "divided": [("Div", 255)],
    "multiplied": [("Mul", 1 / 255)],
    "cast and divided": [("Cast", None), ("Div", 255)],
    "by colour": [("Div", colours(255, 255, 255))],
    "less 0, in pixels": [("Sub", colours(123, 117, 104)), ("Add", colours(123, 117, 104)), ("Div", 255)],
    "not at all": [("Sub", colours(0.485, 0.456, 0.406)), ("Add", colours(0.485, 0.456, 0.406))],
    "up and down": [("Mul", 255), ("Div", 255)],
}


@pytest.mark.parametrize("steps", SCALED.values(), ids=SCALED)
def test_a_network_that_scales_its_pixels_gets_them_as_it_wants(tmp_path: Path, steps) -> None:
    plain = Detector(exported.yolov5(tmp_path / "plain.onnx"))(red_picture())
    found = Detector(changed(tmp_path / "scaled.onnx", before, *steps))(red_picture())
    assert found.xyxy == pytest.approx(plain.xyxy, abs=1e-2)
    assert found.scores == pytest.approx(plain.scores, abs=1e-3)
    assert found.xyxy[0] == pytest.approx(RED_BOX, abs=1e-2)


@pytest.mark.skipif(not OPENCV_5, reason="other versions do not look at the input's type")
def test_pixels_of_8_bits(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        before(model, ("Cast", None), ("Div", 255))
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8

    with pytest.warns(UserWarning, match="its classic engine runs it"):
        found = Detector(changed(tmp_path / "uint8.onnx", change))(red_picture())
    assert found.xyxy[0] == pytest.approx(RED_BOX, abs=1e-2)


CANNOT_BE = {
    "boxes in shares of the picture": ([1 / 64] * 4 + [1] * 3, "boxes in shares of the picture, from 0 to 1"),
    "scores in percent": ([1] * 5 + [100] * 2, "and a probability is at most 1: its 7 columns"),
    "scores below 0": ([1] * 5 + [-1] * 2, "and a probability is at most 1: its 7 columns"),
}


@pytest.mark.parametrize(("factors", "message"), CANNOT_BE.values(), ids=CANNOT_BE)
def test_answers_that_cannot_be(tmp_path: Path, factors: list[float], message: str) -> None:
    detector = Detector(changed(tmp_path / "other.onnx", behind, factors))
    with pytest.raises(ModelError, match=message):
        detector(red_picture())
    assert not len(Detector(tmp_path / "other.onnx")(np.zeros((64, 64, 3), np.uint8))), "nothing is chosen"


@pytest.mark.parametrize("opset", [11, 13, 15, 17, 18, 21])
def test_other_opsets(tmp_path: Path, opset: int) -> None:
    path = exported.yolov8(tmp_path / "best.onnx")
    model = onnx.version_converter.convert_version(onnx.load(str(path)), opset)
    assert model.opset_import[0].version == opset
    helper.set_model_props(model, exported.YOLOV8)
    model.ir_version = 8
    onnx.save(model, str(path))
    if OPENCV_5 or opset < 13:
        assert Detector(path)(red_picture()).xyxy[0] == pytest.approx(RED_BOX, abs=1e-2)
        return
    with contextlib.suppress(ModelError):  # what OpenCV 4 reads depends on its version
        assert Detector(path)(red_picture()).xyxy[0] == pytest.approx(RED_BOX, abs=1e-2)


def test_weights_beside_the_file(tmp_path: Path) -> None:
    """The sentence has the command that makes it one file, and the command does."""
    path = tmp_path / "my best.onnx"
    model = onnx.load(str(exported.yolov5(path)))
    onnx.save(model, str(path), save_as_external_data=True, location="best.data", size_threshold=0)
    with pytest.raises(
        ModelError, match="keeps its numbers in another file; make it one file with: python -c"
    ) as error:
        Detector(path)
    command = str(error.value).partition("make it one file with: python ")[2]
    subprocess.run(f"'{sys.executable}' {command}", shell=True, check=True, timeout=100)
    assert Detector(tmp_path / "my best-one-file.onnx")(red_picture()).xyxy[0] == pytest.approx(
        RED_BOX, abs=1e-2
    )


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        ("NonMaxSuppression", "it has NMS inside, which OpenCV does not run; export it again without NMS"),
        ("EfficientNMS_TRT", "it has NMS inside"),
        ("DynamicQuantizeLinear", "it is quantized dynamically, which OpenCV does not run"),
        ("QLinearConv", "quantize it in the format QDQ"),
        ("Shape", "export it again with simplify and without dynamic"),
    ],
)
def test_operators_that_opencv_lacks(tmp_path: Path, operator: str, message: str) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node(operator, ["output0"], ["more"], "it"))

    with pytest.raises(ModelError, match=rf"the node 'it' \({operator}\) is of an operator .*; {message}"):
        Detector(changed(tmp_path / "best.onnx", change))


def test_channels_last(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = ["turned" if name == "images" else name for name in node.input]
        model.graph.node.insert(0, helper.make_node("Transpose", ["images"], ["turned"], perm=[0, 3, 1, 2]))
        for dim, side in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 64, 64, 3), strict=True):
            dim.dim_value = side

    with pytest.raises(ModelError, match=r"takes its channels last, \(N, H, W, C\), as TensorFlow does"):
        Detector(changed(tmp_path / "nhwc.onnx", change))


def test_out_of_order_as_half_precision_is(tmp_path: Path) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(model.graph.node.pop(0))

    with pytest.raises(ModelError, match="nothing before it writes; conversions to float16 leave such files"):
        Detector(changed(tmp_path / "half.onnx", change))


@pytest.mark.skipif(not OPENCV_5, reason="older versions keep such outputs")
def test_an_output_that_opencv_fuses_away(tmp_path: Path) -> None:
    """The sigmoid of x · sigmoid(x), which becomes one Swish."""

    model = onnx_models.red_network()
    for node in model.graph.node:
        node.output[:] = ["x" if name == "out0" else name for name in node.output]
    model.graph.node.append(helper.make_node("Sigmoid", ["x"], ["out0"], "gate"))
    model.graph.node.append(helper.make_node("Mul", ["x", "out0"], ["nobody's"], "swish"))
    onnx.save(model, str(tmp_path / "best.onnx"))
    given: dict[str, Any] = {
        "names": ["a", "b"],
        "strides": onnx_models.STRIDES,
        "anchors": onnx_models.ANCHORS,
    }
    with pytest.raises(
        ModelError, match=r"has the output 'out0', which OpenCV 5.* fuses with the operators after it"
    ):
        Detector(tmp_path / "best.onnx", **given)(red_picture())


def attention(model: onnx.ModelProto) -> None:
    """Attention as of CBAM: x · σ(convolution of one channel, of x's mean and largest)."""
    before(model, ("Mul", 1.0))
    for name, weight in (("same", np.eye(3).reshape(3, 3, 1, 1)), ("looks", np.zeros((1, 2, 3, 3)))):
        model.graph.initializer.append(numpy_helper.from_array(weight.astype(np.float32), name))
    nodes = [
        helper.make_node("Conv", ["images", "same"], ["x"], kernel_shape=[1, 1]),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("ReduceMax", ["x"], ["most"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["mean", "most"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "looks"], ["look"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Sigmoid", ["look"], ["share"]),
        helper.make_node("Mul", ["x", "share"], ["half"]),
        helper.make_node("Add", ["half", "half"], ["scaled"]),
    ]
    kept = list(model.graph.node)[1:]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *kept])


def test_what_the_new_engine_cannot_run_the_classic_one_does(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    detector = Detector(changed(tmp_path / "attention.onnx", attention))
    for _ in range(2):
        assert detector(red_picture()).xyxy[0] == pytest.approx(RED_BOX, abs=1e-2)
    said = [str(each.message) for each in recwarn if "classic engine" in str(each.message)]
    if OPENCV_5:
        assert len(said) == 1
        assert str(tmp_path / "attention.onnx") in said[0]
    else:
        assert not said
