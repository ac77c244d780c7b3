"""Model files that other exporters wrote run as they are, or are told by what they are."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import RED_BOX, red_picture

from runtime import Detector, ModelError, detect, evaluate
from runtime.model.foreign import ExportError, own_metadata, read_names
from runtime.outputs.image_file import write_image

pytest.importorskip("onnx")
import exported
import onnx
import onnx_models

needs_opencv_5 = pytest.mark.skipif(
    not hasattr(cv2.dnn, "ENGINE_CLASSIC"), reason=f"OpenCV {cv2.__version__} takes indices for fractions"
)
END_TO_END = pytest.param(exported.end_to_end, marks=needs_opencv_5)


# The browser's twin is asked the same: test_web.
OTHERS = [  # shape, metadata, how the message begins
    ((1, 1000), {}, "is a classifier of another exporter: its outputs are (1, 1000)"),
    ((1, 51, 84), {**exported.YOLOV8, "task": "pose"}, "is an export for the task 'pose'"),
    ((1, 51, 84), {**exported.YOLOV8, "task": "segment"}, "is an export for the task 'segment'"),
    ((1, 20, 9), exported.YOLOV8, "is no detector that is known here: its outputs are (1, 20, 9)"),
    ((4, 6, 84), exported.YOLOV8, "takes 4 images at once; export it again for one"),
    ((1, 3, 8, 8, 7), exported.YOLOV5, "is a YOLOv5 whose head maps are of another order"),
    (
        (1, 252, 187),
        exported.YOLOV5,
        "has 182 columns for classes, and 2 names: it seems to be a network for oriented",
    ),
    ((1, 252, 17), exported.YOLOV5, "has 12 columns for classes, and 2 names: it seems to be yolov5-face"),
    ((1, 252, 9), exported.YOLOV5, "has 4 columns for classes, and 2 names;"),
    (
        (1, 7, 84),
        exported.YOLOV8,
        "has 3 columns for classes, and 2 names: it seems to be an export for oriented",
    ),
    (
        (1, 57, 84),
        exported.YOLOV8,
        "has 53 columns for classes, and 2 names: it seems to be an export for poses, with 17",
    ),
    ((1, 6, 84), {**exported.YOLOV8, "names": "{0: print()}"}, "has names in its metadata that break at"),
    ((1, 6, 84), {**exported.YOLOV8, "stride": "0"}, "has a stride '0' in its metadata"),
]
NAMES = {
    "{0: 'a', 1: 'b'}": ["a", "b"],
    "{1: 'b', 0: \"it's\"}": ["it's", "b"],
    "['a', 'b',]": ["a", "b"],
    r"{0: 'a\'b\\n\n\x41\u7ea2\U0001f600'}": ["a'b\\n\nA红😀"],
}
SURVIVING = [["person"], ["it's", 'a "b"', "\\", "a\nb", "红", "é, {0: 'x'}"], ["a"] * 200]
NO_NAMES = [
    *("", "{}", "[]", "person", "{0: 1}", "{0: 'a', 2: 'b'}", "{'a': 'b'}", "['a' 'b']", "[0: 'a']"),
    *("{'a'}", "{0: 'a'", "[" * 1000, "{0: 'a" + "\\" * 1001, "{0: __import__('os')}"),
    "{0: 'a', 0: 'b', 1: 'c', 3: 'd'}",
]
EIGHTY = str({i: f"n{i}" for i in range(80)})
LARGE = [  # those of the real exporters at 640, 80 classes and one class
    ((1, 25200, 85), EIGHTY, "yolov5"),
    ((1, 84, 8400), EIGHTY, "yolov8"),
    ((1, 300, 6), EIGHTY, "end-to-end"),
    ((1, 25200, 6), "{0: 'one'}", "yolov5"),
    ((1, 5, 8400), "{0: 'one'}", "yolov8"),
    ((1, 300, 6), "{0: 'one'}", "end-to-end"),
]


@pytest.mark.parametrize("exporter", [exported.yolov5, exported.yolov8, END_TO_END])
def test_it_finds_what_the_converted_model_finds(tmp_path: Path, exporter) -> None:
    detector = Detector(exporter(tmp_path / "best.onnx"), iou_thres=0.45)
    assert detector.names == ("plain", "bluish 'é\"")
    assert detector.imgsz == (64, 64)
    assert not detector.rect
    assert detector.info.producer == "pytorch 2.3.0"
    ours = Detector(onnx_models.write(tmp_path / "ours.onnx"))(red_picture())
    found = detector(red_picture())
    if exporter is exported.yolov5:
        assert found.xyxy == pytest.approx(ours.xyxy, abs=1e-3)
        assert found.scores == pytest.approx(ours.scores, abs=1e-5)
    assert found.xyxy[0] == pytest.approx(RED_BOX, abs=1e-3)
    assert found.class_ids.tolist() == [0]
    assert found.scores[0] == pytest.approx(ours.scores[0], abs=1e-4)


def test_pictures_of_other_sides_and_classes(tmp_path: Path) -> None:
    picture = np.full((100, 200, 3), 40, np.uint8)
    picture[:, :] = (0, 0, 255)
    for exporter in (exported.yolov5, exported.yolov8):
        detector = Detector(exporter(tmp_path / "best.onnx"), multi_label=True, conf_thres=1e-6, iou_thres=1)
        found = detector(picture)
        assert set(found.class_ids.tolist()) == {0, 1}
        assert (found.xyxy >= 0).all()
        assert (found.xyxy[:, [1, 3]] <= 100).all()
        assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("exporter", [exported.yolov5, exported.yolov8])
def test_without_metadata_the_shape_tells(tmp_path: Path, exporter) -> None:
    path = exporter(tmp_path / "best.onnx", {})
    found = Detector(path)(red_picture())
    assert found.names == ("class0", "class1")
    assert found.xyxy[0] == pytest.approx(RED_BOX, abs=1e-3)
    assert Detector(path, names=["a", "b"])(red_picture()).names == ("a", "b")


@needs_opencv_5
def test_the_usual_thresholds_are_those_of_the_layout(tmp_path: Path) -> None:
    assert Detector(exported.yolov5(tmp_path / "5.onnx")).settings["iou_thres"] == 0.45
    assert Detector(exported.yolov8(tmp_path / "8.onnx")).settings["iou_thres"] == 0.7
    final = Detector(exported.final(tmp_path / "e.onnx", 0))
    assert final.settings["iou_thres"] == 1, "nothing is left for NMS to do"


def test_the_command_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "red.png", red_picture())
    exported.yolov5(tmp_path / "best.onnx")
    assert detect.main(["red.png", "--weights", "best.onnx", "--json", "out.json"]) == 0
    ((entry,),) = ([each["detections"] for each in json.loads((tmp_path / "out.json").read_text())],)
    assert entry[0]["name"] == "plain"


@pytest.mark.parametrize(("shape", "metadata", "message"), OTHERS)
def test_any_other_model_is_told_by_what_it_is(
    tmp_path: Path, shape: tuple[int, ...], metadata: dict[str, str], message: str
) -> None:
    path = exported.other(tmp_path / "best.onnx", shape, metadata)
    with pytest.raises(ModelError) as error:
        Detector(path)
    assert str(error.value).startswith(f"{path} {message}")
    assert str(error.value).endswith("; convert its checkpoint with: python -m convert CHECKPOINT.pt")


def test_old_engines_are_not_asked_for_whole_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2.dnn, "ENGINE_CLASSIC", raising=False)
    with pytest.raises(ModelError, match="run it with OpenCV 5 on the cpu, or export it without NMS"):
        Detector(exported.end_to_end(tmp_path / "best.onnx"))


@needs_opencv_5
def test_end_to_end_needs_names(tmp_path: Path) -> None:
    path = exported.final(tmp_path / "best.onnx", 0, {})
    with pytest.raises(ModelError, match=r"lacks the metadata names.* give Detector the argument"):
        Detector(path)
    assert Detector(path, names=["a"])(red_picture()).names == ("a",)


@pytest.mark.parametrize("classes", [181, 200])
def test_as_many_classes_as_oriented_boxes_have_columns(tmp_path: Path, classes: int) -> None:
    names = [f"n{number}" for number in range(classes)]
    path = exported.yolov5(tmp_path / "best.onnx", {}, classes)
    with pytest.raises(ModelError, match=r"lacks the metadata names; with 181 to 200 columns .*yolov5_obb"):
        Detector(path)
    assert Detector(path, names=names)(red_picture()).names == tuple(names)
    in_the_file = exported.yolov5(tmp_path / "named.onnx", {"names": str(names)}, classes)
    assert len(Detector(in_the_file)(red_picture())) == 1
    assert Detector(exported.yolov5(tmp_path / "more.onnx", {}, 201)).names[200] == "class200"


@needs_opencv_5
def test_a_class_that_there_is_not(tmp_path: Path) -> None:
    detector = Detector(exported.final(tmp_path / "best.onnx", class_id=2))
    with pytest.raises(ModelError, match="gives a class that is none of the 2 it has"):
        detector(red_picture())


@pytest.mark.parametrize(("text", "names"), NAMES.items())
def test_names_are_read_as_python_writes_them(text: str, names: list[str]) -> None:
    assert read_names(text) == names


@pytest.mark.parametrize("names", SURVIVING)
def test_names_survive(names: list[str]) -> None:
    assert read_names(str(names)) == names
    assert read_names(str(dict(enumerate(names)))) == names


@pytest.mark.parametrize("text", NO_NAMES)
def test_other_texts_are_no_names(text: str) -> None:
    with pytest.raises(ExportError):
        read_names(text)


@pytest.mark.parametrize(("shape", "names", "layout"), LARGE)
def test_large_shapes(shape: tuple[int, ...], names: str, layout: str) -> None:
    given = {"names": names, "stride": "32"}
    assert json.loads(own_metadata(given, (640, 640), False, [shape])["decoded"]) == layout


@pytest.mark.parametrize(
    ("shape", "names", "layout"),
    [
        ((1, 102000, 6), 1, "yolov5"),  # P2 to P5
        ((1, 6000, 7), 2, "yolov5"),  # P4 and P5
        ((1, 33600, 6), 1, "yolov5"),  # four anchors
        ((1, 5, 34000), 1, "yolov8"),
    ],
)
def test_rarer_heads_without_metadata(shape: tuple[int, ...], names: int, layout: str) -> None:
    told = own_metadata({}, (640, 640), False, [shape])
    assert json.loads(told["decoded"]) == layout
    assert len(json.loads(told["names"])) == names


@pytest.mark.parametrize("columns", [6, 7, 85])
def test_one_row_for_each_cell_is_yolox(columns: int) -> None:
    with pytest.raises(ExportError, match=f"gives {columns} numbers for each cell, as YOLOX does"):
        own_metadata({}, (640, 640), False, [(1, 8400, columns)])


@pytest.mark.parametrize("command", [detect, evaluate])
def test_a_checkpoint_names_the_command_for_it(
    tmp_path: Path, command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if command is evaluate:
        pytest.importorskip("pycocotools")
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "red.png", red_picture())
    (tmp_path / "my best.pt").write_bytes(b"PK\x03\x04")
    arguments = ["red.png"] if command is detect else ["--images", "red.png", "--annotations", "labels"]
    assert command.main([*arguments, "--weights", "my best.pt"]) == 2
    assert "convert it with: python -m convert 'my best.pt'" in capsys.readouterr().err
    assert command.main([*arguments, "--weights", "my best.onnx"]) == 2
    said = "convert it with: python -m convert 'my best.pt' --output 'my best.onnx'"
    assert said in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["/usr/bin/yolov5-dnn"])
    assert command.main([*arguments, "--weights", "my best.pt"]) == 2
    assert "convert it with: yolov5-dnn convert 'my best.pt'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "kind"), [("a.engine", "a TensorRT engine"), ("a.tflite", "a TensorFlow Lite model")]
)
def test_other_formats_are_named(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"1234")
    with pytest.raises(ModelError, match=f"is {kind}, not an ONNX model"):
        Detector(tmp_path / name)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"n": 100}, "there are fewer numbers than it takes"),
        ({"axis": 0}, "its indices go beyond what is there"),
        ({"divisor": 0}, "its divisor is not one positive integer"),
        ({"indices": "out0"}, "its indices are computed in an unknown way"),
    ],
)
def test_indices_beyond_what_is_there_are_refused(tmp_path: Path, changed: dict, reason: str) -> None:
    """OpenCV must not be asked for the 9th of 8 numbers."""
    model = onnx.load(str(exported.end_to_end(tmp_path / "best.onnx")))
    for node in model.graph.node:
        if node.op_type == "GatherElements" and "axis" in changed:
            node.attribute[0].i = changed["axis"]
        if node.op_type == "GatherElements" and "indices" in changed:
            node.input[1] = changed["indices"]
        number = {"TopK": changed.get("n"), "Mod": changed.get("divisor")}.get(node.op_type)
        for tensor in model.graph.initializer:
            if number is not None and tensor.name == node.input[1]:
                tensor.raw_data = np.int64(number).tobytes()
    onnx.save(model, str(tmp_path / "hostile.onnx"))
    with pytest.raises(ModelError, match=reason):
        Detector(tmp_path / "hostile.onnx")
