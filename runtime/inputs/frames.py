"""Reading the sources: pictures one by one, videos frame by frame, live streams for as long as they last."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from .image_file import MAX_PIXELS, check_size, decode_image, read_image
from .remote import download, read_standard_input
from .sources import STANDARD_INPUT, Kind, Source

TIMEOUT_MS = 10_000  # for opening a stream, and for its next frame
RETRY_SECONDS = (1, 2, 4, 8, 16)  # how long to wait before each new try to open a stream that was lost


@dataclass(frozen=True)
class Frame:
    """One picture to look at.

    image: uint8 (h, w, 3), BGR.
    index: number of the frame in its video or stream, from 0; None for a picture file.
    count: how many frames the video says it has; None if it does not say, or has no end.
    fps: frames per second of the video or stream as it is given on, that is, with the skipped ones left out.
    seconds: for live sources, when it was taken, since the first one.
    taken: for live sources, the POSIX time at which it was taken; None for others.
    """

    source: Source
    image: np.ndarray
    index: int | None = None
    count: int | None = None
    fps: float = 0.0
    seconds: float = 0.0
    taken: float | None = None


@dataclass(frozen=True)
class Problem:
    """Something to report: `text` names the source. `fatal` says that (the rest of) the source is lost."""

    source: Source
    text: str
    fatal: bool = True


@dataclass(frozen=True)
class End:
    """A video or live source gives no more frames."""

    source: Source


Event = Frame | Problem | End


def read_files(
    sources: Iterable[Source], vid_stride: int = 1, max_pixels: int = MAX_PIXELS, channels: int = 3
) -> Iterator[Event]:
    """Read pictures and videos in order, of videos every `vid_stride`-th frame.

    A picture, or a video whose frames have more than `max_pixels`, is a Problem. channels: see `read_image`;
    videos come as BGR.
    """
    for source in sources:
        if source.kind is Kind.VIDEO:
            yield from _read_video(source, vid_stride, max_pixels)
        else:
            try:
                yield Frame(source, _read_picture(source, max_pixels, channels))
            except InputError as error:
                yield Problem(source, str(error))


def _read_picture(source: Source, max_pixels: int, channels: int) -> np.ndarray:
    """Read a picture from wherever it is. Raises InputError, which names it."""
    if isinstance(source.target, Path):
        return read_image(source.target, max_pixels, channels)
    try:
        data = read_standard_input() if source.target == STANDARD_INPUT else download(str(source.target))
        return decode_image(data, max_pixels, channels)
    except InputError as error:
        raise InputError(f"{source.name}: {error}") from error


def _read_video(source: Source, vid_stride: int, max_pixels: int) -> Iterator[Event]:
    with _openable(source.target) as name:
        capture = cv2.VideoCapture(name)
        try:
            if not capture.isOpened():
                yield Problem(source, f"{source.name}: not a video, or one that this OpenCV does not decode")
                return
            # Phones store how they were held; OpenCV 4.11 left that aside unless asked.
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
            _check_stated(capture, max_pixels)
            fps, count = _rate(capture) / vid_stride, max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
            index = 0
            while capture.grab():
                if index % vid_stride == 0:
                    decoded, image = capture.retrieve()
                    if not decoded:
                        break
                    check_size(image.shape[1], image.shape[0], max_pixels)
                    yield Frame(source, image, index, count or None, fps)
                index += 1
            if index == 0:
                yield Problem(source, f"{source.name}: the video has no frame that can be read")
            elif index < count * 0.95:  # the count is an estimate in some containers, so this is no failure
                yield Problem(
                    source, f"{source.name}: ended after {index} of about {count} frames", fatal=False
                )
        except InputError as error:
            yield Problem(source, f"{source.name}: {error}")
        finally:
            capture.release()
        yield End(source)


def read_live(source: Source, vid_stride: int = 1, max_pixels: int = MAX_PIXELS) -> Iterator[Event]:
    """Read a camera or stream until it ends, every `vid_stride`-th frame.

    If its pictures have more than `max_pixels`, that is a Problem and the end.

    If it stops giving frames it is opened again after a while, RETRY_SECONDS long, until it has failed that
    many times in a row. One that cannot be opened in the first place is given up at once.
    """
    index = failures = 0
    start: float | None = None
    while True:
        capture = _open_live(source.target)
        try:
            _check_stated(capture, max_pixels)
            fps = _rate(capture) / vid_stride
            first, count = index, capture.get(cv2.CAP_PROP_FRAME_COUNT)
            while capture.grab():
                now = time.monotonic()
                start = now if start is None else start
                if index % vid_stride == 0:
                    decoded, image = capture.retrieve()
                    if not decoded:
                        break
                    check_size(image.shape[1], image.shape[0], max_pixels)
                    failures = 0
                    yield Frame(source, image, index, None, fps, now - start, time.time())
                index += 1
            if 0 < count <= index - first:  # a video after all, and this is its end
                break
        except InputError as error:
            yield Problem(source, f"{source.name}: {error}")
            break
        finally:
            capture.release()
        if start is None:
            yield Problem(source, f"{source.name}: cannot be opened, or gives no pictures")
            return
        if failures == len(RETRY_SECONDS):
            yield Problem(
                source, f"{source.name}: lost after {index} frames; given up after {failures} tries"
            )
            break
        wait = RETRY_SECONDS[failures]
        failures += 1
        text = f"{source.name}: no new picture; try {failures} of {len(RETRY_SECONDS)} in {wait} s"
        yield Problem(source, text, fatal=False)
        time.sleep(wait)
    yield End(source)


def _check_stated(capture: cv2.VideoCapture, max_pixels: int) -> None:
    """Check the size that a video or stream states (0 × 0 if it does not). Raises InputError."""
    sides = (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    check_size(int(sides[0]), int(sides[1]), max_pixels)


def _rate(capture: cv2.VideoCapture) -> float:
    """Frames per second, or 25 where the source does not say or says nonsense."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return fps if 0 < fps <= 1000 else 25.0


