"""What is written to, and is no file: standard output, pipes, devices, links."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import pytest
from onnx_models import write
from pictures import red_picture

from runtime.outputs.atomic import write_atomic

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these are files of Unix")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "red.onnx")
    cv2.imwrite(str(tmp_path / "red.png"), red_picture())
    return tmp_path


def detect(place: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "runtime.detect",
        "red.png",
        "--weights",
        "red.onnx",
        "--no-save",
        *arguments,
    ]
    return subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        **{"capture_output": True, **more},
    )  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_holds_the_results_alone(place: Path, name: str) -> None:
    if name != "-" and not Path(name).exists():
        pytest.skip("this system has none")
    done = detect(place, "--json", name)
    assert done.returncode == 0
    (entry,) = json.loads(done.stdout)
    assert entry["file"] == "red.png"
    assert "1 plain" in done.stderr
    done = detect(place, "--csv", name)
    assert [row["name"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["plain"]
    assert detect(place, "--json", name, "--csv", name).returncode == 2


def test_a_shell_s_file_is_not_replaced(place: Path) -> None:
    with (place / "out.txt").open("w") as out:
        out.write("first\n")
        out.flush()
        assert detect(place, "--json", "/dev/stdout", capture_output=False, stdout=out).returncode == 0
    first, rest = (place / "out.txt").read_text().split("\n", 1)
    assert first == "first"
    assert json.loads(rest)[0]["file"] == "red.png"


def through_pipe(pipe: Path, work: Callable[[], object]) -> bytes:
    """Do work that writes to a pipe; gives what comes out of it."""
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    work()
    reader.join(20)
    assert pipe.is_fifo(), "it was replaced"
    return read[0]


def test_a_pipe_is_written_to(place: Path) -> None:
    pipe = place / "pipe"
    os.mkfifo(pipe)
    for option in ("--json", "--csv"):
        assert b"red.png" in through_pipe(pipe, partial(detect, place, option, str(pipe)))
    assert through_pipe(pipe, lambda: write_atomic(pipe, b"all of it")) == b"all of it"
    assert sorted(path.name for path in place.iterdir()) == ["pipe", "red.onnx", "red.png"]


def test_a_device_is_written_to(place: Path) -> None:
    null = Path(os.devnull).stat()
    assert detect(place, "--json", os.devnull, "--csv", os.devnull).returncode == 0
    write_atomic(Path(os.devnull), b"x")
    assert os.path.samestat(null, Path(os.devnull).stat())


def test_a_link_is_followed(place: Path) -> None:
    (place / "kept").mkdir()
    (place / "kept" / "old.json").write_text("old")
    for target in ("kept/old.json", "kept/new.json"):
        link = place / "link.json"
        link.symlink_to(target)
        assert detect(place, "--json", "link.json").returncode == 0
        assert link.is_symlink()
        assert json.loads((place / target).read_text())[0]["file"] == "red.png"
        link.unlink()


def test_a_link_to_a_source_is_refused(place: Path) -> None:
    before = (place / "red.png").read_bytes()
    (place / "link.json").symlink_to("red.png")
    done = detect(place, "--json", "link.json")
    assert done.returncode == 2
    assert "one of the sources" in done.stderr
    assert (place / "red.png").read_bytes() == before


def test_something_else_in_the_folder_of_a_run_is_an_error(place: Path) -> None:
    (place / "out" / "labels").mkdir(parents=True)
    os.mkfifo(place / "out" / "labels" / "red.txt")
    done = detect(place, "--save-txt", "--output", "out")
    assert done.returncode == 2
    assert "it is there and is no file" in done.stderr
    assert (place / "out" / "labels" / "red.txt").is_fifo()


def test_a_line_for_each_image(place: Path) -> None:
    done = detect(place, "--source", "red.png", "--json", "found.jsonl", "--csv", "found.csv")
    assert done.returncode == 0
    lines = (place / "found.jsonl").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["red.png", "red.png"]
