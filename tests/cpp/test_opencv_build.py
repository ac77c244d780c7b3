"""The scripts that build OpenCV for a processor: what they change, refuse, pack and say, without a build."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "cpp" / "opencv"

SOURCE = """\
static void conv32fC8_1x1(const void* inp__);
static void conv32fC8(const void* inp__, const void* residual__, void* out__,
                      const ConvState& cs, const void* weights__,
                      const float* scale__, const float* bias__)
{
    int ksize = cs.wshape[2];
}
"""
FILE = Path("modules/dnn/src/layers/cpu_kernels/conv2_kernels.simd.hpp")
LIST = Path("modules/dnn/CMakeLists.txt")
PROCESSORS = 'ocv_add_dispatched_file("layers/cpu_kernels/conv2_kernels" AVX AVX2 NEON NEON_FP16)\n'


def run(script: str, *arguments: object) -> tuple[int, str]:
    program = [sys.executable] if script.endswith(".py") else ["bash"]
    done = subprocess.run(
        [*program, str(FOLDER / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


@pytest.fixture
def opencv(tmp_path: Path) -> Path:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE, encoding="utf-8")
    (tmp_path / LIST).write_text(PROCESSORS, encoding="utf-8")
    return path


def test_the_tiles_are_asked_first(opencv: Path, tmp_path: Path) -> None:
    assert run("faster_tiles.py", tmp_path) == (0, "")
    changed = opencv.read_text(encoding="utf-8")
    assert changed.index('#include "conv2_pair.hpp"') < changed.index("static void conv32fC8(")
    assert changed.index("convInPairs(inp__") < changed.index("int ksize")
    assert "AVX2 AVX512_SKX NEON" in (tmp_path / LIST).read_text(encoding="utf-8")
    tiles = opencv.with_name("conv2_pair.hpp").read_text(encoding="utf-8")
    assert "static bool convInPairs(" in tiles
    assert run("faster_tiles.py", tmp_path) == (0, "")
    assert opencv.read_text(encoding="utf-8") == changed


@pytest.mark.parametrize("other", ["", SOURCE * 2, SOURCE.replace("bias__)", "shift__)")])
def test_another_source_stays_as_it_is(opencv: Path, tmp_path: Path, other: str) -> None:
    opencv.write_text(other, encoding="utf-8")
    code, printed = run("faster_tiles.py", tmp_path)
    assert code == 1
    assert "is not that of OpenCV 5.0.0" in printed
    assert printed.count("\n") == 1
    assert opencv.read_text(encoding="utf-8") == other
    assert not opencv.with_name("conv2_pair.hpp").exists()


def test_no_source(tmp_path: Path) -> None:
    code, printed = run("faster_tiles.py", tmp_path / "none")
    assert code == 1
    assert printed.startswith("error: ")
    assert "cannot be changed" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="the script is for Linux")
def test_build_says_what_it_does_and_refuses(tmp_path: Path) -> None:
    code, printed = run("build.sh", "--help")
    assert code == 0
    assert "cpp/opencv/build.sh PREFIX" in printed
    assert "set -euo" not in printed
    assert run("build.sh")[0] == 2
    assert run("build.sh", "--wrong")[0] == 2
    code, printed = run("build.sh", tmp_path)
    assert code == 2
    assert f"{tmp_path} is there already" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="the script is for Linux")
def test_build_wants_the_onnxruntime_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("this Python has no headers, which the script asks for first")
    monkeypatch.setenv("ONNXRUNTIME", str(tmp_path / "none"))
    monkeypatch.setenv("PYTHON", sys.executable)
    code, printed = run("build.sh", tmp_path / "prefix")
    assert code == 1
    assert "which has no include/onnxruntime_cxx_api.h" in printed
    assert not list(tmp_path.iterdir())


def test_wheel(tmp_path: Path) -> None:
    files = {
        "python/cv2/__init__.py": b"version = 5",
        "python/cv2/python-3.11/cv2.cpython-311-x86_64-linux-gnu.so": b"module",
        "python/cv2/__pycache__/x.pyc": b"",
        "lib/libopencv_core.so.5.0.0": b"library",
        "lib/libopencv_core.so.500": b"library",
        "lib/libonnxruntime.so.1": b"engine",
        "share/licenses/opencv5/libjpeg.txt": b"licence",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    code, printed = run("wheel.py", tmp_path, tmp_path / "wheel")
    assert code == 0, printed
    path = Path(printed.strip())
    assert path.name.startswith("opencv_python-5.0.0.93+own-cp3")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert "cv2/python-3.11/libopencv_core.so.500" in names
        assert "cv2/python-3.11/libonnxruntime.so.1" in names
        assert "cv2/python-3.11/libopencv_core.so.5.0.0" not in names
        assert not any("pycache" in name for name in names)
        record = next(name for name in names if name.endswith("RECORD"))
        listed = list(csv.reader(io.StringIO(archive.read(record).decode())))
        assert sorted(row[0] for row in listed) == sorted(names)
        for name, digest, size in listed:
            if name != record:
                content = archive.read(name)
                assert int(size) == len(content)
                found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
                assert digest == f"sha256={found}"


def test_no_module_no_wheel(tmp_path: Path) -> None:
    code, printed = run("wheel.py", tmp_path, tmp_path / "wheel")
    assert code == 1
    assert "there is no cv2 module" in printed
    assert not (tmp_path / "wheel").exists()