def _open_live(target: Path | int | str) -> cv2.VideoCapture:
    if isinstance(target, int):
        return cv2.VideoCapture(target)
    if "://" in str(target) and cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends():
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        return cv2.VideoCapture(str(target), cv2.CAP_FFMPEG, timeouts)
    # The path of a device, as an absolute one: see `_openable`.
    return cv2.VideoCapture(str(target) if "://" in str(target) else str(Path(target).absolute()))


@contextmanager
def _openable(target: Path | int | str) -> Iterator[str]:
    """Give a name for the file under which OpenCV can open it: of a file its absolute path.

    FFmpeg takes "http:host?.mp4", "tcp:…", "concat:…" and the like for addresses, whatever files there are.
    Its video readers want UTF-8 on Unix and, depending on the backend, the system's code page on Windows. A
    file whose name does not fit gets a second name for the time being, or, on another drive, a copy.
    """
    name = str(target.absolute() if isinstance(target, Path) else target)
    if is_opencv_name(name) or not isinstance(target, Path):
        yield name
        return
    import shutil  # with their own imports they would delay every start
    import tempfile

    with tempfile.TemporaryDirectory(prefix="yolov5-dnn-", ignore_cleanup_errors=True) as folder:
        twin = Path(folder) / f"video{target.suffix if target.suffix.isascii() else ''}"
        try:
            os.link(target.resolve(), twin)
        except OSError:
            shutil.copyfile(target, twin)
        yield str(twin)


def is_opencv_name(name: str) -> bool:
    """Say whether OpenCV's video readers and writers take a file name: ASCII always, UTF-8 but on Windows."""
    if os.name == "nt":
        return name.isascii()
    try:
        name.encode()  # fails on bytes that Python smuggles through as surrogates; OpenCV crashes on them
    except UnicodeEncodeError:
        return False
    return True
