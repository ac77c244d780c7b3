"""Outputs that are pictures: annotated ones, annotated videos, and what was found, cut out."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..inputs.frames import is_opencv_name
from ..inputs.sources import Kind, Source, cut
from ..results.detections import Detections
from .atomic import AtomicFile, own_folder
from .image_file import can_write, write_image
from .results import Protected, Result

# MPEG-4 in MP4 plays nearly everywhere; a build without FFmpeg has only Motion JPEG, in AVI.
VIDEO_FORMATS = (("mp4v", ".mp4"), ("MJPG", ".avi"))
MAX_FOLDER = 120  # bytes of a class's folder name
MAX_LIVE_FPS = 30  # of the saved video, when a camera promises more
WINDOWS_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Pictures:
    """Annotated pictures and videos in a folder, under the names of their sources."""

    def __init__(self, folder: Path, protected: Protected):
        self.saved = 0
        self._folder = folder
        self._protected = protected
        self._videos: dict[Source, VideoFile | None] = {}  # None: cannot be written

    def add(self, result: Result) -> None:
        """Write a picture, or the next frame of a video."""
        frame = result.frame
        source = frame.source
        if frame.index is None:
            suffix = source.suffix
            path = self._protected.free(self._folder, source.stem, suffix if can_write(suffix) else ".jpg")
            write_image(path, result.picture)
            self.saved += 1
            return
        height, width = frame.image.shape[:2]
        live = source.kind is Kind.LIVE
        if source not in self._videos:
            fps = min(frame.fps, MAX_LIVE_FPS) if live else frame.fps
            self._videos[source] = None
            self._videos[source] = VideoFile(self._folder, source.stem, fps, (width, height), self._protected)
        # Frames of a live source are dropped when detection lags. Each picture stands until the next one, so
        # that the video runs at the speed of the world.
        video = self._videos[source]
        if video:
            video.write(result.picture, until=frame.seconds if live else None)

    def end(self, source: Source) -> None:
        """Complete a video."""
        video = self._videos.pop(source, None)
        if video:
            video.close()
            self.saved += 1

    def close(self, failed: bool = False) -> None:
        """Complete all videos."""
        for source in list(self._videos):
            self.end(source)


class VideoFile:
    """A video that appears in a folder when it is closed.

    size: (width, height) of the first frame; later ones are scaled to it. fps: frames per second.
    """

    def __init__(self, folder: Path, stem: str, fps: float, size: tuple[int, int], protected: Protected):
        self._fps, self._size = fps, size
        self._written = 0
        self._last: np.ndarray | None = None
        for codec, suffix in VIDEO_FORMATS:
            self._file = AtomicFile(protected.free(folder, stem, suffix))
            with self._file.writing():
                self._detour = _detour(self._file.temporary)
            name = str(self._place())
            self._writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*codec), fps, size)
            if self._writer.isOpened():
                return
            self._writer.release()
            self._discard()
        raise InputError(f"cannot write {folder / stem}: this OpenCV encodes neither MPEG-4 nor Motion JPEG")

    def write(self, image: np.ndarray, until: float | None = None) -> None:
        """Append a frame. With `until`, in seconds, the last frame is repeated first, until that time."""
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        if until is not None:
            due = round(until * self._fps)
            while self._last is not None and self._written < due:
                self._append(self._last)
            self._last = image
            if self._written > due:  # it comes faster than the video's own rate
                return
        self._append(image)

    def _append(self, image: np.ndarray) -> None:
        self._writer.write(image)
        self._written += 1

    def close(self) -> None:
        """Complete the file."""
        self._writer.release()
        with self._file.writing():
            try:
                self._verify(self._place())
                if self._detour:
                    import shutil  # with its own imports it would delay every start

                    shutil.copyfile(self._detour, self._file.temporary)
            finally:
                if self._detour:
                    self._detour.unlink(missing_ok=True)
        self._file.commit()

    def _verify(self, path: Path) -> None:
        """Read the file's head: OpenCV says nothing when a disk is full. Raises OSError."""
        video = cv2.VideoCapture(str(path))
        frames, readable = video.get(cv2.CAP_PROP_FRAME_COUNT), video.grab()
        video.release()
        if not readable or frames < self._written:
            raise OSError(errno.EIO, "the video is not complete; is the disk full?")

    def _place(self) -> Path:
        """The file that OpenCV writes, as an absolute path: it takes some names for addresses."""
        return (self._detour or self._file.temporary).absolute()

    def _discard(self) -> None:
        self._file.discard()
        if self._detour:
            self._detour.unlink(missing_ok=True)


def _detour(path: Path) -> Path | None:
    """Give another place to write a video to, if OpenCV cannot take the name of this one."""
    if is_opencv_name(str(path)):
        return None
    import tempfile  # with its own imports it would delay every start

    handle, name = tempfile.mkstemp(path.suffix, "yolov5-dnn-")
    os.close(handle)
    return Path(name)


class Crops:
    """What was found, cut out of the image along its box: FOLDER/crops/CLASS/STEM_NUMBER.jpg.

    With `masked` it is a PNG, transparent where the mask is not; without masks there is nothing to mask.
    """

    def __init__(self, folder: Path, protected: Protected, masked: bool = False):
        self.saved = 0
        self._folder = folder / "crops"
        self._protected = protected
        self._masked = masked

    def add(self, result: Result) -> None:
        """Write one picture for each box."""
        image, detections = result.frame.image, result.found
        assert isinstance(detections, Detections), "only boxes can be cut out"
        height, width = image.shape[:2]
        for number, (box, class_id) in enumerate(zip(detections.xyxy, detections.class_ids, strict=True)):
            x1, y1 = np.floor(box[:2]).astype(int).tolist()
            x2, y2 = np.ceil(box[2:]).astype(int).tolist()
            x1, y1 = min(x1, width - 1), min(y1, height - 1)
            y2, x2 = max(y2, y1 + 1), max(x2, x1 + 1)
            crop, suffix = image[y1:y2, x1:x2], ".jpg"
            if self._masked and detections.masks is not None:
                alpha = detections.masks[number][y1:y2, x1:x2].astype(np.uint8) * 255
                crop, suffix = np.dstack((crop, alpha)), ".png"
            folder = own_folder(self._folder) / folder_name(detections.names[class_id], int(class_id))
            own_folder(folder)
            write_image(self._protected.free(folder, f"{result.stem}_{number}", suffix), crop)
            self.saved += 1

    def end(self, source: Source) -> None:
        """Nothing to do."""

    def close(self, failed: bool = False) -> None:
        """Nothing to do."""


def folder_name(name: str, class_id: int) -> str:
    """Make a class name, which may hold anything, fit for a folder on every system."""
    clean = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]', "_", name).strip(" .")
    clean = cut(clean, MAX_FOLDER).rstrip(" .")
    if not clean or WINDOWS_NAMES.fullmatch(clean):
        return f"class{class_id}"
    return clean
