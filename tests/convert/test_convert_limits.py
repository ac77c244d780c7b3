"""The child process that converts: what kills it ends as one sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from convert import limits


def run(monkeypatch: pytest.MonkeyPatch, code: str, *argv: str) -> int:
    monkeypatch.setattr(limits, "_CHILD", code)
    return limits.main(argv)


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_exit_codes_pass(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert run(monkeypatch, f"import sys; sys.exit({code})", "a.pt") == code


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT", "SIGXCPU"])
def test_a_crash_is_one_sentence_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    code = f"""
import os, pathlib, signal, sys
from runtime.outputs.atomic import AtomicFile
AtomicFile(pathlib.Path(sys.argv[-1])).temporary.write_bytes(b"half")
os.kill(os.getpid(), signal.{name})
"""
    other = tmp_path / ".1-0123456789abcdef.part.onnx"  # another program's
    other.touch()
    assert run(monkeypatch, code, "a\x1b.pt", "--output", str(tmp_path / "a.onnx")) == 2
    err = capfd.readouterr().err
    assert err.startswith(r"error: a\x1b.pt: its conversion was ended by " + name)
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [other]


def test_time_is_limited(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 1)
    assert run(monkeypatch, "import time; time.sleep(60)", "a.pt", "--output", str(tmp_path / "a.onnx")) == 2
    assert "has taken 1 seconds and was stopped" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits this kind of memory")
def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    code = """
import sys
from convert import cli, limits
limits.LEAST_MEMORY = 1 << 29
limits.os.sysconf = lambda name: 1
cli.main = lambda argv: len(bytearray(1 << 30))
sys.exit(limits.child(sys.argv[1:]))
"""
    assert run(monkeypatch, code, "a.pt") == 2
    assert capfd.readouterr().err.startswith("error: the conversion failed (MemoryError")
