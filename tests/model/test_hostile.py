"""What hostile names, networks and folders must not do to the outputs and the terminal."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

import onnx_models  # noqa: E402

from runtime import Detector, ModelError  # noqa: E402
from runtime.detect import main  # noqa: E402
from runtime.escape import escape  # noqa: E402

NASTY = "\x1b]0;PWNED\x07\x1b[31mred\r\n\u202egnp"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), (0, 0, 255), np.uint8))
    return path


def named(tmp_path: Path, name: str) -> Path:
    return onnx_models.write(tmp_path / "m.onnx", props=onnx_models.metadata(names=[name, "b"]))


def test_visible() -> None:
    assert escape("Straße 人 😀") == "Straße 人 😀"
    assert escape(NASTY) == r"\x1b]0;PWNED\x07\x1b[31mred\r\n\u202egnp"
    assert escape("a" * 300) == "a" * 199 + "…"
    assert escape("a" * 300, None) == "a" * 300
    assert escape("\ud800\U000e0041\ufeff") == r"\ud800\U000e0041\ufeff"


def test_nothing_a_terminal_obeys_is_printed(tmp_path, picture, capsys) -> None:
    strange = picture.rename(tmp_path / "a\x1b[2J\u202e.png") if os.name != "nt" else picture
    arguments = ["--weights", str(named(tmp_path, NASTY)), "--output", str(tmp_path / "out"), "--save-crop"]
    assert main([str(strange), str(tmp_path / "no\x1b[0m.png"), *arguments]) == 1
    out, err = capsys.readouterr()
    for line in (out + err).splitlines():
        assert line.isprintable()
    assert len(out.splitlines()) == 2
    assert r"\x1b[31mred\r\n\u202egnp" in out


def test_csv_holds_no_formulas_and_json_all_of_the_name(tmp_path, picture) -> None:
    name = '=HYPERLINK("http://x","y")'
    arguments = ["--weights", str(named(tmp_path, name)), "--no-save"]
    found, table = tmp_path / "f.json", tmp_path / "f.csv"
    assert main([str(picture), *arguments, "--json", str(found), "--csv", str(table)]) == 0
    assert json.loads(found.read_text("utf-8"))[0]["detections"][0]["name"] == name
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == {"'" + name}


def test_long_names_fit_into_file_systems(tmp_path, picture) -> None:
    long = picture.rename(tmp_path / ("人" * 80 + ".png"))
    arguments = ["--weights", str(named(tmp_path, "😀" * 5000)), "--output", str(tmp_path / "out")]
    assert main([str(long), *arguments, "--save-crop", "--save-txt"]) == 0
    crops = list((tmp_path / "out" / "crops").rglob("*.jpg"))
    assert crops
    assert all(len(part.encode()) <= 255 for path in crops for part in path.parts)


def test_an_error_at_the_first_picture_leaves_no_file(tmp_path, picture, capsys) -> None:
    model = onnx_models.red_network(classes=3)  # has more outputs than the metadata say
    weights = onnx_models.write(tmp_path / "m.onnx", model)
    before = sorted(tmp_path.rglob("*"))
    found, table = tmp_path / "f.json", tmp_path / "f.csv"
    arguments = ["--weights", str(weights), "--no-save", "--json", str(found), "--csv", str(table)]
    assert main([str(picture), *arguments]) == 2
    assert sorted(tmp_path.rglob("*")) == before
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("logit", [0, 1, 2, 3, 4])
def test_boxes_that_are_no_numbers_never_leave_the_detector(tmp_path, logit) -> None:
    """A network of finite weights can still make NaN: infinity less infinity, here in one of the outputs."""
    model = onnx_models.red_network(strides=[8], anchors=[[(10.0, 14.0)]])
    bias = np.full(7, 10, np.float32)
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(bias, "bias0"))
    large = np.zeros((1, 7, 1, 1), np.float32)
    large[0, logit] = 3e38
    model.graph.initializer.append(onnx.numpy_helper.from_array(large, "large"))
    model.graph.node[0].output[0] = "plain"
    for operator, inputs, output in (
        ("Mul", ["plain", "large"], "infinite"),
        ("Sub", ["infinite", "infinite"], "nan"),
        ("Add", ["plain", "nan"], "out0"),
    ):
        model.graph.node.append(onnx.helper.make_node(operator, inputs, [output]))
    props = onnx_models.metadata(strides=[8], anchors=[[[10, 14]]])
    detector = Detector(onnx_models.write(tmp_path / "nan.onnx", model, props), conf_thres=0)
    with pytest.raises(ModelError, match="not a number"):
        detector(np.full((64, 64, 3), 255, np.uint8))


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_in_the_output_folder_are_not_followed(tmp_path, picture, capsys) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "labels").symlink_to(elsewhere)
    arguments = ["--weights", str(named(tmp_path, "a")), "--output", str(out), "--save-txt", "--no-save"]
    assert main([str(picture), *arguments]) == 2
    assert "symbolic link" in capsys.readouterr().err
    assert not list(elsewhere.iterdir())

    (out / "labels").unlink()
    target = elsewhere / "target"
    target.write_text("kept")
    for link in (out / "labels" / f"{picture.stem}.txt", out / "predictions.csv", out / picture.name):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
        wanted = {".txt": ["--save-txt", "--no-save"], ".csv": ["--save-csv", "--no-save"]}.get(
            link.suffix, []
        )
        assert main([str(picture), *arguments[:2], "--output", str(out), *wanted]) == 2
        assert "symbolic link" in capsys.readouterr().err
        assert target.read_text() == "kept"
        link.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_video_that_does_not_fit_is_an_error(tmp_path) -> None:
    """A limit on the size of files stands for a full disk."""
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    random = np.random.default_rng(0)
    for _ in range(40):
        writer.write(random.integers(0, 255, (240, 320, 3), np.uint8))
    writer.release()
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from runtime.detect import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    weights = str(named(tmp_path, "a"))
    arguments = [str(clip), "--weights", weights, "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert "saved in" not in done.stdout
    assert done.stderr.startswith("error: cannot write")
    assert not list((tmp_path / "out").iterdir())
