from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx_models

from runtime import Detector, DeviceError, InputError, ModelError
from runtime.engines.load import DEVICES, usable_devices
from runtime.engines.network import Network


@pytest.fixture(scope="module")
def red_model(tmp_path_factory):
    return onnx_models.write(tmp_path_factory.mktemp("model") / "red.onnx")


@pytest.fixture(scope="module")
def fixed_model(tmp_path_factory):
    return onnx_models.write(
        tmp_path_factory.mktemp("model") / "fixed.onnx",
        onnx_models.red_network(imgsz=(64, 96)),
        onnx_models.metadata(imgsz=[64, 96], dynamic=False),
    )


def picture(h: int = 64, w: int = 64) -> np.ndarray:
    """Give a black image with a red cell of the first head and a magenta cell of the second one."""
    image = np.zeros((h, w, 3), np.uint8)
    image[8:16, 16:24] = (0, 0, 255)
    image[32:48, 16:32] = (255, 0, 255)
    return image


def as_set(detections) -> set:
    return {
        (each["name"], round(each["score"], 3), *(round(x, 2) for x in each["box"]))
        for each in detections.to_dict()
    }


# One red cell in the first head (a 10 × 14 anchor at (20, 12)); the magenta square fills one cell of the
# second (a 30 × 20 anchor at (24, 40)) and four of the first. The scores are σ(10)² and σ(10) · σ(10).
EXPECTED = {
    ("plain", 1.0, 15, 5, 25, 19),
    ("bluish", 1.0, 9, 30, 39, 50),
    ("bluish", 1.0, 15, 29, 25, 43),
    ("bluish", 1.0, 23, 29, 33, 43),
    ("bluish", 1.0, 15, 37, 25, 51),
    ("bluish", 1.0, 23, 37, 33, 51),
}


def test_finds_what_is_there(red_model):
    detector = Detector(red_model)
    found = detector(picture())
    assert as_set(found) == EXPECTED
    assert (found.xyxy.dtype, found.scores.dtype, found.class_ids.dtype) == (np.float32, np.float32, np.int32)
    assert (np.diff(found.scores) <= 0).all()
    assert found.names == ("plain", "bluish")


def test_swish_is_run_as_opencvs_own_layer(tmp_path):
    path = onnx_models.write(tmp_path / "swish.onnx", onnx_models.red_network(swish=True))
    found = Detector(path)(picture())
    assert as_set(found) >= {("plain", 0.99, 15, 5, 25, 19)}  # σ(20 · silu(1) − 10) = σ(4.62) = 0.990
    assert len(found) == len(EXPECTED)


def test_folded_input_gives_the_same(red_model, tmp_path):
    path = onnx_models.write(
        tmp_path / "folded.onnx", onnx_models.red_network(fold=2), onnx_models.metadata(fold=2)
    )
    assert as_set(Detector(path)(picture())) == EXPECTED
    assert as_set(Detector(path)(picture(32, 64))) == as_set(Detector(red_model)(picture(32, 64))) != set()


def test_outputs_are_told_apart_by_name(tmp_path):
    """Whatever the order of the nodes. Both heads have the same shape: nothing else tells them apart."""
    model = onnx_models.red_network(strides=(8, 8), anchors=(((10.0, 14.0),), ((30.0, 20.0),)))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    props = onnx_models.metadata(strides=[8, 8], anchors=[[[10, 14]], [[30, 20]]])
    model.graph.initializer[3].CopyFrom(  # of the second head: finds nothing
        onnx_models.numpy_helper.from_array(np.full(7, -50, np.float32), "bias1")
    )
    found = Detector(onnx_models.write(tmp_path / "reversed.onnx", model, props))(picture())
    assert ("plain", 1.0, 15, 5, 25, 19) in as_set(found)


