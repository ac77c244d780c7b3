"""What becomes of detections."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InputError
from runtime.inputs.frames import Frame
from runtime.inputs.image_file import read_image
from runtime.inputs.sources import Kind, Source
from runtime.outputs import pictures as output_pictures
from runtime.outputs.pictures import Crops, Pictures, folder_name
from runtime.outputs.results import Output, Protected, Result
from runtime.outputs.tables import CsvFile, JsonFile, Labels
from runtime.results.detections import Detections

NAMES = ("person", '安全帽, "quoted"')
NOTHING = Protected([])


def detections(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    """Make detections from rows of x1, y1, x2, y2, score, class."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), NAMES)


TWO = detections((10, 20, 40.25, 60, 0.9, 0), (0, 0, 100, 80, 0.123456789, 1))


def picture() -> np.ndarray:
    """Make a picture, 100 wide and 80 high, with a different colour at every place."""
    rows, columns = np.mgrid[:80, :100]
    return np.dstack([rows * 3, columns * 2, (rows + columns) % 256]).astype(np.uint8)


def still(name: str = "a.png", found: Detections = TWO) -> Result:
    source = Source(Kind.IMAGE, name, Path(name), Path(name).stem)
    return Result(Frame(source, picture()), found)


CLIP = Source(Kind.VIDEO, "clip.mp4", Path("clip.mp4"), "clip")


def frame(index: int, source: Source = CLIP, grey: int | None = None, **more: float) -> Result:
    image = picture() if grey is None else np.full((80, 100, 3), grey, np.uint8)
    found = TWO if grey is None else detections()
    return Result(Frame(source, image, index, None, **{"fps": 10.0, **more}), found)


def put(output: Output, *results: Result) -> None:
    """Give results to an output and close it."""
    for result in results:
        output.add(result)
    output.close()


