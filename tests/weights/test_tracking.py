"""The tracking samples, on the clip that samples/draw_clip.py draws: two of three codes cross the middle."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from paths import ROOT


def run(name: str, *arguments: str | Path) -> str:
    command = [sys.executable, str(ROOT / "samples" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("supervision")
    pytest.importorskip("trackers")
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    run("draw_clip.py", path)
    return path


def test_ids_stay_with_their_objects(clip: Path) -> None:
    """In the table and in the picture: each code keeps its number while it crosses."""
    table, drawn = clip.with_name("tracks.csv"), clip.with_name("tracked.avi")
    assert run("track.py", clip, "--output", drawn, "--csv", table).startswith("3 objects in ")
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for middle in (100, 250, 390):
        mine = [row for row in rows if abs((float(row["y1"]) + float(row["y2"])) / 2 - middle) < 30]
        assert len(mine) > 50
        assert len({row["track_id"] for row in mine}) == 1
    assert cv2.VideoCapture(str(drawn)).get(cv2.CAP_PROP_FRAME_COUNT) == 60


def test_the_line_is_crossed_once_in_each_direction(clip: Path) -> None:
    assert run("count_line.py", clip, "--line", "320", "0", "320", "480") == "1 in, 1 out\n"