def test_boxes_come_back_to_the_image(red_model):
    """Shown at twice the size, the picture is scaled down to the same canvas and its boxes up again."""
    large = cv2.resize(picture(), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    assert as_set(Detector(red_model)(large)) == {
        (name, score, *(2 * x for x in box)) for name, score, *box in EXPECTED
    }


def test_free_size_is_rectangular_and_fixed_size_is_not(red_model, fixed_model):
    """The same 32 × 64 picture is seen as 32 × 64 by one network and centred on 64 × 96 by the other.

    It is magnified there by 1.5, so that the boxes are smaller in its own pixels.
    """
    image = np.zeros((32, 64, 3), np.uint8)
    image[16:32, 32:48] = (0, 0, 255)
    free = Detector(red_model)
    assert ("plain", 1.0, 25, 14, 55, 32) in as_set(free(image))  # 30 × 20 at (40, 24), clipped below
    fixed = Detector(fixed_model)
    boxes = fixed(image).xyxy
    assert len(boxes)
    assert {(round(float(w), 2), round(float(h), 2)) for w, h in boxes[:, 2:] - boxes[:, :2]} >= {
        (6.67, 9.33)
    }


def test_input_size(red_model, fixed_model):
    assert Detector(red_model).imgsz == (64, 64)
    assert Detector(red_model, imgsz=128).imgsz == (128, 128)
    assert Detector(red_model, imgsz=(65, np.int64(32))).imgsz == (96, 32)
    assert Detector(red_model, imgsz=[160]).imgsz == (160, 160)
    assert Detector(fixed_model, imgsz=(64, 96)).imgsz == (64, 96)
    with pytest.raises(InputError, match=r"takes 64 × 96 only.*--imgsz 128 128"):
        Detector(fixed_model, imgsz=128)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (20, 30000), (40000, 3), (3, 5), (479, 641)])
def test_any_shape(red_model, fixed_model, shape):
    for path in (red_model, fixed_model):
        image = np.full((*shape, 3), (0, 0, 255), np.uint8)
        boxes = Detector(path, conf_thres=1e-6)(image).xyxy
        assert len(boxes)
        assert (boxes >= 0).all()
        assert (boxes <= [shape[1], shape[0], shape[1], shape[0]]).all()


def test_any_form_of_image(red_model):
    detector = Detector(red_model)
    image = picture()
    forms = [
        np.dstack([image, image[..., 0]]),
        image.astype(np.uint16) * 257,
        np.asfortranarray(image),
        np.ascontiguousarray(image[..., ::-1])[..., ::-1],
        np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)[::2, ::2],
    ]
    image.flags.writeable = False
    for form in [*forms, image]:
        assert as_set(detector(form)) == EXPECTED
    assert len(detector(np.zeros((64, 64), np.uint8))) == 0
    assert len(detector(np.zeros((64, 64, 1), np.uint16))) == 0


@pytest.mark.parametrize("image", [np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8), None, "bus.jpg", 3])
def test_what_is_not_an_image(red_model, image):
    detector = Detector(red_model)
    with pytest.raises(InputError):
        detector(image)
    with pytest.raises(InputError):
        detector([picture(), image])
    assert as_set(detector(picture())) == EXPECTED


def test_a_list_gives_a_list(red_model):
    detector = Detector(red_model)
    images = [picture(), np.zeros((32, 100, 3), np.uint8), picture(64, 128)]
    found = detector(images)
    assert [len(each) for each in found] == [6, 0, len(detector(images[2]))]
    assert as_set(found[0]) == EXPECTED
    assert detector([]) == []


def test_sizes_may_alternate(red_model):
    """Buffers are reused: no call may see what another left."""
    shapes = [(64, 64), (32, 64), (64, 20), (10, 64), (64, 64), (33, 64)]
    images = [
        np.random.default_rng(i).integers(0, 256, (*shape, 3), np.uint8) for i, shape in enumerate(shapes)
    ]
    one = Detector(red_model, conf_thres=0.001)
    for image in images + images[::-1]:
        fresh = Detector(red_model, conf_thres=0.001)(image)
        again = one(image)
        assert np.array_equal(again.xyxy, fresh.xyxy)
        assert np.array_equal(again.scores, fresh.scores)


