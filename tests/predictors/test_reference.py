"""The runtime's answers against those of YOLOv5's own PyTorch code, kept in the reference data."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime import Detector
from runtime.results.detections import Detections
from runtime.stages.candidates import Candidates
from runtime.stages.decode import Layout, decode, decode_boxes, sigmoid
from runtime.stages.letterbox import to_blob
from runtime.stages.nms import nms

REAL = ["yolov5n-coco-v6.0", "helmet-vest-v6.1", "duckie-v7.0"]
RANDOM = [
    "random-v1.0-s",
    "random-v2.0-s",
    "random-v3.1-s",
    "random-v4.0-s",
    "random-v5.0-s",
    "random-v5.0-s6",
    "random-v6.2-n",
    "random-v7.0-hub-yolov5-p2",
    "random-v7.0-hub-yolov5s-LeakyReLU",
    "random-v7.0-hub-yolov5s-ghost",
    "random-v7.0-n6",
]


class Reference:
    """What PyTorch gave for one checkpoint, with the heads in the layout of a model file's outputs."""

    def __init__(self, path: Path) -> None:
        arrays = np.load(path)
        raw = [arrays[f"raw{i}"][0] for i in range(len(arrays["strides"]))]  # (anchors, ny, nx, 5 + classes)
        self.heads = [np.ascontiguousarray(r.transpose(0, 3, 1, 2)).reshape(-1, *r.shape[1:3]) for r in raw]
        self.logits = np.concatenate([r.reshape(-1, r.shape[-1]) for r in raw])
        self.anchors = [pairs.astype(np.float32) for pairs in arrays["anchors_pixels"]]
        self.strides = [int(stride) for stride in arrays["strides"]]
        self.decoded = arrays["decoded"][0]
        self.layout = Layout(classes=slice(5, self.logits.shape[1]))
        self.image = np.ascontiguousarray(arrays["input_u8"][0].transpose(1, 2, 0)[..., ::-1])  # BGR
        self.detections = arrays.get("detections_xyxy_conf_cls")

    def candidates(self, conf_thres: float, multi_label: bool = False) -> Candidates:
        return decode(self.heads, self.anchors, self.strides, self.layout, conf_thres, multi_label)


@pytest.fixture(params=REAL + RANDOM)
def reference(request, shared) -> Reference:
    return Reference(shared / "reference" / f"{request.param}.npz")


