"""What the command says while it works."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.command import report as report_module
from runtime.command.report import Report, plural, stages
from runtime.inputs.frames import Frame
from runtime.inputs.sources import Kind, Source
from runtime.outputs.results import Result
from runtime.results.detections import Detections, class_counts

CLIP = Source(Kind.VIDEO, "clip.mp4", Path("clip.mp4"), "clip")
NAMES = ("person", "bus")
TIMINGS = {"letterbox": 1.0, "forward": 20.0, "decode": 0.26, "nms": 0.0}


class Screen(io.StringIO):
    """A terminal that remembers everything that was on its line."""

    def isatty(self) -> bool:
        return True


def found(*class_ids: int, forward: float = 20.0) -> Detections:
    count = len(class_ids)
    boxes = np.zeros((count, 4), np.float32)
    timings = {**TIMINGS, "forward": forward}
    return Detections(
        boxes, np.ones(count, np.float32), np.array(class_ids, np.int32), NAMES, timings=timings
    )


def watch(report: Report, count: int) -> None:
    for index in range(count):
        frame = Frame(CLIP, np.zeros((48, 64, 3), np.uint8), index, 10, 25.0)
        report.result(Result(frame, found(0, 0, 1, forward=20.0 + index)))


def test_words() -> None:
    assert class_counts({1: 1, 0: 4}, NAMES) == "4 person, 1 bus"
    assert class_counts({}, NAMES) == "nothing"
    assert stages(TIMINGS) == "letterbox 1.0  forward 20.0  decode 0.3  nms 0.0 ms"
    assert (plural(1, "image"), plural(0, "image")) == ("1 image", "0 images")


def test_a_video_is_one_line_at_its_end_with_totals_and_means(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report([CLIP])
    watch(report, 3)
    assert capsys.readouterr() == ("", "")
    report.end(CLIP)
    stage_means = "letterbox 1.0  forward 21.0  decode 0.3  nms 0.0 ms"
    assert capsys.readouterr() == (f"clip.mp4  64x48  3 frames  6 person, 3 bus   {stage_means}\n", "")


def test_a_terminal_shows_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(report_module, "STATUS_SECONDS", 0)
    monkeypatch.setenv("COLUMNS", "50")
    report = Report([CLIP, CLIP])
    watch(report, 2)
    shown = screen.getvalue().split("\r")
    assert shown[0].startswith("[2/2] clip.mp4  frame 0/10  ")
    assert shown[1].strip() == "", "cleared before the next one"
    assert "frame 1/10" in shown[2]
    assert max(map(len, shown)) < 50
    report.end(CLIP)
    assert screen.getvalue().endswith(" \r"), "cleared before the result"


def test_a_log_file_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_module, "LOG_SECONDS", 0)
    watch(Report([CLIP]), 2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[1] for line in lines] == ["frame 0/10", "frame 1/10"]


def test_the_summary_counts_pictures_frames_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report([CLIP])
    watch(report, 2)
    report.result(Result(Frame(CLIP, np.zeros((48, 64, 3), np.uint8)), found()))
    report.problem("a.jpg: torn")
    report.problem("clip.mp4: cut short", fatal=False)
    report.summary("out", interrupted=True)
    output = capsys.readouterr()
    assert output.err == "error: a.jpg: torn\nwarning: clip.mp4: cut short\n"
    assert report.failed == 1
    picture, video, summary = output.out.splitlines()
    assert picture.startswith("clip.mp4  64x48  nothing")
    assert video.startswith("clip.mp4  64x48  2 frames"), "the video that was not at its end is told, too"
    assert summary.startswith("interrupted after 1 image, 2 frames, 1 failed in ")
    assert summary.endswith("; saved in out")