def test_results_are_the_callers_own(red_model):
    detector = Detector(red_model)
    first = detector(picture())
    boxes = first.xyxy.copy()
    detector(np.full((64, 64, 3), (0, 0, 255), np.uint8))
    assert np.array_equal(first.xyxy, boxes)


def test_controls(red_model):
    image = picture()
    assert as_set(Detector(red_model, classes=[0])(image)) == {
        each for each in EXPECTED if each[0] == "plain"
    }
    assert as_set(Detector(red_model, classes=["bluish"])(image)) == {e for e in EXPECTED if e[0] == "bluish"}
    assert len(Detector(red_model, classes=["0", "bluish"])(image)) == 6
    assert len(Detector(red_model, classes=[])(image)) == 0
    assert len(Detector(red_model, max_det=2)(image)) == 2
    assert len(Detector(red_model, conf_thres=1)(image)) == 0
    # every cell of every head, with both classes
    assert len(Detector(red_model, conf_thres=0, iou_thres=1, multi_label=True)(image)) == 2 * (64 + 16 + 4)
    # the boxes of the four small magenta cells overlap by 2 × 14 and 10 × 6 pixels
    assert len(Detector(red_model, iou_thres=0.1)(image)) < 6
    assert (
        len(Detector(red_model, conf_thres=0, iou_thres=0.99, multi_label=True, agnostic_nms=True)(image))
        == 84
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"conf_thres": -0.1}, "conf_thres must be a number from 0 to 1"),
        ({"conf_thres": float("nan")}, "conf_thres"),
        ({"conf_thres": "high"}, "conf_thres"),
        ({"iou_thres": 1.1}, "iou_thres"),
        ({"iou_thres": "much"}, "iou_thres"),
        ({"max_det": 0}, "max_det"),
        ({"max_det": 2.5}, "max_det"),
        ({"classes": ["dog"]}, "there is no class 'dog'; the model has 0 to 1: plain, bluish"),
        ({"classes": [2]}, "there is no class 2"),
        ({"classes": [-1]}, "there is no class -1"),
        ({"imgsz": 0}, "imgsz"),
        ({"imgsz": 10**6}, "imgsz"),
        ({"imgsz": 64.5}, "imgsz"),
        ({"imgsz": (64, 64, 64)}, "imgsz"),
        ({"imgsz": "64"}, "imgsz"),
    ],
)
def test_wrong_arguments(red_model, arguments, message):
    with pytest.raises(InputError, match=message):
        Detector(red_model, **arguments)


def test_timings_and_warmup(red_model):
    detector = Detector(red_model)
    detector.warmup()
    results = detector([picture()] * 3)
    for found in results:
        assert list(found.timings) == ["letterbox", "forward", "decode", "nms"]
        assert all(milliseconds > 0 for milliseconds in found.timings.values())
    assert len({found.timings["forward"] for found in results}) > 1, "each call has its own"


class TestDevices:
    def test_cpu_is_always_there(self, red_model):
        assert "cpu" in usable_devices()
        assert as_set(Detector(red_model, device="cpu")(picture())) == EXPECTED

    @pytest.mark.parametrize("device", [name for name in DEVICES if name != "cpu"])
    def test_a_device_works_or_is_refused(self, red_model, device):
        """OpenCV itself would silently compute on the CPU."""
        if device in usable_devices():
            assert len(Detector(red_model, device=device)(picture())) == len(EXPECTED)
        else:
            refused = (
                rf"cannot use the device '{device}'; it can use |'{device}' needs the package onnxruntime"
            )
            with pytest.raises(DeviceError, match=refused):
                Detector(red_model, device=device)

    @pytest.mark.parametrize("device", ["", "gpu", "CPU", "cuda:0", None])
    def test_unknown_names(self, red_model, device):
        with pytest.raises(DeviceError, match=r"there is no device .* can use cpu"):
            Detector(red_model, device=device)


