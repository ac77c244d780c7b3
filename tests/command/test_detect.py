"""The command `python -m runtime.detect`."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import RED_BOX, encode, mjpeg_server, quarters, red_picture, write_video

from runtime import detect
from runtime.command.screen import USUAL, screen_size
from runtime.command.window import window_size
from runtime.inputs import frames
from runtime.inputs.image_file import read_image
from runtime.outputs.image_file import write_image
from runtime.predictors.detector import DEFAULT_MODEL, Detector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model file that finds red squares; see onnx_models."""
    pytest.importorskip("onnx")
    import onnx_models

    return str(onnx_models.write(tmp_path_factory.mktemp("model") / "red.onnx"))


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run where the default output folder does no harm, and put OpenCV's threads and log level back."""
    monkeypatch.chdir(tmp_path)
    logging = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 and 4
    threads, level = cv2.getNumThreads(), logging.getLogLevel()
    yield
    cv2.setNumThreads(threads)
    logging.setLogLevel(level)


def run(*arguments: str | Path) -> int:
    """Run the command in this process."""
    return detect.main([str(argument) for argument in arguments])


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "runtime.detect", *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def boxes(entry: dict[str, Any]) -> list[list[float]]:
    return [found["box"] for found in entry["detections"]]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_picture(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(tmp_path / "红 one.png", red_picture())
    assert run("红 one.png", "--weights", model, "--json", "out.json", "--csv", "out.csv") == 0
    (entry,) = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert entry["file"] == "红 one.png"
    assert (entry["width"], entry["height"]) == (64, 64)
    (found,) = entry["detections"]
    assert (found["class_id"], found["name"]) == (0, "plain")
    assert found["box"] == pytest.approx(RED_BOX, abs=1e-3)
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["name"] == "plain"
    assert float(row["score"]) == found["score"]

    saved = read_image(tmp_path / "runs" / "detect" / "红 one.png")
    detector = Detector(model)
    assert np.array_equal(saved, detector(red_picture()).draw(red_picture()))

    output = capsys.readouterr()
    assert output.err == ""
    line, summary = output.out.splitlines()
    number = r"\d+\.\d"
    stages = rf"letterbox {number}  forward {number}  decode {number}  nms {number} ms"
    assert re.fullmatch(rf"红 one\.png  64x64  1 plain   {stages}", line)
    assert re.fullmatch(rf"1 image in {number} s \({number} per second\); saved in runs.detect", summary), (
        summary
    )


def test_many_sources_with_bad_ones_among_them(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("a", "b"):
        write_image(tmp_path / folder / "same.png", red_picture())
    (tmp_path / "b" / "torn.jpg").write_bytes(encode(red_picture(), ".jpg")[:50])
    write_video(tmp_path / "b" / "video.avi", count=4)
    code = run("a", "missing.jpg", "b", "--weights", model, "--json", "out.json", "--output", "out")
    assert code == 1, "some inputs failed"
    found = json.loads((tmp_path / "out.json").read_text())
    names = [Path(entry["file"]).as_posix() for entry in found]
    assert names == ["a/same.png", "b/same.png"] + ["b/video.avi"] * 4
    assert [entry.get("frame") for entry in found] == [None, None, 0, 1, 2, 3]
    assert [len(entry["detections"]) for entry in found] == [1, 1, 0, 0, 0, 0]
    assert files(tmp_path / "out") == ["same-2.png", "same.png", "video.mp4"]
    output = capsys.readouterr()
    errors = output.err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("error: missing.jpg: no such file")
    assert errors[1].startswith("error: [3/4] ")
    assert "torn.jpg" in errors[1]
    lines = output.out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["[1/4]", "[2/4]", "[4/4]"]
    assert "64x64  4 frames  nothing" in lines[2]
    assert lines[-1].startswith("2 images, 4 frames, 2 failed in ")


@pytest.mark.parametrize("threads", ["1", "3"])
def test_many_pictures_and_a_video_come_in_order(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str], threads: str
) -> None:
    """With several threads they are divided among detectors."""
    expected = []
    for number in range(24):
        path = tmp_path / "in" / f"{number:02}.png"
        if number in (5, 23):
            path.write_bytes(b"not a picture")
            continue
        shift = 8 * (number % 3)
        write_image(path, np.roll(red_picture(), shift, axis=1))
        expected.append((path.name, RED_BOX[0] + shift))
    write_video(tmp_path / "in" / "video.avi", count=7)
    assert run("in", "--weights", model, "--json", "out.json", "--threads", threads) == 1
    found = json.loads((tmp_path / "out.json").read_text())
    assert [(Path(entry["file"]).name, boxes(entry)[0][0]) for entry in found[:-7]] == [
        (name, pytest.approx(left, abs=1e-3)) for name, left in expected
    ]
    assert [entry["frame"] for entry in found[-7:]] == list(range(7))
    assert len(files(tmp_path / "runs")) == 23
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()[:-1]] == [
        f"[{number + 1}/25]" for number in range(25) if number not in (5, 23)
    ]
    assert output.err.count("error: ") == 2
    assert cv2.getNumThreads() == int(threads)


