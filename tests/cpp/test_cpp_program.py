"""The C++ program: the Python command's options, detect.py's words, other exporters' files."""

from __future__ import annotations

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import encode, mjpeg_server, red_picture, write_video
from test_cpp_parity import program

from runtime import __version__, detect
from runtime.command.aliases import ALIASES, REFUSED
from runtime.inputs.image_file import read_image
from runtime.outputs.image_file import write_image

pytest.importorskip("onnx")
import exported
import onnx_models

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    onnx_models.write(tmp_path / "best.onnx")
    write_image(tmp_path / "red.png", red_picture())


def run(*arguments: str, piped: bytes = b"") -> tuple[int, str]:
    """Run the C++ program with these bytes on standard input: its exit code, and all that it says."""
    done = subprocess.run(
        [program("yolov5-detect"), *arguments],
        input=piped,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return done.returncode, done.stdout.decode("utf-8")


def python(*arguments: str) -> int:
    return detect.main(list(arguments))


def files(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_the_tables_of_aliases_are_the_same() -> None:
    text = (ROOT / "cpp" / "detect" / "aliases.hpp").read_text(encoding="utf-8")
    pairs = re.findall(r'\{"(--[\w-]+)", "((?:[^"\\]|\\.)*)"\}', text)
    theirs = {word: said.replace('\\"', '"') for word, said in pairs}
    assert {word: theirs.get(word) for word in (*ALIASES, *REFUSED)} == {**ALIASES, **REFUSED}


def test_every_option_of_the_python_command_is_there_or_named_as_missing() -> None:
    source = "".join((ROOT / "cpp" / "detect" / name).read_text() for name in ("options.hpp", "aliases.hpp"))
    usage = source[: source.index("struct Arguments")]
    parser_help = subprocess.run(
        [sys.executable, "-c", "import runtime.detect as d; d.parse(['--help'])"],
        stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT, check=True,
    ).stdout  # fmt: skip
    for option in set(re.findall(r"(?m)^  (--[a-z-]+)", parser_help)) - {"--help"}:
        assert re.search(rf"{option}(?![\w-])", usage), f"{option} is neither there nor named as missing"


def test_a_whole_command_line_of_theirs() -> None:
    line = shlex.split(
        "--weights best.onnx --source red.png --img 64 --conf=0.4 --iou 0.5 --classes 0 --agnostic-nms "
        "--max-det 9 --save-txt --save-conf --save-crop --save-csv --hide-conf --hide-labels "
        "--line-thickness 3 --vid-stride 2"
    )
    code, said = run(*line, "--project", "cpp", "--name", "exp")
    assert code == 0, said
    assert python(*line, "--project", "py", "--name", "exp") == 0
    assert files("cpp") == files("py")
    for name in files("py"):
        if name.endswith((".txt", ".csv")):
            assert Path("cpp", name).read_text() == Path("py", name).read_text()
    ours, theirs = (read_image(Path(folder, "exp", "red.png")) for folder in ("cpp", "py"))
    assert np.array_equal(ours, theirs)


def test_runs_have_folders_of_their_own() -> None:
    said = [run("red.png", "--weights", "best.onnx")[1] for _ in range(2)]
    assert [each.strip().rpartition("saved in ")[2] for each in said] == ["runs/detect", "runs/detect2"]
    assert run("red.png", "--weights", "best.onnx", "--exist-ok")[1].strip().endswith("saved in runs/detect")
    Path("torn.png").write_bytes(encode(red_picture(), ".png")[:60])
    code, out = run("torn.png", "--weights", "best.onnx")
    assert (code, "saved" in out, Path("runs/detect3").exists()) == (1, False, False)


def test_version() -> None:
    assert run("--version") == (0, f"yolov5-dnn {__version__}\n")


def test_what_is_in_folders_and_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (
        "in/a.png",
        "in/sub/a.png",
        "in/sub/deep/b.png",
        "in/.git/c.png",
        "in/._a.png",
        "only/sub/a.png",
    ):
        write_image(Path(name), red_picture())
    Path("in/notes.txt").touch()
    Path("in/sub/link").symlink_to("..", target_is_directory=True)
    options = ["--weights", "best.onnx", "--nosave"]
    for more in ([], ["--recursive"]):
        code, said = run("in", *options, *more, "--csv", "cpp.csv")
        assert (code, python("in", *options, *more, "--csv", "py.csv")) == (0, 0)
        theirs = capsys.readouterr().out
        assert Path("cpp.csv").read_text() == Path("py.csv").read_text()
        left_out = theirs.splitlines()[-1].partition("; ")[2]
        assert left_out == said.splitlines()[-1].partition("; ")[2] != ""
    code, said = run("only", *options)
    assert code == 2
    assert "no pictures or videos in this folder; --recursive looks into its subfolders" in said
    assert python("only", *options) == 2


def test_a_picture_on_standard_input() -> None:
    options = ["--weights", "best.onnx"]
    code, said = run("-", *options, piped=Path("red.png").read_bytes())
    assert (code, files("runs")) == (0, ["detect/standard-input.jpg"])
    assert "standard input  64x64  1 plain" in said
    assert "standard input: not a picture" in run("-", *options, piped=b"text")[1]
    assert "standard input can be read once only" in run("-", "-", *options)[1]


def test_waiting_for_standard_input_ends_with_ctrl_c() -> None:
    process = subprocess.Popen(
        [program("yolov5-detect"), "-", "--weights", "best.onnx", "--json", "found.json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    while not list(Path.cwd().glob(".*.part.json")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)  # it opens its files before it waits
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out.startswith(b"interrupted after 0 images in")
    assert json.loads(Path("found.json").read_text()) == []


def test_tables_of_videos(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", count=9)
    outputs = ["--csv", "c.csv", "--json", "c.json", "--save-txt", "--output", "out"]
    weights = ["--weights", "best.onnx", "--nosave"]
    code, said = run("clip.avi", "red.png", *weights, "--vid-stride", "4", *outputs)
    assert code == 0, said
    found = json.loads(Path("c.json").read_text())
    assert [entry.get("frame") for entry in found] == [0, 4, 8, None]
    assert files("out") == [f"labels/{name}.txt" for name in ("clip_0", "clip_4", "clip_8", "red")]
    with Path("c.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["frame"], row["name"]) == ("red.png", "", "plain")
    assert "c.csv is there already and is replaced" in run("red.png", *weights, "--csv", "c.csv")[1]


def test_frames_have_a_budget_of_pixels(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.avi", count=9)
    arguments = ["clip.avi", "red.png", "--weights", "best.onnx", "--nosave", "--max-pixels"]
    assert run(*arguments, "4096")[0] == 0
    code, said = run(*arguments, "4095")
    assert code == 1
    assert "clip.avi: its 64x64 pixels are more than the 4095 that are decoded" in said


def test_old_frames_of_live_sources_are_dropped() -> None:
    with mjpeg_server(red_picture(), lengths=[60]) as url:
        # so large an input takes longer than the next frame does to come
        code, said = run(
            url, "red.png", "--weights", "best.onnx", "--json", "c.json", "--imgsz", "2048", "--no-rect"
        )
    assert code == 0, said
    found = json.loads(Path("c.json").read_text())
    assert found[0]["file"] == "red.png", "files go first"
    indices = [entry["frame"] for entry in found[1:]]
    assert indices == sorted(set(indices))
    assert 2 <= len(indices) < 60
    assert indices[-1] == 59
    assert f"1 image, {len(indices)} frames in" in said
    assert len(files("runs")) == 2


def test_ctrl_c_completes_video_and_json() -> None:
    with mjpeg_server(red_picture(), lengths=[None]) as url:
        process = subprocess.Popen(
            [program("yolov5-detect"), url, "--weights", "best.onnx", "--json", "c.json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(part.stat().st_size > 10_000 for part in Path.cwd().glob(".*.part.json")):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(Path("c.json").read_text())
    assert len(found) >= 10
    assert output.splitlines()[-1].startswith(f"interrupted after {len(found)} frames")
    (video,) = files("runs")
    assert cv2.VideoCapture(f"runs/{video}").read()[0]


def test_ctrl_c_ends_divided_work_in_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(200):
        write_image(tmp_path / "in" / f"{number:03}.png", red_picture())
    options = ["--threads", "3", "--imgsz", "1024", "--no-rect"]  # so that it takes a while
    process = subprocess.Popen(
        [program("yolov5-detect"), "in", "--weights", "best.onnx", "--nosave", "--json", "c.json", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    names = [entry["file"] for entry in json.loads(Path("c.json").read_text())]
    assert names == [f"in/{number:03}.png" for number in range(len(names))]
    assert len(names) < 200
    assert f"interrupted after {len(names)} image" in (first + output).splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--half"], REFUSED["--half"]),
        (["--data", "coco.yaml"], REFUSED["--data"]),
        (["--crop-masks"], "use yolov5-dnn detect"),
        (["--device", "1"], "CUDA_VISIBLE_DEVICES=1"),
        (["--device", "cuda:0"], "cannot use the device 'cuda'"),
        (["--output", "a", "--name", "b"], "not both"),
        (["--weights", "my best.pt"], "convert it with: python -m convert 'my best.pt'"),
        (["--weights", "my best.onnx"], "python -m convert 'my best.pt' --output 'my best.onnx'"),
        (["--weights", "none.pt"], "there is no file none.pt"),
        (
            ["--weights", "torn.pt"],
            "torn.pt is not an ONNX model; convert it with: python -m convert",
        ),
        (
            ["--weights", "best.engine"],
            "best.engine is a TensorRT engine, not an ONNX model",
        ),
        (["http://127.0.0.1:9/a.jpg"], "a.jpg: only python -m runtime.detect gets pictures from URLs"),
        ([""], "an empty source"),
        (["--weights", "pose.onnx"], "pose.onnx is an export for the task 'pose'"),
        (
            ["--weights", "class.onnx"],
            "class.onnx is a classifier of another exporter: its outputs are (1, 1000)",
        ),
        (["--weights", "end.onnx"], "run it with OpenCV 5 on the cpu, or export it without NMS"),
        (["--weights", "final.onnx"], "run it with OpenCV 5 on the cpu, or export it without NMS"),
        (["--weights", "names.onnx"], "has names in its metadata that break at"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_code_2(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    Path("my best.pt").write_bytes(b"PK\3\4")
    Path("torn.pt").write_bytes(b"torn")
    Path("best.engine").touch()
    exported.other(tmp_path / "pose.onnx", (1, 51, 84), {**exported.YOLOV8, "task": "pose"})
    exported.other(tmp_path / "class.onnx", (1, 1000))
    exported.end_to_end(tmp_path / "end.onnx")
    exported.final(tmp_path / "final.onnx", 0)
    exported.yolov5(tmp_path / "names.onnx", {"names": "{0: print('a')}"})
    weights = [] if "--weights" in arguments else ["--weights", "best.onnx"]
    picture = [] if arguments[0][:2] != "--" else ["red.png"]
    code, said = run(*picture, *arguments, *weights)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert message in said


@pytest.mark.parametrize("metadata", [None, {}])
@pytest.mark.parametrize("exporter", [exported.yolov5, exported.yolov8])
@pytest.mark.parametrize("options", [[], ["--multi-label", "--conf-thres", "0.001"]])
def test_files_of_other_exporters(
    tmp_path: Path, exporter: Any, metadata: dict[str, str] | None, options: list[str]
) -> None:
    exporter(tmp_path / "best.onnx", metadata)
    arguments = ["red.png", "--weights", "best.onnx", "--nosave", *options]
    code, said = run(*arguments, "--json", "cpp.json")
    assert code == 0, said
    assert python(*arguments, "--json", "py.json") == 0
    ours, theirs = (
        json.loads(Path(name).read_text("utf-8"))[0]["detections"] for name in ("cpp.json", "py.json")
    )
    assert len(theirs) >= 1
    assert [each["name"] for each in ours] == [each["name"] for each in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["box"] == pytest.approx(other["box"], abs=1e-2)
        assert mine["score"] == pytest.approx(other["score"], abs=1e-5)


@pytest.mark.parametrize("names", [["it's"], ['a "b"', "\\"], ["é红😀", "\t", "tab\\t"], ["x"] * 300])
def test_names_are_read_as_python_writes_them(tmp_path: Path, names: list[str]) -> None:
    text = ascii(dict(enumerate(names))) if "é" in names[0] else str(names)
    exported.other(tmp_path / "best.onnx", (1, 4 + len(names), 84), {"names": text, "stride": "32"})
    code, said = run("red.png", "--weights", "best.onnx", "--nosave", "--classes", "no-such-class")
    assert code == 2
    assert said.startswith("error: there is no class 'no-such-class'; the model has 0 to ")
    assert f"0 to {len(names) - 1}: " in said
