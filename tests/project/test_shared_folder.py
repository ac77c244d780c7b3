"""Two programs that write into one folder at the same time: neither fails, and what is left is whole."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import encode, red_picture, write_video
from test_cpp_parity import program

pytest.importorskip("onnx")
import onnx_models

ROOT = Path(__file__).resolve().parents[2]
PICTURES = 30


def command(twin: str) -> list[str]:
    """How a twin's program is started, without its arguments."""
    if twin == "C++":
        return [str(program("yolov5-detect"))]
    return [sys.executable, "-m", "runtime.detect"]


@pytest.mark.parametrize("second", ["Python", "C++"])
def test_two_programs_in_one_folder_stay_clean(tmp_path: Path, second: str) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(PICTURES):
        (images / f"{number:02d}.png").write_bytes(encode(red_picture(), ".png"))
    write_video(images / "clip.avi", count=20)
    out = tmp_path / "out"
    arguments = [
        *(str(images), "--weights", str(onnx_models.write(tmp_path / "best.onnx"))),
        *("--output", str(out), "--exist-ok", "--save-txt", "--save-crop"),
        *("--json", str(out / "found.json"), "--csv", str(out / "found.csv")),
    ]
    processes = [
        subprocess.Popen(
            [*command(twin), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        for twin in ("Python", second)
    ]
    for process in processes:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said

    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert not [name for name in files if "/." in f"/{name}" or ".part" in name]
    assert {f"{number:02d}.png" for number in range(PICTURES)} <= files
    for name in files:
        if name.endswith((".png", ".jpg")):
            image = cv2.imdecode(np.fromfile(out / name, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None, name
    (video,) = [name for name in files if name.startswith("clip") and name.endswith((".mp4", ".avi"))]
    capture = cv2.VideoCapture(str(out / video))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 20
    found = json.loads((out / "found.json").read_text("utf-8"))
    assert len({entry["file"] for entry in found}) == PICTURES + 1
    with (out / "found.csv").open(encoding="utf-8", newline="") as table:
        assert len({row["file"] for row in csv.DictReader(table)}) >= PICTURES
