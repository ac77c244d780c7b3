"""The command lines of people who come from detect.py, in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_command_lines() -> None:
    pytest.importorskip("onnx")
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    script = Path(__file__).with_name("command_lines.sh")
    done = subprocess.run(
        ["bash", str(script), sys.executable],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("command lines did what they should\n")