class TestModelAndMetadataAtOdds:
    def test_default_model_is_the_packages_own(self):
        from runtime.predictors.detector import DEFAULT_MODEL

        if DEFAULT_MODEL.exists():
            assert Detector().info.names
        else:
            with pytest.raises(ModelError, match=r"codes\.onnx"):
                Detector()

    def test_no_metadata(self, tmp_path):
        path = onnx_models.write(tmp_path / "bare.onnx", props={})
        with pytest.raises(
            ModelError, match=r"lacks the metadata names, anchors, strides; .* python -m convert"
        ):
            Detector(path)
        detector = Detector(
            path,
            imgsz=64,
            names=onnx_models.NAMES,
            anchors=onnx_models.ANCHORS,
            strides=onnx_models.STRIDES,
        )
        assert as_set(detector(picture())) == EXPECTED

    def test_another_number_of_outputs(self, tmp_path):
        path = onnx_models.write(
            tmp_path / "two.onnx",
            props=onnx_models.metadata(strides=[8, 16], anchors=[[[10, 14]], [[30, 20]]]),
        )
        with pytest.raises(ModelError, match="3 outputs, but strides and anchors for 2"):
            Detector(path)

    @pytest.mark.parametrize(
        "changes",
        [
            {"names": ["a", "b", "c"]},
            {"names": ["a"]},
            {"anchors": [[[10, 14], [1, 1]]] * 3},
            {"strides": [16, 8, 32]},
        ],
    )
    def test_other_channels_or_sizes(self, tmp_path, changes):
        path = onnx_models.write(tmp_path / "other.onnx", props=onnx_models.metadata(**changes))
        detector = Detector(path)
        with pytest.raises(ModelError, match="gives an output of shape"):
            detector(picture())

    def test_a_size_that_the_network_does_not_take(self, tmp_path):
        """A file that claims to be free in size and is not."""
        model = onnx_models.red_network(strides=(8,), anchors=(((10.0, 14.0),),), imgsz=(64, 64))
        shape = onnx_models.numpy_helper.from_array(np.array([1, 7, 8, 8]), "shape")
        model.graph.initializer.append(shape)
        model.graph.node[0].output[0] = "map"
        model.graph.node.append(onnx_models.helper.make_node("Reshape", ["map", "shape"], ["out0"]))
        props = onnx_models.metadata(strides=[8], anchors=[[[10, 14]]])
        detector = Detector(onnx_models.write(tmp_path / "reshape.onnx", model, props))
        assert len(detector(picture()))
        with pytest.raises(ModelError, match=r"reshape\.onnx"):
            detector(picture(32, 64))

    def test_a_graph_that_opencv_cannot_load(self, tmp_path):
        model = onnx_models.red_network()
        scales = onnx_models.numpy_helper.from_array(np.ones(4, np.float32), "scales")
        model.graph.initializer.append(scales)
        resize = onnx_models.helper.make_node("Resize", ["images", "", "scales"], ["x"], mode="no such mode")
        model.graph.node.append(resize)
        with pytest.raises(ModelError, match="OpenCV"):
            Detector(onnx_models.write(tmp_path / "unknown.onnx", model))(picture())


