"""Boxes and labels on pictures."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import text as text_module
from runtime.detections import Detections
from runtime.draw import class_colour, line_width, text_colour, text_size
from runtime.text import measure, printable, put_text

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
    line = line_width((300, 400))
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


def test_the_label_goes_inside_where_there_is_no_room_above() -> None:
    image = grey(300, 400)
    _, top, _, bottom = touched(image, detections((50, 0, 200, 150, 0.9, 0)).draw(image))
    assert top == 0
    assert bottom <= 150 + line_width((300, 400))


def label_area(width: int, height: int, box: tuple[float, float, float, float], class_id: int) -> Any:
    """Draw one box with and without a name; give what the label changed, or None."""
    image = grey(height, width)
    row = (*box, 0.5, class_id)
    named = detections(row).draw(image)
    x1, y1, x2, y2 = (round(edge) for edge in box)
    plain = image.copy()
    cv2.rectangle(plain, (x1, y1), (x2, y2), class_colour(class_id), line_width((height, width)))
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
    left, top, right, _ = label_area(400, 400, worse[:4], 0)
    assert np.array_equal(both[top : 200 - 2, left:right], alone[top : 200 - 2, left:right])


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


@pytest.mark.skipif(not hasattr(cv2, "FontFace"), reason="this OpenCV has no fonts for other scripts")
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
