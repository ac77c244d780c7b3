"""Rows of live sources: there as they come, with their time, and after the process was killed."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from onnx_models import write
from pictures import mjpeg_server, red_picture

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("YOLOV5_DNN_BUILD", ROOT / "cpp" / "build"))
PROGRAMS = {
    "python": [sys.executable, "-m", "runtime.detect"],
    "c++": [str(BUILD / "yolov5-detect")],
}
pytestmark = pytest.mark.skipif(os.name == "nt", reason="kills by signal")


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("output", ["files", "standard output"])
def test_rows_survive_a_kill(tmp_path: Path, language: str, output: str) -> None:
    program = PROGRAMS[language]
    if language == "c++" and not Path(program[0]).is_file():
        pytest.skip("the C++ program is not built")
    write(tmp_path / "red.onnx")
    wanted = ["--json", "a.jsonl", "--csv", "a.csv"] if output == "files" else ["--json", "-"]
    rows = tmp_path / ("a.jsonl" if output == "files" else "out")
    began = datetime.now(timezone.utc)
    with mjpeg_server(red_picture(), [None]) as url, (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [*program, url, "--weights", "red.onnx", "--no-save", *wanted],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"},
            stdout=out,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 60
            while not rows.is_file() or rows.read_text().count("\n") < 5:
                assert time.monotonic() < deadline, "no rows while the stream runs"
                assert process.poll() is None
                time.sleep(0.05)
            seen = rows.read_text()[: rows.read_text().rindex("\n")].splitlines()
        finally:
            process.kill()
            process.wait()
    lines = rows.read_text().splitlines()
    assert lines[: len(seen)] == seen
    entries = [json.loads(line) for line in lines]
    assert all(entry["file"] == url and entry["detections"][0]["name"] == "plain" for entry in entries)
    assert [entry["frame"] for entry in entries] == sorted({entry["frame"] for entry in entries})
    times = [entry["time"] for entry in entries]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each) for each in times)
    first = datetime.fromisoformat(times[0].replace("Z", "+00:00"))
    assert began - timedelta(seconds=1) <= first <= datetime.now(timezone.utc)
    if output == "files":
        with (tmp_path / "a.csv").open(newline="") as table:
            cells = list(csv.DictReader(table))
        assert len(cells) >= len(seen)
        assert [each["time"] for each in cells[: len(seen)]] == times[: len(seen)]
