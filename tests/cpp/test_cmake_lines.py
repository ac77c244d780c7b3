"""The program and the CMake lines that cpp/README.md prints, built and run exactly as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from paths import ROOT
from test_cpp_parity import program


def blocks(language: str) -> list[str]:
    text = (ROOT / "cpp" / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def do(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("how", ["find_package", "FetchContent"])
def test_the_printed_program_is_built_and_finds_something(how: str, tmp_path: Path) -> None:
    for tool in ("cmake", "git"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    build = program("yolov5-detect").parent
    lists = next(
        block for block in blocks("cmake") if re.search(rf"^{how}(_Declare)?\(yolov5_dnn", block, re.M)
    )
    if how == "FetchContent":
        commit = do("git", "rev-parse", "HEAD", folder=ROOT).strip()
        lists = lists.replace("<this repository>", ROOT.as_uri()).replace("GIT_TAG main", f"GIT_TAG {commit}")
        more = []
    else:
        do("cmake", "--install", build, "--prefix", tmp_path / "prefix", folder=tmp_path)
        more = [f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"]
    (tmp_path / "CMakeLists.txt").write_text(lists, encoding="utf-8")
    (tmp_path / "app.cpp").write_text(blocks("cpp")[0], encoding="utf-8")
    do("cmake", "-S", ".", "-B", "build", *more, folder=tmp_path)
    do("cmake", "--build", "build", folder=tmp_path)
    shutil.copy(ROOT / "weights" / "codes.onnx", tmp_path / "yolov5n.onnx")
    shutil.copy(ROOT / "samples" / "cluttered.jpg", tmp_path / "bus.jpg")
    assert re.search(
        r"^qr_code  0\.\d+  \[[\d.]+ x [\d.]+ from", do("build/app", folder=tmp_path), re.MULTILINE
    )
