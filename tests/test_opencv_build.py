"""The scripts that build OpenCV for a processor: what they change, refuse, pack and say, without a build."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "cpp" / "opencv"

SOURCE = """\
static void conv32fC8_3x3s1_kpair(const void* inp__)
{
        const int padY = cs.pads[1], padX = cs.pads[2];
                int yi_base = yj - padY;
                int xi_base = xj - padX;
                        inp_pos[j] = inp_yx_base + j * C0;
                            yi_arr[j] = yj - padY;
                            xi_arr[j] = xj + j - padX;
                            yi_arr[j] = yj_ - padY;
                            xi_arr[j] = xj_ - padX;
                int yi_s = yj - padY;
                int xi_s = xj - padX;
}
#endif // CV_SIMD256 && __AVX2__
static void conv32fC8(const void* inp__)
{
        if ((Kblk & 1) == 0 && (K_ % 8) == 0 && cblocks >= 8) {
        }
    if (ksize == 9 && cs.strides[1] == 1 && cs.strides[2] == 1 &&
        cs.outshape.dims <= 5) {
        if ((Kblk & 1) == 0 && (K_ % 8) == 0 && cblocks >= 8 && cs.ngroups == 1) {
        }
        return conv32fC8_3x3s1(inp__);
    }
    const MatShape& inpshape = cs.inpshape;
}
"""
FILE = Path("modules/dnn/src/layers/cpu_kernels/conv2_kernels.simd.hpp")


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
    return path


def test_the_tile_takes_any_stride_and_fewer_channels(opencv: Path, tmp_path: Path) -> None:
    assert run("faster_tiles.py", tmp_path) == (0, "")
    changed = opencv.read_text(encoding="utf-8")
    assert "int yi_base = yj*Sy - padY;" in changed
    assert "xi_arr[j] = (xj + j)*Sx - padX;" in changed
    assert "cblocks >= 8)" not in changed
    assert changed.count("{") == changed.count("}")
    assert run("faster_tiles.py", tmp_path) == (0, "")
    assert opencv.read_text(encoding="utf-8") == changed


@pytest.mark.parametrize("missing", ["int xi_s = xj - padX;", "static void conv32fC8(const void* inp__"])
def test_another_source_stays_as_it_is(opencv: Path, tmp_path: Path, missing: str) -> None:
    other = SOURCE.replace(missing, "something else")
    opencv.write_text(other, encoding="utf-8")
    code, printed = run("faster_tiles.py", tmp_path)
    assert code == 1
    assert "is not that of OpenCV 5.0.0" in printed
    assert printed.count("\n") == 1
    assert opencv.read_text(encoding="utf-8") == other


def test_no_source(tmp_path: Path) -> None:
    code, printed = run("faster_tiles.py", tmp_path / "none")
    assert code == 1
    assert printed.startswith("error: ")
    assert "cannot be read" in printed


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


def test_wheel(tmp_path: Path) -> None:
    files = {
        "python/cv2/__init__.py": b"version = 5",
        "python/cv2/python-3.11/cv2.cpython-311-x86_64-linux-gnu.so": b"module",
        "python/cv2/__pycache__/x.pyc": b"",
        "lib/libopencv_core.so.5.0.0": b"library",
        "lib/libopencv_core.so.500": b"library",
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
