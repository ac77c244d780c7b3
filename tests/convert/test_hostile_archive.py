"""The files of an audit, `../shared/data/hostile.tar.xz`: each ends in one sentence, soon, in little memory.

    python tests/convert/test_hostile_archive.py

prints what every one of them does to every command: exit code, seconds of processor time, peak memory, what
is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
ARCHIVE = SHARED / "hostile.tar.xz"
PICTURE = ROOT / "samples" / "cluttered.jpg"
BUILD = Path(os.environ.get("YOLOV5_DNN_BUILD", ROOT / "cpp" / "build"))

# More than the command takes for a good small file, PyTorch and OpenCV loaded; of processor time, because the
# machine may have other work.
MORE_SECONDS, MORE_MEGABYTES = 5.0, 500.0
PATIENCE = 300  # seconds after which a command is ended

RUNNING = {"10-name-escape.onnx": "\\x1b", "11-name-12.onnx": "…"}
"""Models that are all right but for the names of their classes, and what of these is seen. They run, since a
name does no harm once it is shown as text: a terminal's escape comes out as `\\x1b`, and a name that is too
long is cut, all in the one line of the picture."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="measures with wait4"),
    pytest.mark.skipif(not ARCHIVE.exists(), reason="no hostile files: ../shared is absent"),
]


@dataclass(frozen=True)
class Run:
    """How a command has ended: exit code (below 0: the signal), processor seconds, peak memory, its lines."""

    code: int
    seconds: float
    megabytes: float
    lines: list[str]


def measure(command: list[str], folder: Path) -> Run:
    """Run a command in a folder, its children's time included."""
    with tempfile.TemporaryFile() as output:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().decode("utf-8", "backslashreplace").split("\n")
    seconds = usage.ru_utime + usage.ru_stime
    return Run(process.returncode, seconds, usage.ru_maxrss / 1000, [line for line in lines if line])


def commands(file: Path) -> dict[str, list[str]]:
    """Every command with this file as what it reads: a checkpoint, a model, or else a picture."""
    detect = [sys.executable, "-m", "runtime.detect"]
    cpp = str(BUILD / "yolov5-detect")
    model = [str(PICTURE), "--weights", str(file)] if file.suffix else [str(file)]
    return {
        "convert": [sys.executable, "-m", "convert", str(file), "--output", "made.onnx"],
        "detect": [*detect, *model],
        "yolov5-detect": [cpp, *model],
    }


GOOD = {
    "convert": SHARED / "checkpoints" / "random-face-n-0.5.pt",
    "detect": ROOT / "weights" / "codes.onnx",
    "yolov5-detect": ROOT / "weights" / "codes.onnx",
}


def skip_what_is_missing(command: str) -> None:
    if command == "yolov5-detect" and not (BUILD / "yolov5-detect").exists():
        pytest.skip(
            "yolov5-detect is not built; run: cmake -S cpp -B cpp/build && cmake --build cpp/build -j"
        )
    if command == "convert":
        for module in ("torch", "onnx", "onnxsim"):
            pytest.importorskip(module)


@cache
def unpacked() -> Path:
    """The folder of the files."""
    folder = Path(tempfile.mkdtemp(prefix="yolov5-dnn-hostile-"))
    with tarfile.open(ARCHIVE) as files:
        files.extractall(folder, filter="data")
    return folder


def hostile_files() -> list[Path]:
    return sorted(path for path in unpacked().rglob("*") if path.is_file())


@cache
def good(command: str) -> Run:
    """What the command takes for a good small file."""
    with tempfile.TemporaryDirectory() as folder:
        run = measure(commands(GOOD[command])[command], Path(folder))
    assert run.code == 0, run.lines
    return run


def cases() -> Iterator[tuple[str, str]]:
    """Each file's name with the commands that are meant for its kind."""
    names = []
    if ARCHIVE.exists():
        with tarfile.open(ARCHIVE) as files:
            names = sorted(Path(member.name).name for member in files if member.isfile())
    for name in names:
        yield from (
            (name, command)
            for command in (["convert"] if name.endswith(".pt") else ["detect", "yolov5-detect"])
        )


@pytest.mark.parametrize(("name", "command"), list(cases()))
def test_each_ends_in_one_sentence(name: str, command: str, tmp_path: Path) -> None:
    skip_what_is_missing(command)
    (file,) = [path for path in hostile_files() if path.name == name]
    run = measure(commands(file)[command], tmp_path)
    said = [line for line in run.lines if not line.startswith("[")]  # the converter says what it is at
    assert all(line.isprintable() for line in run.lines), run.lines
    assert not any("Traceback" in line for line in run.lines), run.lines
    if name in RUNNING:
        assert run.code == 0, run.lines
        if not cv2.__version__.startswith("5"):  # OpenCV 4 alone cannot draw what one of the names is made of
            said = [line for line in said if "yolov5-dnn[unicode]" not in line]
        assert len(said) == 2, said  # the picture's line and the summary
        assert RUNNING[name] in said[0], said
        assert len(said[0]) < 500, said
    else:
        assert run.code == (2 if file.suffix else 1), run.lines
        assert sum(line.startswith("error: ") for line in said) == 1, said
        assert len(said) <= (1 if file.suffix else 2), said  # of a picture the summary follows
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    limit = good(command)
    assert run.seconds < limit.seconds + MORE_SECONDS, (run.seconds, limit.seconds)
    assert run.megabytes < limit.megabytes + MORE_MEGABYTES, (run.megabytes, limit.megabytes)


def main() -> None:
    """Print the table of all files and all commands; the first rows are those of good files."""
    print("| file | command | exit code | CPU s | peak MB | what is said |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    for command, file in GOOD.items():
        show(f"(good) {file.name}", command, good(command))
    for file in hostile_files():
        for command, words in commands(file).items():
            with tempfile.TemporaryDirectory() as folder:
                show(file.name, command, measure(words, Path(folder)))


def show(name: str, command: str, run: Run) -> None:
    said = next((line for line in run.lines if not line.startswith("[")), "").replace("|", "\\|")[:160]
    print(
        f"| {name} | {command} | {run.code} | {run.seconds:.2f} | {run.megabytes:.0f} | {said} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
