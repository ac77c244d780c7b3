"""The scripts that build OpenCV for a processor: what they change, refuse, pack and say, without a build."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "cpp" / "opencv"

FILE = "modules/dnn/src/a.cpp"
SOURCE = "".join(f"line {number}\n" for number in range(1, 21))
FIRST = """\
Two lines for one, and a new file

--- a/modules/dnn/src/a.cpp
+++ b/modules/dnn/src/a.cpp
@@ -2,3 +2,4 @@ context
 line 2
-line 3
+line three
+and more
 line 4
--- /dev/null
+++ b/modules/dnn/src/b.cpp
@@ -0,0 +1,2 @@
+new
+file
"""
SECOND = """\
Where the first one has moved the lines

--- a/modules/dnn/src/a.cpp
+++ b/modules/dnn/src/a.cpp
@@ -4,1 +4,2 @@
 and more
+and still more
@@ -20,2 +21,1 @@
 line 19
-line 20
"""
PATCHED = SOURCE.replace("line 3\n", "line three\nand more\nand still more\n").replace("line 20\n", "")


def run(script: str | Path, *arguments: object) -> tuple[int, str]:
    program = [sys.executable] if str(script).endswith(".py") else ["bash"]
    done = subprocess.run(
        [*program, str(FOLDER / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of cpp/opencv with two patches and a kernel, and a source that they fit."""
    folder = tmp_path / "opencv"
    (folder / "patches").mkdir(parents=True)
    (folder / "kernels").mkdir()
    (folder / "apply.py").write_bytes((FOLDER / "apply.py").read_bytes())
    (folder / "patches" / "1-first.patch").write_text(FIRST, encoding="utf-8")
    (folder / "patches" / "2-second.patch").write_text(SECOND, encoding="utf-8")
    (folder / "kernels" / "k.hpp").write_text("kernel\n", encoding="utf-8")
    (tmp_path / "source" / FILE).parent.mkdir(parents=True)
    (tmp_path / "source" / FILE).write_text(SOURCE, encoding="utf-8")
    return folder


def apply(folder: Path) -> tuple[int, str]:
    return run(folder / "apply.py", folder.parent / "source")


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_patches_are_applied_in_turn(folder: Path, tmp_path: Path) -> None:
    assert apply(folder) == (0, "")
    files = contents(tmp_path / "source")
    assert files[FILE] == PATCHED
    assert files["modules/dnn/src/b.cpp"] == "new\nfile\n"
    assert files["modules/dnn/src/layers/cpu_kernels/conv2_tiles/k.hpp"] == "kernel\n"


def test_a_second_call_writes_nothing(folder: Path, tmp_path: Path) -> None:
    apply(folder)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")}
    assert apply(folder) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "source").rglob("*")} == times


def test_other_patches_start_from_the_originals(folder: Path, tmp_path: Path) -> None:
    apply(folder)
    (folder / "patches" / "2-second.patch").unlink()
    assert apply(folder) == (0, "")
    assert contents(tmp_path / "source")[FILE] == SOURCE.replace("line 3\n", "line three\nand more\n")


OTHERS = ["", SOURCE.replace("line 4\n", ""), SOURCE.replace("line 19", "line nineteen"), "line\n" + SOURCE]


@pytest.mark.parametrize("other", OTHERS)
def test_another_source_stays_as_it_is(folder: Path, tmp_path: Path, other: str) -> None:
    (tmp_path / "source" / FILE).write_text(other, encoding="utf-8")
    code, printed = apply(folder)
    assert code == 1
    assert "is not that of OpenCV 5.0.0" in printed
    assert printed.count("\n") == 1
    assert contents(tmp_path / "source") == {FILE: other}


def test_no_source(tmp_path: Path) -> None:
    code, printed = run("apply.py", tmp_path / "none")
    assert code == 1
    assert printed.startswith("error: ")
    assert "cannot be changed" in printed
    assert printed.count("\n") == 1


def test_the_series_says_what_each_patch_brings_and_is_whole() -> None:
    patches = sorted((FOLDER / "patches").glob("*.patch"))
    assert [path.name.split("-")[0] for path in patches] == [str(i + 1) for i in range(len(patches))]
    for path in patches:
        text = path.read_text(encoding="utf-8")
        subject, blank, body = text.partition("\n\n")
        assert subject.startswith("dnn: ")
        assert "\n" not in subject
        assert blank
        assert len(body.partition("diff --git")[0]) > 100
        # Each change is as long as it says, and nothing but dnn is touched.
        for name, changes in apply_module().hunks(text).items():
            assert name.startswith("modules/dnn/")
            assert changes


def apply_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("apply", FOLDER / "apply.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
