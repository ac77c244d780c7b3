"""The convolutions that go into OpenCV, without it: for each kind of processor, against sums in 64 bits."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "cpp" / "opencv"
LIKE_OPENCV = ["-O1", "-ffast-math", "-fno-finite-math-only"]
SANITIZED = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def processor_has(flag: str) -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and flag in cpuinfo.read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("march", "flag", "options"),
    [
        ("x86-64-v4", "avx512dq", LIKE_OPENCV),
        ("x86-64-v3", "avx2", SANITIZED),
    ],
)
def test_kernels(tmp_path: Path, march: str, flag: str, options: list[str]) -> None:
    if shutil.which("g++") is None or not processor_has(flag):
        pytest.skip(f"no g++ here, or no {flag}")
    check(tmp_path, ["g++", f"-march={march}", *options], [], cases=120)


def test_kernels_for_neon(tmp_path: Path) -> None:
    if platform.machine() == "aarch64" and shutil.which("g++"):
        compiler, emulator = "g++", []
    else:
        compiler, emulator = "aarch64-linux-gnu-g++", ["qemu-aarch64"]
    if shutil.which(compiler) is None or (emulator and shutil.which(emulator[0]) is None):
        pytest.skip("no compiler for ARM here, or no emulator (Debian: g++-aarch64-linux-gnu, qemu-user)")
    check(tmp_path, [compiler, "-O1", "-static"], emulator, cases=60)


def check(folder: Path, compiler: list[str], emulator: list[str], cases: int) -> None:
    program = folder / "kernels_test"
    source = FOLDER / "tests" / "kernels_test.cpp"
    command = [
        *compiler,
        "-std=c++17",
        "-pthread",
        "-I",
        str(FOLDER / "kernels"),
        str(source),
        "-o",
        str(program),
    ]
    built = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([*emulator, str(program), str(cases)], capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("\n0 wrong\n")