def test_the_sources_stay_when_they_lie_in_the_output_folder(tmp_path: Path, model: str) -> None:
    write_image(tmp_path / "red.png", red_picture())
    assert run(".", "--weights", model, "--output", ".") == 0
    assert np.array_equal(read_image(tmp_path / "red.png"), red_picture())
    assert not np.array_equal(read_image(tmp_path / "red-boxes.png"), red_picture())
    assert run("red.png", "--weights", model, "--json", "red.png") == 2
    assert np.array_equal(read_image(tmp_path / "red.png"), red_picture())


def test_labels_crops_and_no_picture(tmp_path: Path, model: str) -> None:
    write_image(tmp_path / "red.png", red_picture())
    arguments = ["red.png", "--weights", model, "--no-save", "--save-crop"]
    assert run(*arguments, "--save-txt", "--output", "one") == 0
    assert files(tmp_path / "one") == ["crops/plain/red_0.jpg", "labels/red.txt"]
    label = (tmp_path / "one" / "labels" / "red.txt").read_text().split()
    assert [float(value) for value in label] == pytest.approx(
        [0, 20 / 64, 28 / 64, 10 / 64, 14 / 64], abs=1e-5
    )
    assert read_image(tmp_path / "one" / "crops" / "plain" / "red_0.jpg").shape == (14, 10, 3)
    assert run(*arguments, "--save-conf", "--output", "two") == 0
    assert len((tmp_path / "two" / "labels" / "red.txt").read_text().split()) == 6
    assert run("red.png", "--weights", model, "--no-save") == 0
    assert not (tmp_path / "runs").exists(), "nothing to save makes no folder"


def test_options_reach_the_detector(tmp_path: Path, model: str) -> None:
    image = np.full((64, 128, 3), 40, np.uint8)
    image[24:32, 16:24] = (0, 0, 255)  # class 0, "plain"
    image[24:32, 80:88] = (255, 0, 255)  # class 1, "bluish"
    write_image(tmp_path / "two.png", image)

    def found(*options: str) -> list[str]:
        arguments = ["two.png", "--weights", model, "--imgsz", "64", "128", "--no-save", "--json", "out.json"]
        assert run(*arguments, *options) == 0
        (entry,) = json.loads((tmp_path / "out.json").read_text())
        return sorted(each["name"] for each in entry["detections"])

    assert found() == ["bluish", "plain"]
    assert found("--classes", "bluish") == ["bluish"]
    assert found("--classes", "0") == ["plain"]
    assert found("--classes", "0", "bluish") == ["bluish", "plain"]
    assert found("--max-det", "1") in (["bluish"], ["plain"])
    assert found("--conf-thres", "1") == []
    assert found("--threads", "1", "--device", "cpu") == ["bluish", "plain"]


def test_nms_options_reach_the_detector(tmp_path: Path, model: str) -> None:
    image = red_picture()
    image[24:32, 8:16] = (0, 0, 255)  # its box overlaps that of its neighbour by 2 of 10 pixels
    write_image(tmp_path / "one-class.png", image)
    image[24:32, 8:16] = (255, 0, 255)
    write_image(tmp_path / "two-classes.png", image)

    def counts(*options: str) -> list[int]:
        arguments = [".", "--weights", model, "--no-save", "--json", "out/out.json"]
        assert run(*arguments, *options) == 0
        return [len(boxes(entry)) for entry in json.loads((tmp_path / "out" / "out.json").read_text())]

    assert counts() == [2, 2]
    assert counts("--iou-thres", "0.05") == [1, 2]
    assert counts("--iou-thres", "0.05", "--agnostic-nms") == [1, 1]


