"""There is one version number, wherever it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import runtime

ROOT = Path(__file__).resolve().parents[2]


def written(file: str, pattern: str) -> str:
    found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert found, f"{file} has no version"
    return found[1]


def test_python_and_cmake_agree():
    assert re.fullmatch(r"\d+\.\d+\.\d+", runtime.__version__)
    assert written("pyproject.toml", r'^version = \{ attr = "(.+)" \}$') == "runtime.__version__"
    assert written("cpp/CMakeLists.txt", r"^project\(yolov5_dnn VERSION ([\d.]+)") == runtime.__version__


def test_latest_release_in_the_changelog():
    assert written("CHANGELOG.md", r"^## (\d[\d.]*)") == runtime.__version__


@pytest.mark.parametrize(
    "module", ["runtime.command.cli", "runtime.detect", "runtime.evaluate", "runtime.bench", "convert"]
)
def test_commands_say_it(module):
    command = [sys.executable, "-m", module, "--version"]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    assert said.split()[-1] == runtime.__version__