def read_picture(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image


def assert_same_detections(found: Detections, expected: np.ndarray) -> None:
    assert len(found) == len(expected)
    assert np.array_equal(found.class_ids, expected[:, 5])
    np.testing.assert_allclose(found.xyxy, expected[:, :4], atol=0.1)
    np.testing.assert_allclose(found.scores, expected[:, 4], atol=1e-4)


def test_decoding_the_raw_heads(reference):
    """Every candidate of every head: boxes within 0.01 pixels, probabilities within 1e-5."""
    cells, sizes, steps = [], [], []
    for head, anchors, stride in zip(reference.heads, reference.anchors, reference.strides, strict=True):
        anchor, row, column = np.indices((len(anchors), *head.shape[1:])).reshape(3, -1)
        cells.append(np.stack((column, row), axis=1))
        sizes.append(anchors[anchor])
        steps.append(np.full((len(anchor), 1), stride))
    xyxy = decode_boxes(
        reference.logits[:, :4],
        np.concatenate(cells).astype(np.float32),
        np.concatenate(sizes),
        np.concatenate(steps).astype(np.float32),
    )
    centre, size = reference.decoded[:, :2], reference.decoded[:, 2:4]
    np.testing.assert_allclose(xyxy, np.hstack((centre - size / 2, centre + size / 2)), atol=0.01, rtol=0)
    np.testing.assert_allclose(sigmoid(reference.logits[:, 4:]), reference.decoded[:, 4:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("conf_thres", [0.001, 0.25])
@pytest.mark.parametrize("multi_label", [False, True])
def test_candidates_of_the_raw_heads(reference, conf_thres, multi_label):
    """The candidates are those of PyTorch's output whose score is above the threshold, in its order."""
    found = reference.candidates(conf_thres, multi_label)
    products = reference.decoded[:, 4:5] * reference.decoded[:, 5:]
    if not multi_label:
        products = np.where(np.arange(products.shape[1]) == products.argmax(axis=1)[:, None], products, 0)
    row, class_id = np.nonzero(products > conf_thres)
    assert np.array_equal(found.class_ids, class_id)
    np.testing.assert_allclose(found.scores, products[row, class_id], atol=1e-5)


@pytest.mark.parametrize("name", REAL)
def test_detections_of_the_raw_heads(shared, name):
    reference = Reference(shared / "reference" / f"{name}.npz")
    candidates = reference.candidates(0.25)
    kept = candidates[nms(candidates, 0.45, 1000)]
    assert_same_detections(Detections(kept.xyxy, kept.scores, kept.class_ids, ()), reference.detections)


@pytest.fixture(scope="module")
def model(shared, tmp_path_factory) -> Callable[[str], Path]:
    """Convert a checkpoint of the reference data, once."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from convert import convert

    folder = tmp_path_factory.mktemp("models")

    def make(name: str) -> Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            convert(shared / "checkpoints" / f"{name}.pt", path)
        return path

    return make


class TestConverted:
    """The whole way: checkpoint → model file → OpenCV → boxes."""

    @pytest.mark.parametrize("name", REAL)
    def test_same_detections(self, shared, model, name):
        reference = Reference(shared / "reference" / f"{name}.npz")
        detector = Detector(model(name), imgsz=reference.image.shape[:2])
        assert [pairs.tolist() for pairs in detector.info.anchors] == [a.tolist() for a in reference.anchors]
        assert list(detector.info.strides) == reference.strides
        expected = reference.detections.copy()
        height, width = reference.image.shape[:2]
        expected[:, :4] = expected[:, :4].clip(0, [width, height, width, height])  # the reference leaves them
        assert_same_detections(detector(reference.image), expected)
        heads = detector.network(to_blob(reference.image, detector.info.fold))
        for head, expected in zip(heads, reference.heads, strict=True):
            np.testing.assert_allclose(head, expected, atol=1e-4, rtol=0)

    def test_both_stems_find_the_same_in_photographs(self, shared, model):
        """A v5.0 and a v6.0 network with the same weights; one is of fixed, one of free input size."""
        focus, plain = (Detector(model(f"yolov5n-coco-{x}")) for x in ("focus-v5.0", "v6.0"))
        bus = read_picture(shared / "images" / "bus.jpg")
        names = [each["name"] for each in plain(bus).to_dict()]
        assert sorted(names) == ["bus"] + ["person"] * 4
        # shown as squares, so that both see the same padding
        for name in ("bus.jpg", "zidane.jpg"):
            image = read_picture(shared / "images" / name)
            side = max(image.shape[:2])
            square = np.full((side, side, 3), 114, np.uint8)
            square[: image.shape[0], : image.shape[1]] = image
            expected = plain(square)
            assert len(expected)
            assert_same_detections(
                focus(square),
                np.column_stack((expected.xyxy, expected.scores, expected.class_ids)),
            )

    def test_as_good_as_pytorch_on_coco(self, shared, model, tmp_path, capsys):
        """PyTorch reaches mAP 0.297 and mAP50 0.448 on these 80 images; 99.9 % of its boxes must be found."""
        for module in ("pycocotools", "matplotlib", "tqdm"):
            pytest.importorskip(module)
        from runtime import evaluate

        code = evaluate.main(
            [
                *("--weights", str(model("yolov5n-coco-v6.0")), "--output", str(tmp_path)),
                *("--images", str(shared / "coco80" / "images")),
                *("--annotations", str(shared / "coco80" / "instances.json")),
                *("--against", str(shared / "reference" / "coco80-yolov5n-coco-v6.0-rect640.json.gz")),
            ]
        )
        printed = capsys.readouterr().out
        figures = dict(re.findall(r"^(AP|AP50) +([\d.]+)", printed, re.M))
        assert float(figures["AP"]) == pytest.approx(0.297, abs=0.001)
        assert float(figures["AP50"]) == pytest.approx(0.448, abs=0.001)
        share = re.search(r"boxes agree \(([\d.]+)%\)", printed)
        assert share
        assert float(share[1]) >= 99.9
        assert code == 0