def test_several_threads_share_a_detector(red_model):
    """Each gets the answer to its own image, again and again."""
    detector = Detector(red_model, conf_thres=0.01)
    images = []
    for i in range(4):
        cells = np.random.default_rng(i).integers(0, 2, (8 - i, 5 + i), np.uint8) * 255
        images.append(np.kron(np.dstack([cells * 0, cells * 0, cells]), np.ones((8, 8, 1), np.uint8)))
    expected = [detector(image) for image in images]
    assert len({len(each) for each in expected}) > 1
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            found = detector(images[i])
            if not np.array_equal(found.xyxy, expected[i].xyxy):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i % 4,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class TestSizeMultiple:
    """A network may need larger multiples than its coarsest head has: it pools deeper inside."""

    @pytest.fixture
    def model(self, tmp_path):
        props = onnx_models.metadata(strides=[8, 16], anchors=[[[10, 14]], [[30, 20]]], size_multiple=32)
        network = onnx_models.red_network(strides=(8, 16), anchors=(((10.0, 14.0),), ((30.0, 20.0),)))
        return onnx_models.write(tmp_path / "p34.onnx", network, props)

    def test_every_input_is_a_multiple(self, model):
        shapes = []

        def load(buffer, info, device, path):
            assert info.size_multiple == 32
            network = Network(buffer, info, device, path)

            def forward(blob):
                shapes.append(blob.shape[2:])
                return network(blob)

            return forward

        detector = Detector(model, imgsz=(65, 130), load=load)
        assert detector.imgsz == (96, 160)
        for h, w in ((64, 64), (10, 64), (48, 160), (33, 200), (1, 1)):
            detector(np.zeros((h, w, 3), np.uint8))
        assert shapes == [(96, 96), (32, 160), (64, 160), (32, 160), (96, 96)]

    def test_the_boxes_are_those_of_the_heads(self, model):
        assert as_set(Detector(model)(picture())) == EXPECTED

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"size_multiple": 16}, "size_multiple 16 is not divisible by the stride 32"),
            ({"size_multiple": 0}, "size_multiple"),
            ({"size_multiple": "32"}, "size_multiple"),
            ({"size_multiple": 128}, "imgsz 64 × 64 is not divisible by 128"),
        ],
    )
    def test_what_it_cannot_be(self, tmp_path, changes, message):
        path = onnx_models.write(tmp_path / "odd.onnx", props=onnx_models.metadata(**changes))
        with pytest.raises(ModelError, match=message):
            Detector(path)

    def test_without_it_the_largest_stride_counts(self, red_model):
        assert Detector(red_model).info.size_multiple == 32


def test_rect_can_be_left_out(red_model, fixed_model):
    """The whole square then holds the image in its middle."""
    shapes = []

    def load(buffer, info, device, path):
        assert info.dynamic is False
        network = Network(buffer, info, device, path)

        def forward(blob):
            shapes.append(blob.shape[2:])
            return network(blob)

        return forward

    square = Detector(red_model, rect=False, load=load)
    assert (square.rect, square.info.dynamic) == (False, True)
    image = picture()[:32]
    found = square(image)
    assert shapes == [(64, 64)]
    assert ("plain", 1.0, 15, 5, 25, 19) in as_set(found)
    assert Detector(red_model).rect is True
    assert Detector(fixed_model).rect is False, "there is no choice"


def test_another_program_may_run_the_network(red_model):
    """What `load` is given, and that what it gives is all that the detector uses."""
    given: list[Any] = []
    heads = [np.full((7, 64 // stride, 64 // stride), -50, np.float32) for stride in (8, 16, 32)]
    heads[0][:, 3, 4] = (0, 0, 0, 0, 50, 50, -50)

    def load(*arguments):
        given.extend(arguments)
        return lambda blob: heads

    detector = Detector(red_model, device="a device of its own", imgsz=64, load=load)
    found = detector(np.zeros((64, 64, 3), np.uint8))
    assert as_set(found) == {("plain", 1.0, 36 - 5, 28 - 7, 36 + 5, 28 + 7)}
    buffer, info, device, path = given
    assert buffer.tobytes() == red_model.read_bytes()
    assert (info.imgsz, info.dynamic, info.strides) == ((64, 64), True, (8, 16, 32))
    assert (device, path) == ("a device of its own", red_model)


def test_timings_belong_to_the_call(red_model):
    """Threads that share a detector do not see each other's."""
    detector = Detector(red_model)
    first = detector(picture())
    kept = dict(first.timings)
    detector(np.zeros((64, 64, 3), np.uint8))
    assert first.timings == kept
