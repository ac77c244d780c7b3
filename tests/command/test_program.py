"""What a command does for its own process alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        (["-m", "runtime.command.cli", "--version"], None, "1"),
        (["-m", "runtime", "--version"], None, "1"),
        (["-m", "runtime", "--version"], "3", "3"),
        (["-c", "import runtime"], None, None),
        (["-m", "other"], None, None),
    ],
)
def test_only_commands_take_away_the_threads_of_openblas(
    tmp_path: Path, arguments: list[str], before: str | None, after: str | None
) -> None:
    (tmp_path / "other.py").write_text("import runtime")
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{tmp_path}"
    if before:
        environment["OPENBLAS_NUM_THREADS"] = before
    done = subprocess.run(
        [sys.executable, "-i", *arguments],  # goes on after it, with what comes in
        input="import os; print(os.environ.get('OPENBLAS_NUM_THREADS'))\n",
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[-1] == str(after)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("module", ["runtime.program", "cv2", "runtime.command.run", "runtime.detect"])
def test_ctrl_c_while_modules_are_looked_for_is_silent(module: str) -> None:
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # shells have the background ignore it
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.meta_path.insert(0, Finder()); sys.path.insert(0, {str(ROOT)!r})\n"
        "sys.argv = ['yolov5-dnn', 'detect', '--help']\n"
        "from runtime.command.cli import main\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
