"""No process of `yolov5-dnn` imports what lies in the working folder; a broken OpenCV is one sentence."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "import sys\nfrom runtime.command.cli import main\nsys.exit(main())\n"
PICTURE = str(ROOT / "samples" / "parcel.jpg")
STRANGERS = ("convert", "runtime", "cv2", "numpy", "torch", "json", "runpy", "sitecustomize")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder full of other people's modules, and the command as pip installs it, elsewhere."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "yolov5-dnn").write_text(SCRIPT)
    here = tmp_path / "here"
    here.mkdir()
    for name in STRANGERS:
        (here / f"{name}.py").write_text(f"open('imported-{name}', 'w').close()\nraise SystemExit(77)\n")
    return here


def run(folder: Path, *arguments: str, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(folder.parent / "bin" / "yolov5-dnn"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def imported(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("imported-*"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["detect", PICTURE, "--no-save"], 0, "1 image in"),
        (["convert", "missing.pt"], 2, "missing.pt"),
        (["bench", "missing.jpg"], 2, "missing.jpg"),
    ],
)
def test_commands_import_nothing_of_it(folder: Path, arguments: list[str], code: int, said: str) -> None:
    if arguments[0] == "convert":
        pytest.importorskip("torch")
    done = run(folder, *arguments)
    assert imported(folder) == []
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


CHILDREN = [
    "from pathlib import Path; from runtime.service.admission import admit; "
    "admit(Path({model!r}), dict(), 1)",
    "import subprocess; from runtime.program import child_code; "
    "subprocess.run(child_code('import cv2, numpy'), check=True)",
    "import subprocess; from runtime.program import child_command; "
    "subprocess.run(child_command('runtime.detect', {picture!r}, '--no-save'), check=True)",
]


@pytest.mark.parametrize("code", CHILDREN)
def test_child_processes_import_nothing_of_it(folder: Path, code: str) -> None:
    if "service" in code:
        pytest.importorskip("fastapi")
    code = code.format(model=str(ROOT / "weights" / "codes.onnx"), picture=PICTURE)
    (folder.parent / "bin" / "yolov5-dnn").write_text(code)
    done = run(folder)
    assert imported(folder) == []
    assert done.returncode == 0, done.stderr


def test_the_one_way_to_start_python() -> None:
    """`python -m` and `-c` look into the working folder first: only `child_code` may call Python."""
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ("runtime", "convert")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "executable"
    }
    assert users == {"runtime/program.py"}


@pytest.mark.parametrize("arguments", [["detect", PICTURE], ["convert", "a.pt"], ["--version"]])
@pytest.mark.parametrize("as_module", [False, True])
def test_an_opencv_that_cannot_be_loaded(folder: Path, arguments: list[str], as_module: bool) -> None:
    broken = folder.parent / "packages" / "cv2.py"
    broken.parent.mkdir()
    broken.write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')"
    )
    if as_module:
        module = {"detect": "runtime.detect", "convert": "convert"}.get(arguments[0], "runtime")
        rest = arguments if module == "runtime" else arguments[1:]
        done = subprocess.run(
            [sys.executable, "-m", module, *rest],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(broken.parent)},
            capture_output=True,
            text=True,
        )
    else:
        done = run(folder, *arguments, path=os.pathsep.join([str(broken.parent), str(ROOT)]))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: OpenCV cannot be loaded (libGL.so.1: cannot open"), done.stderr
    assert "opencv-python-headless" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_opencv_that_cannot_be_loaded_in_a_program_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    done = subprocess.run(
        [sys.executable, "-c", "import runtime"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert "ImportError: OpenCV cannot be loaded (libGL.so.1" in done.stderr
