"""The command in a process of its own, with limits: what a checkpoint does to PyTorch or OpenCV ends there.

The reader and the budgets refuse what is known to do harm. What is not known yet, and makes PyTorch, onnxsim
or OpenCV crash, hang or ask for all memory, ends the child process, and the command still ends with one
sentence and exit code 2. Where a system has no such limits, as on Windows, only the time is limited.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SECONDS = 1800  # that a conversion may take; the largest YOLOv5 takes about two minutes on a laptop
LEAST_MEMORY = 4 << 30  # bytes that it may have in any case; else it may have three quarters of the machine's
GRACE = 3.0  # seconds that the child gets to end by itself when Ctrl-C has reached both

_CHILD = "from convert.limits import child; sys.exit(child(sys.argv[1:]))"
_PARENT = "YOLOV5_DNN_PARENT"  # the number of the pipe whose other end the parent holds


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in a child process; returns its exit code, or 2 if it came to a bad end."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        from runtime.program import child_code, take_interrupts
    except ImportError as error:  # there is no OpenCV that can be loaded
        print(f"error: {error}", file=sys.stderr)
        return 2
    take_interrupts()
    process = _start(child_code(_CHILD, *argv))
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return _ended(argv, process.pid, f"has taken {SECONDS} seconds and was stopped")
    except KeyboardInterrupt:
        try:
            return process.wait(GRACE)  # a terminal sends Ctrl-C to both
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            return process.wait()
    if code >= 0 and not (os.name == "nt" and code > 0xFF):
        return code
    name = f"signal {-code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
    how = f"was ended by {name}: it takes too much memory or time, or breaks PyTorch"
    return _ended(argv, process.pid, how)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the child. On POSIX it holds the end of a pipe, and notices by it when this process is gone."""
    if os.name != "posix":
        return subprocess.Popen(command)
    ours, its = os.pipe()[::-1]  # ours is written to by nobody: it closes when this process ends, however
    try:
        return subprocess.Popen(command, pass_fds=[its], env={**os.environ, _PARENT: str(its)})
    finally:
        os.close(its)
        _held.append(ours)


_held: list[int] = []


def _end_with_parent(argv: Sequence[str]) -> None:
    """End this process, and remove what it has begun to write, as soon as its parent is gone."""
    pipe = os.environ.pop(_PARENT, "")
    if not pipe.isdigit():
        return

    def wait() -> None:
        with suppress(OSError):
            os.read(int(pipe), 1)
        _remove_left(argv, os.getpid())
        os._exit(2)

    threading.Thread(target=wait, daemon=True).start()


def _remove_left(argv: Sequence[str], pid: int) -> None:
    """Remove the file that a child has begun to write."""
    from runtime.outputs.atomic import is_stream

    from .cli import parse

    if list(argv[:1]) == ["anchors"]:
        return
    output = parse(argv).output or Path("weights", "any.onnx")
    folder = Path(tempfile.gettempdir()) if is_stream(output) else Path(os.path.realpath(output)).parent
    with suppress(OSError):
        for left in folder.glob(f".{pid:x}-*.part*"):
            left.unlink()


def _ended(argv: Sequence[str], pid: int, how: str) -> int:
    """Say how the child has ended, remove what it has left behind, and give the exit code."""
    from runtime.escape import escape

    from .cli import parse

    options = parse(argv)
    _remove_left(argv, pid)
    name = escape(str(options.checkpoint))
    print(f"error: {name}: its conversion {how}; nothing was written", file=sys.stderr)
    return 2


def child(argv: Sequence[str]) -> int:
    """Do the work within limits; returns the exit code."""
    _end_with_parent(argv)
    with suppress(ImportError, OSError, ValueError):
        import resource

        memory = max(LEAST_MEMORY, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4)
        _lower(resource.RLIMIT_DATA, memory)
        _lower(resource.RLIMIT_CPU, SECONDS * (os.cpu_count() or 1))
        _lower(resource.RLIMIT_CORE, 0)
    from runtime.errors import first_line

    from .cli import main as work

    try:
        return work(argv)
    except Exception as error:  # memory that ran out, and whatever else a library raises
        print(f"error: the conversion failed ({type(error).__name__}: {first_line(error)})", file=sys.stderr)
        return 2


def _lower(which: int, limit: int) -> None:
    """Lower a limit of this process, if there is none that is lower already."""
    import resource

    _, hard = resource.getrlimit(which)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (limit, hard))
