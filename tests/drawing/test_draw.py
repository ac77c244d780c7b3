"""Boxes and labels on pictures."""

from __future__ import annotations

import builtins
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.drawing import text as text_module
from runtime.drawing.draw import class_colour, line_width, text_colour, text_size
from runtime.drawing.labels import place_labels
from runtime.drawing.text import measure, printable, put_text
from runtime.inputs.image_file import read_image
from runtime.results.detections import Detections
from runtime.stages.masks import Masks

NAMES = ("person", "安全帽", "a name that is much longer than any label should be", "Ñandú", "g")


def detections(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    """Make detections from rows of x1, y1, x2, y2, score, class."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), NAMES)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def touched(image: np.ndarray, drawn: np.ndarray) -> tuple[int, int, int, int]:
    """Give left, top, right, bottom (exclusive) of the pixels that drawing has changed."""
    rows, columns = np.nonzero((image != drawn).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_a_copy_is_drawn_on_and_the_image_is_left_alone() -> None:
    image = grey(300, 400)
    drawn = detections((50, 100, 200, 250, 0.9, 0)).draw(image)
    assert (image == 90).all()
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    left, top, right, bottom = touched(image, drawn)
    line = line_width((300, 400)) + 1  # and the rim
    assert 50 - line <= left <= 50
    assert 200 <= right <= 200 + line
    assert 250 <= bottom <= 250 + line
    assert 100 - 2 * text_size((300, 400)) < top < 100, "the label sits on the box"
    assert tuple(drawn[175, 50]) == class_colour(0)
    assert (drawn[120:240, 60:190] == 90).all(), "the inside stays as it is"


def test_nothing_found_is_an_unchanged_copy() -> None:
    image = grey(30, 40)
    drawn = detections().draw(image)
    assert np.array_equal(drawn, image)
    assert drawn is not image
    assert not np.shares_memory(drawn, image)


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 1), (30, 40, 4)])
def test_grey_and_alpha_become_bgr(shape: tuple[int, ...]) -> None:
    assert detections((5, 5, 20, 20, 0.9, 0)).draw(np.zeros(shape, np.uint8)).shape == (30, 40, 3)


def test_the_label_goes_below_or_inside_where_there_is_no_room_above() -> None:
    _, top, _, bottom = label_area(400, 300, (50, 0, 200, 150), 0)
    assert 150 <= top < bottom <= 150 + 2 * text_size((300, 400)), "below"
    _, top, _, bottom = label_area(400, 300, (50, 0, 200, 300), 0)
    assert top <= line_width((300, 400)), "inside, over the line"
    assert bottom <= 2 * text_size((300, 400))


def label_area(width: int, height: int, box: tuple[float, float, float, float], class_id: int) -> Any:
    """Draw one box with and without a label; give what the label changed, or None."""
    image = grey(height, width)
    found = detections((*box, 0.5, class_id))
    named, plain = found.draw(image), found.draw(image, hide_labels=True)
    return touched(plain, named) if (plain != named).any() else None


@pytest.mark.parametrize("class_id", range(len(NAMES)))
@pytest.mark.parametrize(
    "box", [(350, 100, 400, 200), (0, 280, 50, 300), (380, 290, 400, 300), (399, 0, 400, 1)]
)
def test_labels_stay_whole_at_the_edges(box: tuple[float, float, float, float], class_id: int) -> None:
    """The same label must be as large at the edge as it is in the middle of the image."""
    left, top, right, bottom = label_area(400, 300, (100, 100, 101, 101), class_id)
    free = right - left, bottom - top
    left, top, right, bottom = label_area(400, 300, box, class_id)
    line = 2 * line_width((300, 400))
    assert free[0] - line <= right - left <= free[0] + line
    assert free[1] - line <= bottom - top <= free[1] + line


def test_labels_stay_whole_in_an_image_hardly_higher_than_they_are() -> None:
    _, top, _, bottom = label_area(200, 20, (50, 0, 60, 1), 4)
    _, low_top, _, low_bottom = label_area(200, 20, (50, 12, 60, 13), 4)
    assert bottom - top >= 12
    assert low_bottom - low_top == bottom - top
    assert low_bottom <= 20


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 300),
    st.integers(2, 300),
    st.lists(
        st.tuples(*[st.floats(-20, 320)] * 4, st.floats(0, 1), st.integers(0, len(NAMES) - 1)), max_size=8
    ),
)
def test_any_box_on_any_size_is_drawn(height: int, width: int, rows: list[Any]) -> None:
    image = grey(height, width)
    drawn = detections(*rows).draw(image)
    assert drawn.shape == image.shape
    assert (image == 90).all()


def test_the_best_box_lies_on_top() -> None:
    image = grey(200, 200)
    drawn = detections((50, 50, 150, 150, 0.9, 0), (50, 50, 150, 150, 0.4, 4)).draw(image)
    assert tuple(drawn[120, 50]) == class_colour(0)


def test_no_line_crosses_a_label() -> None:
    image = grey(400, 400)
    worse, better = (100, 200, 300, 300, 0.4, 0), (110, 100, 120, 350, 0.9, 4)
    both = detections(better, worse).draw(image)
    alone = detections(worse).draw(image)
    left, top, right, bottom = label_area(400, 400, worse[:4], 0)
    label = alone[top + 2 : bottom - 2, left + 2 : right - 2]
    places = [
        (y, x)
        for y in range(400 - label.shape[0])
        for x in np.flatnonzero((both[y, : 400 - label.shape[1]] == label[0, 0]).all(axis=1))
        if np.array_equal(both[y : y + label.shape[0], x : x + label.shape[1]], label)
    ]
    assert places, "wherever it has gone, the whole label is there"


def test_what_is_hidden_is_left_out() -> None:
    image = grey(300, 400)
    found = detections((50, 100, 200, 250, 0.9, 0))
    plain = found.draw(image, hide_labels=True)
    assert (plain[:98] == 90).all()
    with_name, with_both = found.draw(image, hide_conf=True), found.draw(image)
    name_right, both_right = touched(plain, with_name)[2], touched(plain, with_both)[2]
    assert name_right < both_right
    thick = found.draw(image, hide_labels=True, line_thickness=11)
    assert (thick[175, 45:56] == class_colour(0)).all()


def test_a_mask_is_tinted_and_points_are_dotted() -> None:
    image = grey(300, 400)
    found = detections((50, 100, 200, 250, 0.9, 0))
    mask = np.zeros((1, 300, 400), bool)
    mask[0, 120:230, 70:180] = True
    points = np.array([[[80, 130], [170, 130], [125, 170], [80, 220], [170, 220]]], np.float32)
    masked = found.with_columns(masks=Masks.of_array(mask)).draw(image, hide_labels=True)
    expected = [round(0.6 * 90 + 0.4 * channel) for channel in class_colour(0)]
    assert np.abs(masked[175, 125].astype(int) - expected).max() <= 1
    assert (masked[110, 60:190] == 90).all()
    dotted = found.with_columns(keypoints=points).draw(image, hide_labels=True)
    colours = [tuple(dotted[y, x].tolist()) for x, y in points[0].astype(int)]
    assert colours[0] == colours[3]
    assert colours[1] == colours[4]
    assert len(set(colours)) == 3, "left, right and middle"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-20, 320)] * 4), max_size=30),
    st.tuples(st.integers(5, 60), st.integers(5, 20)),
    st.tuples(st.integers(5, 300), st.integers(5, 300)),
)
def test_labels_cover_no_label_and_stay_in_the_image(
    boxes: list[tuple[int, ...]], size: tuple[int, int], image_hw: tuple[int, int]
) -> None:
    places = place_labels(np.array(boxes).reshape(-1, 4), [size] * len(boxes), image_hw)
    covered = np.zeros(image_hw, int)
    for place in places:
        if place is not None:
            left, top = place
            assert 0 <= left <= image_hw[1] - size[0]
            assert 0 <= top <= image_hw[0] - size[1]
            covered[top : top + size[1], left : left + size[0]] += 1
    assert covered.max(initial=0) <= 1
    if boxes and size[0] <= image_hw[1] and size[1] <= image_hw[0]:
        assert places[0] is not None, "the first label always finds a place in an image that can hold it"


@pytest.mark.parametrize("name", ["bus.jpg", "zidane.jpg"])
def test_labels_of_real_boxes_are_all_there(shared: Path, name: str) -> None:
    height, width = read_image(shared / "images" / name).shape[:2]
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 0.7, (25, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(0.1, 0.3, (25, 2))), axis=1)
    boxes = np.rint(boxes * [width, height, width, height]).astype(int)
    extent = measure("person 0.87", text_size((height, width)))
    sizes = [(extent.width + 8, extent.ascent + extent.descent + 4)] * 25
    assert None not in place_labels(boxes, sizes, (height, width))


def test_lines_and_letters_grow_with_the_image() -> None:
    sizes = [(32, 32), (480, 640), (1080, 1920), (3000, 4000)]
    assert [line_width(size) for size in sizes] == [2, 2, 5, 12]
    assert [text_size(size) for size in sizes] == [12, 12, 30, 70]


def test_colours_of_classes_are_far_apart() -> None:
    colours = np.array([class_colour(class_id) for class_id in range(80)])
    assert colours.min() >= 0
    assert colours.max() <= 255
    assert len({tuple(colour) for colour in colours.tolist()}) == 80
    for a, b in itertools.combinations(range(12), 2):
        assert np.abs(colours[a] - colours[b]).max() > 60, f"classes {a} and {b}"


def test_some_colours_by_the_formula() -> None:
    # hue 0.57, saturation 0.85, value 1: sector 3, f = 0.42, so that g = 1 − 0.85 · 0.42 and r = 1 − 0.85
    assert class_colour(0) == (255, 164, 38)
    assert class_colour(3) == class_colour(3)
    assert text_colour((255, 164, 38)) == (0, 0, 0)
    assert text_colour(class_colour(2)) == (255, 255, 255)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_letters_contrast_with_their_background(background: tuple[int, int, int]) -> None:
    def luma(colour: tuple[int, int, int]) -> float:
        return 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]

    assert abs(luma(text_colour(background)) - luma(background)) > 127


@pytest.fixture(autouse=True)
def _forget_renderers() -> Iterator[None]:
    """Renderers and warnings are chosen once per process; here, once per test."""

    def forget() -> None:
        for cached in (
            text_module._renderer,
            text_module._font_face,
            text_module._pillow,
            text_module._warn_once,
        ):
            cached.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any) -> Any:
        if name.partition(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", refuse)


def ink(text: str, size: int = 24) -> np.ndarray:
    """Draw a text in white on black; give its pixels."""
    canvas = np.zeros((2 * size, 20 * size, 3), np.uint8)
    put_text(canvas, text, (size, round(1.5 * size)), size, (255, 255, 255))
    return canvas


@pytest.mark.parametrize("text", ["person 0.87", "Ñandú", "安全帽", "g", "Hjl"])
@pytest.mark.parametrize("size", [8, 12, 30, 70])
def test_text_stays_within_what_was_measured(text: str, size: int) -> None:
    canvas = ink(text, size)
    width, ascent, descent = measure(text, size)
    rows, columns = np.nonzero(canvas.any(axis=2))
    slack = max(2, size // 8)
    assert columns.min() >= size - slack
    assert columns.max() <= size + width + slack
    assert rows.min() >= round(1.5 * size) - ascent - slack
    assert rows.max() <= round(1.5 * size) + descent + slack
    assert columns.max() - columns.min() >= width / 3, "the measure is not much too large either"


@pytest.mark.skipif(
    not re.search(r"Unicode font: +YES", cv2.getBuildInformation()),
    reason="this OpenCV has no fonts for other scripts",
)
@pytest.mark.usefixtures("no_pillow")
@pytest.mark.parametrize("text", ["中文", "カタカナ", "한국어", "Ελληνικά", "Привет", "Ñandú"])
def test_opencv_5_draws_scripts_itself(text: str, recwarn: pytest.WarningsRecorder) -> None:
    assert ink(text).any()
    assert not np.array_equal(ink(text), ink("?" * len(text)))
    assert len({ink(letter).tobytes() for letter in set(text)}) == len(set(text)), (
        "each letter looks its own way"
    )
    assert not recwarn


@pytest.mark.usefixtures("no_pillow")
def test_without_pillow_one_warning_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(text_module, "_font_face", no_fonts())
    assert np.array_equal(ink("安全帽"), ink("???"))
    assert np.array_equal(ink("Ñ 0.5"), ink("? 0.5"))
    warnings = [str(each.message) for each in recwarn]
    assert len(warnings) == 1
    assert "yolov5-dnn[unicode]" in warnings[0]


def no_fonts() -> Callable[[], None]:
    """Stand for OpenCV 4, whatever is installed."""

    def font_face() -> None:
        return None

    font_face.cache_clear = lambda: None  # type: ignore[attr-defined]
    return font_face


def test_pillow_draws_what_opencv_4_cannot(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    pytest.importorskip("PIL")
    if not text_module._Pillow().draws("Ñandú Ω"):
        pytest.skip("none of the known fonts is installed")
    monkeypatch.setattr(text_module, "_font_face", no_fonts())
    assert not np.array_equal(ink("Ñandú Ω"), ink("?and? ?"))
    assert not recwarn

    whole = np.zeros((100, 300, 3), np.uint8)
    put_text(whole, "Ñandú Ω", (100, 50), 24, (255, 255, 255))
    part = np.zeros((12, 30, 3), np.uint8)  # a window on it: the text sticks out on all sides
    put_text(part, "Ñandú Ω", (-20, 10), 24, (255, 255, 255))
    assert part.any()
    assert np.array_equal(part, whole[40:52, 120:150])
    put_text(part, "Ñandú Ω", (500, 500), 24, (255, 255, 255))  # all outside
    assert np.array_equal(part, whole[40:52, 120:150])


@pytest.mark.parametrize(
    "text", ["half \ud800 a letter", "nul \0", "line\nbreak", "tab\t", "\x1b[31mred", ""]
)
def test_letters_that_cannot_be_drawn_become_question_marks(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)
    assert ink(text).any() == bool(text)