def files(folder: Path) -> list[str]:
    """List all files below a folder, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_json_has_the_agreed_form(tmp_path: Path) -> None:
    path = tmp_path / "new" / "found.json"
    put(JsonFile(path, NOTHING), still("图 1.png"), still(found=detections()), frame(7))
    boxes = [
        {"class_id": 0, "name": "person", "score": 0.9, "box": [10.0, 20.0, 40.25, 60.0]},
        {"class_id": 1, "name": NAMES[1], "score": 0.123457, "box": [0.0, 0.0, 100.0, 80.0]},
    ]
    assert json.loads(path.read_text("utf-8")) == [
        {"file": "图 1.png", "width": 100, "height": 80, "detections": boxes},
        {"file": "a.png", "width": 100, "height": 80, "detections": []},
        {"file": "clip.mp4", "frame": 7, "width": 100, "height": 80, "detections": boxes},
    ]
    assert '"图 1.png"' in path.read_text("utf-8"), "readable as it is"


def test_json_without_results_is_an_empty_array(tmp_path: Path) -> None:
    put(JsonFile(tmp_path / "found.json", NOTHING))
    assert json.loads((tmp_path / "found.json").read_text()) == []


def test_json_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text("the old one")
    output = JsonFile(path, NOTHING)
    output.add(still())
    assert path.read_text() == "the old one"
    output.close()
    assert len(json.loads(path.read_text("utf-8"))) == 1
    assert files(tmp_path) == ["found.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no Unicode")
def test_json_of_a_name_that_is_no_unicode_is_valid(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    put(JsonFile(tmp_path / "found.json", NOTHING), still(name))
    assert json.loads((tmp_path / "found.json").read_bytes())[0]["file"] == name


def test_csv_has_a_row_for_each_box(tmp_path: Path) -> None:
    put(CsvFile(tmp_path / "found.csv", NOTHING), still("a, b.png"), still(found=detections()), frame(7))
    with (tmp_path / "found.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["file", "frame", "class_id", "name", "score", "x1", "y1", "x2", "y2"],
        ["a, b.png", "", "0", "person", "0.9", "10.0", "20.0", "40.25", "60.0"],
        ["a, b.png", "", "1", NAMES[1], "0.123457", "0.0", "0.0", "100.0", "80.0"],
        ["clip.mp4", "7", "0", "person", "0.9", "10.0", "20.0", "40.25", "60.0"],
        ["clip.mp4", "7", "1", NAMES[1], "0.123457", "0.0", "0.0", "100.0", "80.0"],
    ]


@pytest.mark.parametrize("scores", [False, True])
def test_labels_are_shares_of_the_image(tmp_path: Path, scores: bool) -> None:
    put(Labels(tmp_path, scores, NOTHING), still(), frame(7), still("none.png", detections()))
    ends = (" 0.900000", " 0.123457") if scores else ("", "")
    expected = (
        f"0 0.251250 0.500000 0.302500 0.500000{ends[0]}\n1 0.500000 0.500000 1.000000 1.000000{ends[1]}\n"
    )
    assert (tmp_path / "labels" / "a.txt").read_text() == expected
    assert (tmp_path / "labels" / "clip_7.txt").read_text() == expected
    assert (tmp_path / "labels" / "none.txt").read_text() == "", "no boxes, as training wants it said"


def test_crops_are_what_lies_in_the_boxes(tmp_path: Path) -> None:
    found = detections(
        (10.2, 20, 39.5, 60, 0.9, 0), (99.9, 79.9, 100, 80, 0.8, 0), (100, 80, 100, 80, 0.7, 1)
    )
    put(Crops(tmp_path, NOTHING), still(found=found), frame(3))
    folder = folder_name(NAMES[1], 1)
    assert files(tmp_path / "crops") == sorted(
        [
            "person/a_0.jpg",
            "person/a_1.jpg",
            f"{folder}/a_2.jpg",
            "person/clip_3_0.jpg",
            f"{folder}/clip_3_1.jpg",
        ]
    )
    crop = read_image(tmp_path / "crops" / "person" / "a_0.jpg")
    assert crop.shape == (40, 30, 3)
    assert np.abs(crop.astype(int) - picture()[20:60, 10:40]).mean() < 5
    assert read_image(tmp_path / "crops" / "person" / "a_1.jpg").shape == (1, 1, 3)
    assert read_image(tmp_path / "crops" / folder / "a_2.jpg").shape == (1, 1, 3)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_folder_names_are_harmless_whatever_the_class_is_called(name: str) -> None:
    folder = folder_name(name, 7)
    assert folder
    assert len(folder) <= 80
    assert folder not in (".", "..")
    assert folder == folder.strip(" .")
    assert not set(folder) & set('<>:"/\\|?*\0\n')
    folder.encode()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("traffic light", "traffic light"),
        ("安全帽", "安全帽"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("C:\\Windows", "C__Windows"),
        ("..", "class7"),
        ("", "class7"),
        ("CON", "class7"),
        ("nul.txt", "class7"),
        ("concrete", "concrete"),
    ],
)
def test_folder_names(name: str, folder: str) -> None:
    assert folder_name(name, 7) == folder


def test_pictures_are_saved_with_their_boxes_under_their_names(tmp_path: Path) -> None:
    put(Pictures(tmp_path / "out", NOTHING), still("图 1.png"), still("b.xyz"))
    assert files(tmp_path) == ["out/b.jpg", "out/图 1.png"]
    assert np.array_equal(read_image(tmp_path / "out" / "图 1.png"), TWO.draw(picture()))


def test_sources_are_never_overwritten(tmp_path: Path) -> None:
    names = ["a.png", "A-boxes.png", "a.txt"]
    for name in names:
        (tmp_path / name).write_text("original")
    sources = [Source(Kind.IMAGE, name, tmp_path / name, Path(name).stem) for name in names]
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    protected = Protected(sources)
    result = Result(Frame(sources[0], picture()), TWO)
    put(Pictures(link, protected), result)
    assert files(tmp_path) == sorted([*names, "a-boxes-boxes.png"])
    assert [(tmp_path / name).read_text() for name in names] == ["original"] * 3
    for path in (tmp_path / "a.png", link / "a.png", tmp_path / "." / "A.PNG"):
        with pytest.raises(ValueError, match="is one of the sources"):
            JsonFile(path, protected)
        with pytest.raises(ValueError, match="is one of the sources"):
            CsvFile(path, protected)


def read_video(path: Path) -> list[int]:
    """Give the brightness of each frame."""
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened()
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    read = []
    while (frame_read := capture.read())[0]:
        read.append(round(frame_read[1].mean()))
    capture.release()
    return read


def test_a_video_is_saved_frame_by_frame_and_appears_at_its_end(tmp_path: Path) -> None:
    output = Pictures(tmp_path, NOTHING)
    levels = list(range(20, 200, 20))
    for index, grey in enumerate(levels):
        output.add(frame(index, grey=grey))
    assert not (tmp_path / "clip.mp4").exists()
    output.end(CLIP)
    assert files(tmp_path) == ["clip.mp4"]
    output.close()
    assert read_video(tmp_path / "clip.mp4") == pytest.approx(levels, abs=8)


def test_a_video_that_is_not_at_its_end_is_completed_by_close(tmp_path: Path) -> None:
    put(Pictures(tmp_path, NOTHING), frame(0, grey=50), frame(1, grey=100))
    assert read_video(tmp_path / "clip.mp4") == pytest.approx([50, 100], abs=8)


def test_frames_that_change_their_size_are_scaled(tmp_path: Path) -> None:
    small = Result(Frame(CLIP, np.full((40, 50, 3), 200, np.uint8), 1, fps=10.0), detections())
    put(Pictures(tmp_path, NOTHING), frame(0, grey=100), small)
    assert read_video(tmp_path / "clip.mp4") == pytest.approx([100, 200], abs=8)


def test_the_video_of_a_live_source_keeps_its_time(tmp_path: Path) -> None:
    camera = Source(Kind.LIVE, "camera 0", 0, "camera0")
    times = {0.0: 20, 0.1: 40, 0.5: 60, 0.52: 80, 0.54: 100, 0.8: 120}
    output = Pictures(tmp_path, NOTHING)
    for index, (seconds, grey) in enumerate(times.items()):
        output.add(frame(index, camera, grey, seconds=seconds))
    output.close()
    # At 10 frames per second: what came late stands until the next, what came too fast is left out.
    expected = [20, 40, 40, 40, 40, 60, 100, 100, 120]
    assert read_video(tmp_path / "camera0.mp4") == pytest.approx(expected, abs=8)


def test_a_video_goes_another_way_where_names_must_be_ascii(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_pictures, "is_opencv_name", str.isascii)  # as on Windows
    clip = Source(Kind.VIDEO, "片段.mp4", Path("片段.mp4"), "片段")
    opened = []
    writer = cv2.VideoWriter

    def spy(name: str, *arguments: Any) -> cv2.VideoWriter:
        opened.append(name)
        return writer(name, *arguments)

    spy.fourcc = writer.fourcc  # type: ignore[attr-defined]
    monkeypatch.setattr(cv2, "VideoWriter", spy)
    put(Pictures(tmp_path / "输出", NOTHING), frame(0, clip, 50), frame(1, clip, 100))
    assert [name.isascii() for name in opened] == [True]
    assert not Path(opened[0]).exists()
    assert files(tmp_path) == ["输出/片段.mp4"]
    assert read_video(tmp_path / "输出" / "片段.mp4") == pytest.approx([50, 100], abs=8)


def test_motion_jpeg_serves_where_mpeg4_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_pictures, "VIDEO_FORMATS", (("none", ".mp4"), ("MJPG", ".avi")))
    put(Pictures(tmp_path, NOTHING), frame(0, grey=50), frame(1, grey=100))
    assert files(tmp_path) == ["clip.avi"]
    assert read_video(tmp_path / "clip.avi") == pytest.approx([50, 100], abs=8)


def test_a_video_that_cannot_be_encoded_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_pictures, "VIDEO_FORMATS", (("none", ".mp4"),))
    output = Pictures(tmp_path, NOTHING)
    with pytest.raises(InputError, match=r"cannot write .*clip"):
        output.add(frame(0, grey=50))
    output.add(frame(1, grey=50))
    output.close()
    assert files(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nobody may stop the administrator")
def test_a_folder_without_permission_is_an_oserror_that_names_the_file(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(PermissionError) as error:
        JsonFile(locked / "found.json", NOTHING)
    assert error.value.filename == str(locked / "found.json")
