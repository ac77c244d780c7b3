from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import InputError
from runtime.stages.letterbox import GREY, Placement, letterbox, letterbox_shape, to_bgr, to_blob, unletterbox

sides = st.integers(1, 3000)


def test_known_shapes():
    """YOLOv5 takes bus.jpg (810 × 1080) at 640 to 640 × 480 and zidane.jpg (1280 × 720) to 384 × 640."""
    assert letterbox_shape((1080, 810), (640, 640), 32) == (640, 480)
    assert letterbox_shape((720, 1280), (640, 640), 32) == (384, 640)
    assert letterbox_shape((720, 1280), (640, 640), None) == (640, 640)
    assert letterbox_shape((20, 30000), (640, 640), 32) == (32, 640)
    assert letterbox_shape((1, 1), (640, 640), 64) == (640, 640)


def test_centred_on_grey():
    image = np.full((720, 1280, 3), (10, 20, 30), np.uint8)
    canvas, placement = letterbox(image, (640, 640), 32)
    assert canvas.shape == (384, 640, 3)
    assert placement == Placement(0.5, 0, 12)
    assert (canvas[:12] == GREY).all()
    assert (canvas[12:372] == (10, 20, 30)).all()
    assert (canvas[372:] == GREY).all()


def test_odd_padding_has_its_extra_row_below_as_in_yolov5():
    canvas, placement = letterbox(np.zeros((63, 64, 3), np.uint8), (64, 64))
    assert placement == Placement(1, 0, 0.5)
    assert not canvas[:63].any()
    assert (canvas[63] == GREY).all()


def test_picture_is_resized_bilinearly():
    image = np.random.default_rng(0).integers(0, 256, (100, 75, 3), np.uint8)
    canvas, _ = letterbox(image, (64, 64), 16)
    assert np.array_equal(canvas, cv2.resize(image, (48, 64), interpolation=cv2.INTER_LINEAR))


def test_scale_back_is_the_canvas_one():
    """When the short side rounds down to a multiple of the stride, YOLOv5 takes 480 / 811, not 640 / 1081."""
    _, placement = letterbox(np.zeros((1081, 811, 3), np.uint8), (640, 640), 32)
    assert placement.scale == 480 / 811
    assert placement.pad_y == pytest.approx((640 - 1081 * 480 / 811) / 2)


def test_a_used_canvas_leaves_no_trace():
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    dirty = np.full((64, 64, 3), 7, np.uint8)
    clean, _ = letterbox(image, (64, 64))
    assert letterbox(image, (64, 64), out=dirty)[0] is dirty
    assert np.array_equal(dirty, clean)


@pytest.mark.parametrize("out", [np.empty((64, 32, 3), np.uint8), np.empty((64, 64, 3), np.float32)])
def test_wrong_canvas_is_refused(out):
    with pytest.raises(InputError, match="canvas"):
        letterbox(np.zeros((30, 50, 3), np.uint8), (64, 64), out=out)


@given(
    h=sides,
    w=sides,
    stride=st.sampled_from([None, 8, 32, 64]),
    imgsz=st.sampled_from([(640, 640), (384, 640)]),
)
@settings(deadline=None)
def test_canvas_holds_the_image_and_no_more(h, w, stride, imgsz):
    height, width = letterbox_shape((h, w), imgsz, stride)
    scale = min(imgsz[0] / h, imgsz[1] / w)
    assert height <= imgsz[0]
    assert width <= imgsz[1]
    if stride:
        assert height % stride == width % stride == 0
        assert height - stride < max(round(h * scale), 1) <= height
        assert width - stride < max(round(w * scale), 1) <= width
    else:
        assert (height, width) == imgsz


@given(
    h=st.integers(1, 400),
    w=st.integers(1, 400),
    stride=st.sampled_from([None, 8, 32]),
    corners=st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5),
)
@settings(deadline=None, max_examples=50)
def test_boxes_find_back(h, w, stride, corners):
    boxes = np.array(corners, np.float32).reshape(-1, 4) * np.array([w, h, w, h], np.float32)
    _, (scale, pad_x, pad_y) = letterbox(np.zeros((h, w, 3), np.uint8), (256, 256), stride)
    on_canvas = boxes * np.float32(scale) + np.array([pad_x, pad_y, pad_x, pad_y], np.float32)
    found = unletterbox(on_canvas, Placement(scale, pad_x, pad_y), (h, w))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, boxes, atol=1e-3)


