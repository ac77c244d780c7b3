"""Measuring and drawing one line of text, in any script.

OpenCV 4 has stroke fonts for ASCII only. OpenCV 5 has fonts for Latin, Greek, Cyrillic, Chinese, Japanese
and Korean built in. What the installed OpenCV cannot draw is drawn by Pillow, if that is installed, with a
font of the system.
"""

from __future__ import annotations

import threading
import unicodedata
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

# Font files that are part of, or common on, Windows, macOS and Linux, those with most letters first. Pillow
# looks for them in the system's font folders.
FONT_FILES = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DroidSansFallback.ttf",
    "msyh.ttc",
    "simsun.ttc",
    "malgun.ttf",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "segoeui.ttf",
    "Nirmala.ttc",
    "Nirmala.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "DejaVuSans.ttf",
    "FreeSans.ttf",
    "arial.ttf",
)

_HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
_HERSHEY_HEIGHT = 30  # pixels from the top of a capital to the bottom of a descender at scale 1, about
_WEIGHT = 500  # of OpenCV 5's letters: a little bolder than regular
_lock = threading.Lock()  # OpenCV's and Pillow's fonts keep drawn letters, without guarding them


class Extent(NamedTuple):
    """How much room a line of text takes, in pixels: `ascent` above its baseline, `descent` below."""

    width: int
    ascent: int
    descent: int


def _heights(text: str, size: int) -> tuple[int, int]:
    """Ascent and descent that hold any letter; beyond ASCII, capitals carry accents."""
    return round(size * (0.8 if text.isascii() else 0.95)), round(size * 0.25)


def printable(text: str) -> str:
    """Replace what no renderer takes: control characters, and halves of characters, which crash OpenCV 5."""
    return "".join("?" if unicodedata.category(letter) in ("Cc", "Cs", "Cn") else letter for letter in text)


def measure(text: str, size: int) -> Extent:
    """Measure a line of text whose letters, with ascenders and descenders, are `size` pixels high."""
    text = printable(text)
    with _lock:
        return _renderer(text).measure(text, size)


def put_text(
    image: np.ndarray, text: str, origin: tuple[int, int], size: int, bgr: tuple[int, int, int]
) -> None:
    """Draw a line of text into an image. `origin` is the left end of its baseline."""
    text = printable(text)
    with _lock:
        _renderer(text).put(image, text, origin, size, bgr)


class _Hershey:
    """OpenCV's stroke font: every version has it, ASCII only; other letters become question marks."""

    def measure(self, text: str, size: int) -> Extent:
        scale, thickness = size / _HERSHEY_HEIGHT, self._thickness(size)
        (width, height), baseline = cv2.getTextSize(self._ascii(text), _HERSHEY, scale, thickness)
        return Extent(width, height, baseline)

    def put(
        self, image: np.ndarray, text: str, origin: tuple[int, int], size: int, bgr: tuple[int, int, int]
    ) -> None:
        scale, thickness = size / _HERSHEY_HEIGHT, self._thickness(size)
        cv2.putText(image, self._ascii(text), origin, _HERSHEY, scale, bgr, thickness, cv2.LINE_AA)

    @staticmethod
    def _thickness(size: int) -> int:
        return max(1, round(size / 14))

    @staticmethod
    def _ascii(text: str) -> str:
        return text.encode("ascii", "replace").decode()


class _FontFace:
    """OpenCV 5's fonts."""

    def __init__(self) -> None:
        self._face = cv2.FontFace("sans")
        self._known: dict[str, bool] = {}

    def measure(self, text: str, size: int) -> Extent:
        left, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), self._face, size, _WEIGHT)
        # The box it gives is as high as the text's letters happen to be; labels should not differ by that.
        return Extent(left + width, *_heights(text, size))

    def put(
        self, image: np.ndarray, text: str, origin: tuple[int, int], size: int, bgr: tuple[int, int, int]
    ) -> None:
        # A wrap range wider than any label: by default, text that touches the right edge starts a new line.
        cv2.putText(
            image, text, origin, bgr, self._face, size, _WEIGHT, cv2.PUT_TEXT_ALIGN_LEFT, (0, 1 << 20)
        )

    def draws(self, text: str) -> bool:
        """Say whether all letters are in its fonts and run from left to right without joining."""
        return all(self._draws(letter) for letter in text)

    def _draws(self, letter: str) -> bool:
        if letter not in self._known:
            if letter.isascii():
                self._known[letter] = True
            elif unicodedata.bidirectional(letter) in ("R", "AL") or unicodedata.combining(letter):
                self._known[letter] = False
            else:
                self._known[letter] = not np.array_equal(self._picture(letter), self._picture("?"))
        return self._known[letter]

    def _picture(self, letter: str) -> np.ndarray:
        canvas = np.zeros((40, 60, 3), np.uint8)
        self.put(canvas, letter, (10, 30), 24, (255, 255, 255))
        return canvas