def test_multi_label_gives_a_box_every_class(tmp_path: Path, model: str) -> None:
    image = red_picture()
    image[24:32, 16:24, 0] = 128  # half way between the two classes
    write_image(tmp_path / "half.png", image)
    found = []
    for options in ([], ["--multi-label"]):
        assert run("half.png", "--weights", model, "--no-save", "--json", "out.json", *options) == 0
        (entry,) = json.loads((tmp_path / "out.json").read_text())
        found.append(sorted(each["name"] for each in entry["detections"]))
        assert boxes(entry)[0] == pytest.approx(RED_BOX, abs=1e-3)
    assert found == [["bluish"], ["bluish", "plain"]]


def test_video_options(tmp_path: Path, model: str) -> None:
    write_video(tmp_path / "clip.avi", count=9, size=(96, 64), fps=10)
    assert run("clip.avi", "--weights", model, "--vid-stride", "3", "--json", "out.json") == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert [entry["frame"] for entry in found] == [0, 3, 6]
    capture = cv2.VideoCapture(str(tmp_path / "runs" / "detect" / "clip.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10 / 3, rel=0.01)
    assert (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (96, 64)
    capture.release()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.jpg"], "missing.jpg: no such file or folder"),
        (["missing.jpg", "*.gif"], "no picture or video matches this pattern"),
        (["red.png", "--weights", "missing.onnx"], "missing.onnx"),
        (["red.png", "--weights", "red.png"], "red.png"),
        (["red.png", "--conf-thres", "1.5"], "conf_thres must be a number from 0 to 1"),
        (["red.png", "--iou-thres", "nan"], "iou_thres must be a number from 0 to 1"),
        (["red.png", "--classes", "unicorn"], "unicorn"),
        (["red.png", "--classes", "2"], "there is no class"),
        (["red.png", "--device", "tpu"], "there is no device 'tpu'"),
        (["red.png", "--device", "cuda"], "cannot use the device 'cuda'; it can use cpu"),
        (["red.png", "--imgsz", "0"], "imgsz must be"),
        (["red.png", "--json", "red.png/out.json"], "cannot write"),
        (["red.png", "--output", "red.png"], "cannot write"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_code_2(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    write_image(tmp_path / "red.png", red_picture())
    if "--weights" not in arguments:
        arguments = [*arguments, "--weights", model]
    assert run(*arguments) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "SOURCE"),
        (["a.jpg", "--conf-thres", "high"], "--conf-thres"),
        (["a.jpg", "--max-det", "0"], "0 is less than 1"),
        (["a.jpg", "--vid-stride", "-1"], "-1 is less than 1"),
        (["a.jpg", "--threads", "two"], "'two' is not a whole number"),
        (["a.jpg", "--imgsz", "1", "2", "3"], "one number or two"),
        (["--imgsz", "640", "a.jpg"], "'a.jpg' is not a whole number"),
        (["a.jpg", "--unknown"], "--unknown"),
    ],
)
def test_wrong_usage_is_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_show_without_windows_says_so(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def headless(*arguments: object) -> None:
        raise cv2.error("The function is not implemented")

    write_image(tmp_path / "red.png", red_picture())
    monkeypatch.setattr(cv2, "namedWindow", headless)
    monkeypatch.setenv("DISPLAY", ":0")
    assert run("red.png", "--weights", model, "--show") == 2
    assert "headless build" in capsys.readouterr().err
    if sys.platform == "linux":
        monkeypatch.delenv("DISPLAY")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        assert run("red.png", "--weights", model, "--show") == 2
        assert "--show needs a display" in capsys.readouterr().err


def test_show_ends_with_q_and_waits_at_still_pictures(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter([-1, -1, ord(" "), ord("q")])
    shown: list[np.ndarray] = []
    for number in range(4):
        write_image(tmp_path / f"{number}.png", red_picture())
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "namedWindow", lambda *arguments: None)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    sizes: list[tuple[int, ...]] = []
    monkeypatch.setattr(cv2, "resizeWindow", lambda title, *size: sizes.append(size))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *arguments: 1.0)
    monkeypatch.setattr(cv2, "imshow", lambda title, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda milliseconds: next(keys))
    assert run(".", "--weights", model, "--show") == 0
    assert len(shown) == 2, "the first until a key came, the second until q"
    assert sizes == [(64, 64)], "the pictures' size, set once"
    assert np.array_equal(shown[0], read_image(tmp_path / "runs" / "detect" / "0.png"))
    assert files(tmp_path / "runs") == ["detect/0.png", "detect/1.png"]


@pytest.mark.parametrize(
    ("picture", "screen", "window"),
    [
        ((640, 480), (1280, 800), (640, 480)),
        ((4000, 3000), (1280, 800), (907, 680)),
        ((300, 6000), (1280, 800), (34, 680)),
        ((20000, 1), (1000, 1000), (850, 1)),
    ],
)
def test_the_window_is_as_large_as_the_picture_where_the_screen_is(
    picture: tuple[int, int], screen: tuple[int, int], window: tuple[int, int]
) -> None:
    assert window_size(picture, screen) == window


def test_a_screen_that_tells_nothing_has_the_usual_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":no-such-screen")
    if sys.platform == "linux":
        assert screen_size() == USUAL
    else:
        assert min(screen_size()) > 0


def test_live_sources_run_together_until_they_are_lost(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(frames, "RETRY_SECONDS", (0.01,))
    write_image(tmp_path / "grey.png", quarters())
    with (
        mjpeg_server(red_picture(), lengths=[60]) as first,
        mjpeg_server(red_picture(), lengths=[60, 60]) as second,
    ):
        assert run(first, "grey.png", second, "--weights", model, "--json", "out.json") == 1
    found = json.loads((tmp_path / "out.json").read_text())
    assert found[0]["file"] == "grey.png", "files go first"
    for url in (first, second):
        indices = [entry["frame"] for entry in found if entry["file"] == url]
        assert len(indices) >= 2
        assert indices == sorted(set(indices))
    assert boxes(found[1])[0] == pytest.approx(RED_BOX, abs=1e-3)
    assert len([name for name in files(tmp_path / "runs") if name.endswith(".mp4")]) == 2
    errors = capsys.readouterr().err
    assert errors.count("warning:") == 3
    assert errors.count("error:") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals to a child")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_completes_video_and_json(tmp_path: Path, model: str, number: signal.Signals) -> None:
    with mjpeg_server(red_picture(), lengths=[None]) as url:
        process = subprocess.Popen(
            command(url, "--weights", model, "--json", "out.json"),
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            parts: list[Path] = []
            deadline = time.monotonic() + 60
            while not any(part.stat().st_size > 10_000 for part in parts) and time.monotonic() < deadline:
                time.sleep(0.05)
                parts = list(tmp_path.glob(".*.part.json"))
            process.send_signal(number)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    found = json.loads((tmp_path / "out.json").read_text())
    assert len(found) >= 10
    assert output.splitlines()[-1].startswith(f"interrupted after {len(found)} frames")
    (video,) = (tmp_path / "runs" / "detect").iterdir()
    capture = cv2.VideoCapture(str(video))
    assert capture.read()[0]
    capture.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "runs"], (
        "no temporary file is left"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes like these on Windows")
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path, model: str) -> None:
    for number in range(50):
        write_image(tmp_path / f"{number}.png", red_picture())
    with subprocess.Popen(
        command(".", "--weights", model, "--json", "out.json"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) in (0, 1)
    assert len(json.loads((tmp_path / "out.json").read_text())) >= 1


def test_a_terminal_without_unicode_stops_nothing(tmp_path: Path, model: str) -> None:
    write_image(tmp_path / "红.png", red_picture())
    done = subprocess.run(
        command("红.png", "--weights", model),
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\\u7ea2.png" in done.stdout


def test_help_has_examples_and_every_exit_code() -> None:
    done = subprocess.run(command("--help"), env=environment(), capture_output=True, text=True, check=True)
    for word in ("SOURCE", "examples:", "exit codes:", "--conf-thres", "opencl-fp16", "130"):
        assert word in done.stdout


def test_nothing_heavy_is_imported(tmp_path: Path, model: str) -> None:
    """The command needs NumPy and OpenCV, and starts without whatever else is installed."""
    write_image(tmp_path / "red.png", red_picture())
    program = (
        "import sys; from runtime.detect import main; main(sys.argv[1:]);"
        "print({'torch', 'onnx', 'PIL', 'matplotlib', 'tqdm'} & set(sys.modules) or 'lean')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "red.png", "--weights", model],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "lean"


def test_the_embedded_model_is_the_default(tmp_path: Path) -> None:
    picture = ROOT / "samples" / "cluttered.jpg"
    if not DEFAULT_MODEL.exists() or not picture.exists():
        pytest.skip("the embedded model or its sample is not there")
    assert run(picture, "--no-save", "--json", "out.json") == 0
    (entry,) = json.loads((tmp_path / "out.json").read_text())
    assert "qr_code" in {found["name"] for found in entry["detections"]}
    expected = Detector(DEFAULT_MODEL)(read_image(picture)).to_dict()
    assert boxes(entry) == [pytest.approx(found["box"], abs=1e-3) for found in expected]


def test_runs_get_folders_of_their_own(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "red.png", red_picture())

    def saved_in(*options: str) -> str:
        assert run("red.png", "--weights", model, *options) == 0
        return capsys.readouterr().out.strip().rpartition("saved in ")[2].replace("\\", "/")

    assert [saved_in() for _ in range(3)] == ["runs/detect", "runs/detect2", "runs/detect3"]
    assert saved_in("--exist-ok") == "runs/detect"
    assert [saved_in("--output", "out") for _ in range(2)] == ["out", "out"]
    assert [saved_in("--project", "p", "--name", "n") for _ in range(2)] == ["p/n", "p/n2"]
    assert [saved_in("--name", "n"), saved_in("--project", "p")] == ["runs/detect/n", "p/exp"]
    assert saved_in("--nosave", "--save-csv") == "runs/detect4"
    assert files(tmp_path / "runs" / "detect4") == ["predictions.csv"]


def test_nothing_saved_leaves_no_folder_and_is_not_said(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.png").write_bytes(encode(red_picture(), ".png")[:60])
    assert run("torn.png", "--weights", model) == 1
    assert run("torn.png", "--weights", "missing.onnx") == 2
    assert "saved" not in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_a_table_that_is_replaced_is_said(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "red.png", red_picture())
    arguments = ["red.png", "--weights", model, "--no-save", "--json", "out.json", "--csv", "out.csv"]
    assert run(*arguments) == 0
    assert capsys.readouterr().err == ""
    assert run(*arguments) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"warning: out.{kind} is there already and is replaced" for kind in ("json", "csv")
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["64"], None),
        (["65"], "--imgsz 65 is not divisible by 32: 96 is used"),
        (["65", "128"], "--imgsz 65 128 is not divisible by 32: 96 128 is used"),
    ],
)
def test_another_size_than_asked_for_is_said(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str], asked: list[str], said: str | None
) -> None:
    write_image(tmp_path / "red.png", red_picture())
    assert run("red.png", "--weights", model, "--no-save", "--imgsz", *asked) == 0
    assert capsys.readouterr().err == (f"warning: {said}\n" if said else "")


def test_drawing_is_told_what_was_asked_for(tmp_path: Path, model: str) -> None:
    write_image(tmp_path / "red.png", red_picture())
    assert run("red.png", "--weights", model, "--line-thickness", "5", "--hide-labels", "--hide-conf") == 0
    saved = read_image(tmp_path / "runs" / "detect" / "red.png")
    assert np.array_equal(
        saved,
        Detector(model)(red_picture()).draw(
            red_picture(), line_thickness=5, hide_labels=True, hide_conf=True
        ),
    )
    assert not np.array_equal(saved, Detector(model)(red_picture()).draw(red_picture()))


def test_what_was_left_out_is_counted(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(tmp_path / "in" / "red.png", red_picture())
    write_image(tmp_path / "in" / "sub" / "red.png", red_picture())
    (tmp_path / "in" / "notes.txt").touch()
    assert run("in", "--weights", model, "--no-save") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("; left out: 1 other file, 1 subfolder")
    assert run("in", "--weights", model, "--no-save", "--recursive") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("2 images in ")
    assert last.endswith("; left out: 1 other file")


def test_the_default_model_that_finds_nothing_is_named(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "grey.png", np.full((40, 60, 3), 90, np.uint8))
    assert run("grey.png", "--no-save") == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("warning: nothing was found: without --weights it is codes.onnx that looks")
    assert said.endswith("`python -m convert best.pt` makes a file for --weights")
    assert run("grey.png", "--no-save", "--weights", model) == 0
    assert capsys.readouterr().err == ""