def test_boxes_are_clipped_to_the_image_and_the_given_ones_left_alone():
    boxes = np.array([[-5, -6, 700, 800]], np.float32)
    assert unletterbox(boxes, Placement(1, 0, 0), (480, 640)).tolist() == [[0, 0, 640, 480]]
    assert boxes.tolist() == [[-5, -6, 700, 800]]
    assert unletterbox(np.empty((0, 4), np.float32), Placement(1, 0, 0), (480, 640)).shape == (0, 4)


def test_blob_is_rgb_planes_divided_by_255():
    canvas = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    expected = (canvas[..., ::-1].transpose(2, 0, 1).astype(np.float32) / np.float32(255))[None]
    assert np.array_equal(to_blob(canvas), expected)
    out = np.empty((1, 3, 48, 64), np.float32)
    assert to_blob(canvas, out=out) is out
    assert np.array_equal(out, expected)
    assert out.dtype == np.float32


@pytest.mark.parametrize("fold", [2, 4])
def test_folded_blob_has_a_channel_for_each_pixel_of_a_square(fold):
    canvas = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    plain, folded = to_blob(canvas), to_blob(canvas, fold)
    assert folded.shape == (1, 3 * fold**2, 16 // fold, 24 // fold)
    for dx in range(fold):
        for dy in range(fold):
            first = (dx * fold + dy) * 3
            assert np.array_equal(folded[:, first : first + 3], plain[:, :, dy::fold, dx::fold])


def test_fold_by_two_is_yolov5s_focus():
    """Its order: top left, bottom left, top right, bottom right, each with its three colours."""
    canvas = np.zeros((2, 2, 3), np.uint8)
    canvas[0, 0], canvas[1, 0], canvas[0, 1], canvas[1, 1] = (2, 1, 0), (5, 4, 3), (8, 7, 6), (11, 10, 9)
    assert (to_blob(np.tile(canvas, (2, 2, 1)), 2)[0, :, 1, 1] * 255).round().tolist() == list(range(12))


class TestToBgr:
    picture = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)

    def test_bgr_stays(self):
        assert to_bgr(self.picture) is self.picture

    def test_grey(self):
        grey = self.picture[..., 0]
        for image in (grey, grey[..., None]):
            assert np.array_equal(to_bgr(image), np.stack([grey] * 3, axis=2))

    def test_single_pixels(self):
        for shape in ((1, 1), (1, 1, 1), (1, 1, 3), (1, 1, 4)):
            image = np.full(shape, 9, np.uint8)
            assert to_bgr(image).tolist() == [[[9, 9, 9]]]
            assert (letterbox(to_bgr(image), (64, 64))[0] == 9).all()

    def test_alpha_is_dropped(self):
        assert np.array_equal(to_bgr(np.dstack([self.picture, self.picture[..., :1]])), self.picture)

    def test_sixteen_bits(self):
        assert np.array_equal(to_bgr(self.picture.astype(np.uint16) * 256 + 255), self.picture)

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.zeros((4, 4, 3), np.float32), "not float32"),
            (np.zeros((4, 4, 3), bool), "not bool"),
            (np.zeros((0, 4, 3), np.uint8), "empty"),
            (np.zeros((4, 0), np.uint8), "empty"),
            (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
            (np.zeros(4, np.uint8), r"\(4,\)"),
            (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
            (None, "NoneType"),  # what cv2.imread gives for a file it cannot read
            ("bus.jpg", "str"),
        ],
    )
    def test_what_is_not_an_image(self, image, message):
        with pytest.raises(InputError, match=message):
            to_bgr(image)

    @pytest.mark.parametrize("view", ["reversed", "channels", "columns", "transposed"])
    def test_views_work_like_copies(self, view):
        image = {
            "reversed": self.picture[::-1, ::-1],
            "channels": self.picture[..., ::-1],
            "columns": self.picture[:, ::2],
            "transposed": self.picture.transpose(1, 0, 2),
        }[view]
        expected, _ = letterbox(np.ascontiguousarray(image), (64, 64))
        assert np.array_equal(letterbox(to_bgr(image), (64, 64))[0], expected)