class _Pillow:
    """Fonts of the system, drawn by Pillow."""

    def __init__(self) -> None:
        from PIL import ImageFont

        self._module = ImageFont

    def measure(self, text: str, size: int) -> Extent:
        font = self._font(text, size)
        return Extent(round(font.getlength(text)), *_heights(text, size))

    def put(
        self, image: np.ndarray, text: str, origin: tuple[int, int], size: int, bgr: tuple[int, int, int]
    ) -> None:
        from PIL import Image, ImageDraw

        font = self._font(text, size)
        left, top, right, bottom = (int(edge) for edge in font.getbbox(text, anchor="ls"))
        # Only the rectangle of the text goes through Pillow, as a mask: converting the image would be slow.
        mask = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
        ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font, anchor="ls")
        _blend(image, np.asarray(mask), (origin[0] + left, origin[1] + top), bgr)

    def draws(self, text: str) -> bool:
        """Say whether one of the system's fonts has all letters."""
        return self._file(text) is not None

    def _font(self, text: str, size: int) -> Any:
        name = self._file(text) or self._first()
        return self._module.load_default(size) if name is None else _pillow_font(name, size)

    def _file(self, text: str) -> str | None:
        return next(
            (name for name in self._files() if all(_has_glyph(name, letter) for letter in text)), None
        )

    def _first(self) -> str | None:
        return next(iter(self._files()), None)

    @staticmethod
    @lru_cache(1)
    def _files() -> tuple[str, ...]:
        return tuple(name for name in FONT_FILES if _pillow_font(name, 16) is not None)


@lru_cache(64)
def _pillow_font(name: str, size: int) -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


@lru_cache(4096)
def _has_glyph(name: str, letter: str) -> bool:
    """Compare with a letter that no font has: what is drawn in its place looks like that."""
    font = _pillow_font(name, 16)
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))


def _blend(image: np.ndarray, mask: np.ndarray, corner: tuple[int, int], bgr: tuple[int, int, int]) -> None:
    """Lay a colour over an image where a mask (uint8, 255 = fully) says so; parts outside are left out."""
    x, y = corner
    mask = mask[max(-y, 0) :, max(-x, 0) :]
    x, y = max(x, 0), max(y, 0)
    part = image[y : y + mask.shape[0], x : x + mask.shape[1]]
    if part.size:
        share = mask[: part.shape[0], : part.shape[1], None] / np.float32(255)
        part[:] = np.rint(part + (np.array(bgr, np.float32) - part) * share)


_hershey = _Hershey()


@lru_cache(1)
def _font_face() -> _FontFace | None:
    return _FontFace() if hasattr(cv2, "FontFace") else None


@lru_cache(1)
def _pillow() -> _Pillow | None:
    try:
        return _Pillow()
    except ImportError:
        return None


@lru_cache(4096)
def _renderer(text: str) -> _Hershey | _FontFace | _Pillow:
    """Choose what draws a text: OpenCV if it can, else Pillow if it can, else OpenCV with question marks."""
    native = _font_face()
    if text.isascii() or (native and native.draws(text)):
        return native or _hershey
    pillow = _pillow()
    if pillow and pillow.draws(text):
        return pillow
    _warn_once(
        "no installed font has all its letters"
        if pillow
        else 'install Pillow: pip install "yolov5-dnn[unicode]"'
    )
    return native or _hershey


@lru_cache(1)
def _warn_once(remedy: str) -> None:
    warnings.warn(
        f"some names have letters that OpenCV {cv2.__version__} cannot draw; {remedy}", stacklevel=2
    )
