"""The child process that converts: what kills it ends as one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
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


@pytest.mark.skipif(os.name != "posix", reason="the pipe to the parent is POSIX's")
@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_child_ends_with_its_parent(tmp_path: Path, kind: str) -> None:
    """Killed with SIGKILL while the part file is written: the child goes, and so does the part file."""
    folder = tmp_path / "real"
    folder.mkdir()
    output = tmp_path / "a.onnx" if kind == "link" else folder / "a.onnx"
    if kind == "link":
        output.symlink_to(folder / "b.onnx")
    child = f"""
import os, pathlib, sys, time
from convert import cli, limits
from runtime.outputs.atomic import AtomicFile
def main(argv):
    part = AtomicFile(pathlib.Path(argv[-1])).temporary.open("wb")
    pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()) + ";")
    for _ in range(600):
        part.write(bytes(1000))
        part.flush()
        time.sleep(0.1)
cli.main = main
sys.exit(limits.child(sys.argv[1:]))
"""
    code = f"import sys; from convert import limits; limits._CHILD = {child!r}; limits.main(sys.argv[1:])"
    parent = subprocess.Popen([sys.executable, "-c", code, "a.pt", "--output", str(output)])
    try:
        pid = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith(";"))
        assert pid
        assert len(list(folder.iterdir())) == 1
    finally:
        parent.kill()
        parent.wait()
    child_pid = int((tmp_path / "pid").read_text()[:-1])
    assert until(lambda: not alive(child_pid))
    assert not list(folder.iterdir())


def until(done: Callable[[], bool]) -> bool:
    """Wait for something, 60 seconds at most."""
    end = time.monotonic() + 60
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    return done()


def alive(pid: int) -> bool:
    """Tell whether a process runs: one that has ended and that nobody has waited for does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")
