"""`yolov5-dnn info`: model files, exports and checkpoints, told without executing anything."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
from paths import ROOT

from runtime.info import main


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {line[:10].strip(): line[10:] for line in lines}


def test_a_model_file(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(ROOT / "weights" / "codes.onnx", capsys)
    assert rows["task"] == "detect"
    assert rows["names"] == "6: qr_code, data_matrix, aztec, pdf417, barcode, aruco"
    assert rows["input"] == "288 × 288 pixels, or any multiple of 32"
    assert rows["outputs"].startswith("out0 1 × 44 × 72 × 72, out1 ")
    assert rows["strides"] == "4 8 16 32"
    assert "cpu" in rows["devices"]
    assert rows["run it"].startswith("python -m runtime.detect PICTURE --weights")


@pytest.mark.parametrize(
    ("name", "task", "names"),
    [
        ("codes.pt", "detect", "6: qr_code, data_matrix, aztec, pdf417, barcode, aruco"),
        ("shapes/classes.pt", "classify", "4: circle, square, star, triangle"),
        ("shapes/masks.pt", "segment", "4: circle, square, star, triangle"),
    ],
)
def test_a_checkpoint(name: str, task: str, names: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without PyTorch: this test needs NumPy and OpenCV alone."""
    rows = told(ROOT / "weights" / name, capsys)
    assert (rows["task"], rows["names"]) == (task, names)
    assert "nothing in it was executed" in rows["kind"]
    assert rows["next"].startswith("convert it with: python -m convert")


def test_the_older_format(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of before PyTorch 1.6: pickles one after the other, then the numbers."""
    rows = told(shared / "checkpoints" / "random-v1.0-s.pt", capsys)
    assert (rows["task"], rows["names"]) == ("detect", "3: class 0, class 1, class 2")


class Evil:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_executed(zipped: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    victim, path = tmp_path / "made", tmp_path / "evil.pt"
    data = pickle.dumps({"model": Evil(victim)}, protocol=2)
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", data)
    else:
        path.write_bytes(data)
    assert main([str(path)]) == 2
    assert "holds no YOLO network" in capsys.readouterr().err
    assert not victim.exists()


def test_what_is_neither(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content, reason in (
        ("a.txt", b"hello", "is not an ONNX model"),
        ("a.pt", b"PK\x03\x04 broken", "is no PyTorch checkpoint, or a damaged one"),
        ("b.pt", b"\x80\x02 broken", "holds no YOLO network"),
    ):
        (tmp_path / name).write_bytes(content)
        assert main([str(tmp_path / name)]) == 2
        printed = capsys.readouterr().err
        assert reason in printed
        assert len(printed.splitlines()) == 1
    assert main([str(tmp_path / "missing")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_packed_archive_is_not_unpacked_without_bounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(100 << 20))
    assert path.stat().st_size < 1 << 20
    assert main([str(path)]) == 2
    assert "no PyTorch checkpoint, or a damaged one" in capsys.readouterr().err
