"""`load_model`, the stages of a call, and the settings of one call alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
import onnx_models
from pictures import red_picture

from runtime import Classifier, Detector, InputError, load_model
from runtime.model.file import read_model


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return onnx_models.write(folder / "red.onnx", onnx_models.red_network(), onnx_models.metadata())


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that takes the mean of each colour for a logit."""
    node = onnx.helper.make_node("ReduceMean", ["images"], ["out0"], axes=[2, 3], keepdims=0)
    given = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 32, 32])
    gives = onnx.helper.make_tensor_value_info("out0", onnx.TensorProto.FLOAT, [1, 3])
    graph = onnx.helper.make_graph([node], "means", [given], [gives])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 12)])
    model.ir_version = 7
    props = {
        "task": '"classify"',
        "names": '["red", "green", "blue"]',
        "imgsz": "[32, 32]",
        "crop": '"square"',
        "mean": "[0, 0, 0]",
        "std": "[1, 1, 1]",
    }
    return onnx_models.write(tmp_path_factory.mktemp("models") / "means.onnx", model, props)


def test_a_file_is_loaded_as_what_it_is_for(boxes: Path, classes: Path) -> None:
    assert isinstance(load_model(boxes), Detector)
    assert isinstance(load_model(read_model(boxes), conf_thres=0.5), Detector)
    found = load_model(classes)
    assert isinstance(found, Classifier)
    blue = np.zeros((40, 50, 3), np.uint8)
    blue[..., 0] = 255
    assert found(blue).top(1)[0].name == "blue"
    assert load_model().path.name == "codes.onnx", "the one that comes with the package"


@pytest.mark.parametrize("kind", ["boxes", "classes"])
def test_the_stages_make_a_call(kind: str, request: pytest.FixtureRequest) -> None:
    model = load_model(request.getfixturevalue(kind))
    image = red_picture()
    blob, place = model.prepare(image)
    outputs = model.forward(blob)
    assert len(outputs) == len(model.info.task.outputs)
    by_stages = model.decode(outputs, place)  # type: ignore[arg-type]
    assert by_stages.to_dict() == model(image).to_dict()
    assert tuple(model(image).timings) == model.stages
    assert tuple(by_stages.timings) == model.stages[2:]


def test_settings_of_one_call_are_forgotten(boxes: Path) -> None:
    detector = Detector(boxes, conf_thres=0.1)
    image = red_picture()
    image[48:56, 40:48] = (0, 0, 255)
    usual = detector(image)
    assert len(usual) == 2
    assert len(detector(image, max_det=1)) == 1
    assert len(detector([image], conf_thres=1.0)[0]) == 0
    name = usual[0].name
    assert {each.name for each in detector(image, classes=[name])} == {name}
    assert detector(image).to_dict() == usual.to_dict()
    assert detector.settings["max_det"] == 1000


@pytest.mark.parametrize(
    "settings",
    [
        {"conf_thres": 2},
        {"iou_thres": "x"},
        {"max_det": 0},
        {"classes": ["none"]},
        {"agnostic_nms": 1},
        {"con": 1},
    ],
)
def test_wrong_settings_are_refused(boxes: Path, settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings)).replace("classes", "class")):
        Detector(boxes)(red_picture(), **settings)  # type: ignore[call-overload]
