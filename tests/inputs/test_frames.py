"""Reading pictures, videos and live streams frame by frame."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import encode, mjpeg_server, quarters, red_picture, write_video

from runtime.inputs import frames
from runtime.inputs.frames import End, Event, Frame, Problem, read_files, read_live
from runtime.inputs.sources import Source, find_sources


def sources_of(*arguments: str | Path) -> list[Source]:
    sources, problems, _ = find_sources([str(argument) for argument in arguments])
    assert problems == []
    return sources


def brightness(events: Iterable[Event]) -> list[int]:
    """Tell frames of `write_video` apart: which number were they?"""
    return [round((event.image.mean() - 10) / 10) for event in events if isinstance(event, Frame)]


def test_pictures_come_in_order_and_bad_ones_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(quarters(), ".png"))
    (tmp_path / "b.png").write_bytes(b"broken")
    (tmp_path / "c.png").write_bytes(encode(red_picture(), ".png"))
    first, second, third = read_files(sources_of(tmp_path))
    assert isinstance(first, Frame)
    assert np.array_equal(first.image, quarters())
    assert first.index is None
    assert isinstance(second, Problem)
    assert second.fatal
    assert "b.png" in second.text
    assert isinstance(third, Frame)
    assert np.array_equal(third.image, red_picture())


@pytest.mark.parametrize("kind", ["video", "live"])
def test_frames_have_a_budget_of_pixels(tmp_path: Path, kind: str) -> None:
    path = write_video(tmp_path / "clip.avi", count=3, size=(80, 48))
    (source,) = sources_of(path)

    def read(max_pixels: int) -> list[Event]:
        if kind == "video":
            return list(read_files([source], max_pixels=max_pixels))
        return list(read_live(source, max_pixels=max_pixels))

    assert len(brightness(read(80 * 48))) == 3
    problem, end = read(80 * 48 - 1)
    assert isinstance(problem, Problem)
    assert problem.fatal
    assert problem.text == f"{path}: its 80x48 pixels are more than the 3839 that are decoded"
    assert isinstance(end, End)


@pytest.mark.parametrize("name", ["clip.avi", "片段 one.avi"])
def test_every_frame_of_a_video(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, count=12, size=(80, 48), fps=10)
    *read, end = read_files(sources_of(path))
    assert isinstance(end, End)
    assert brightness(read) == list(range(12))
    for index, frame in enumerate(read):
        assert isinstance(frame, Frame)
        assert (frame.index, frame.count, frame.fps) == (index, 12, 10)
        assert frame.image.shape == (48, 80, 3)
        assert frame.image.dtype == np.uint8


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no Unicode")
def test_a_video_whose_name_is_no_unicode(tmp_path: Path) -> None:
    path = write_video(tmp_path / os.fsdecode(b"caf\xe9.avi"), count=3)
    assert brightness(read_files(sources_of(path))) == [0, 1, 2]


def test_names_that_the_platform_does_not_take_get_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "片段.avi", count=3)
    opened = []
    capture = cv2.VideoCapture
    monkeypatch.setattr(frames, "is_opencv_name", str.isascii)  # as on Windows

    def recorded(name: str) -> cv2.VideoCapture:
        opened.append(name)
        return capture(name)

    monkeypatch.setattr(cv2, "VideoCapture", recorded)
    assert brightness(read_files(sources_of(path))) == [0, 1, 2]
    assert len(opened) == 1
    assert opened[0].isascii()
    assert not Path(opened[0]).exists(), "the other name is gone afterwards"
    assert path.exists()


def test_vid_stride_leaves_frames_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", count=10, fps=10)
    *read, _ = read_files(sources_of(path), vid_stride=4)
    assert brightness(read) == [0, 4, 8]
    assert [frame.index for frame in read if isinstance(frame, Frame)] == [0, 4, 8]
    assert {frame.fps for frame in read if isinstance(frame, Frame)} == {2.5}


def test_what_is_no_video_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all" * 100)
    write_video(tmp_path / "b.avi", count=2)
    problem, *rest = read_files(sources_of(tmp_path))
    assert isinstance(problem, Problem)
    assert problem.fatal
    assert "a.mp4" in problem.text
    assert brightness(rest) == [0, 1]


def test_a_video_cut_short_gives_its_frames_and_a_warning(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", count=40, size=(320, 240))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    *read, warning, end = read_files(sources_of(path))
    assert 1 <= len(read) < 40
    assert brightness(read)[:3] == [0, 1, 2][: len(read)]
    assert isinstance(warning, Problem)
    assert not warning.fatal
    assert isinstance(end, End)


def test_a_stream_that_is_lost_is_opened_again_and_given_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "RETRY_SECONDS", (0.01, 0.02))
    with mjpeg_server(red_picture(), lengths=[40, 40]) as url:
        events = list(read_live(sources_of(url)[0]))
    read = [event for event in events if isinstance(event, Frame)]
    problems = [event for event in events if isinstance(event, Problem)]
    assert 40 < len(read) <= 80, "frames of both connections"
    assert [frame.index for frame in read] == list(range(len(read)))
    assert np.abs(read[-1].image.astype(int) - red_picture()).mean() < 10
    seconds = [frame.seconds for frame in read]
    assert seconds == sorted(seconds)
    assert [problem.fatal for problem in problems] == [False, False, False, True]
    assert "try 1 of 2" in problems[0].text
    assert "try 1 of 2" in problems[1].text, "frames in between start the count anew"
    assert "try 2 of 2" in problems[2].text
    assert "given up" in problems[3].text
    assert isinstance(events[-1], End)


def test_a_url_that_turns_out_to_be_a_video_ends_with_it(tmp_path: Path) -> None:
    write_video(tmp_path / "clip", count=8)
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        *read, end = read_live(sources_of(f"http://127.0.0.1:{server.server_port}/clip")[0])
        server.shutdown()
    assert brightness(read) == list(range(8))
    assert len(read) == 8
    assert isinstance(end, End)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_stream_that_cannot_be_opened_is_a_problem_at_once() -> None:
    with mjpeg_server(red_picture(), lengths=[]) as url:
        (problem,) = read_live(sources_of(url)[0])
    assert isinstance(problem, Problem)
    assert problem.fatal
    assert url in problem.text


def test_a_camera_that_is_not_there() -> None:
    (problem,) = read_live(sources_of("97")[0])
    assert isinstance(problem, Problem)
    assert "camera 97" in problem.text
