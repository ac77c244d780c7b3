"""Files that appear under their name only when they are complete, and what is there and is no file."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

STANDARD_OUTPUT = Path("-")
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdout", "/dev/stderr")


def is_stream(path: Path) -> bool:
    """Say whether a path is written to as it is, because a file of that name could not be replaced.

    That is STANDARD_OUTPUT, something that is there and is neither a file nor a folder (a device, a pipe), a
    descriptor such as /dev/fd/3, and the file that standard output or standard error goes to.
    """
    if path == STANDARD_OUTPUT or str(path).startswith(_DESCRIPTORS):
        return True
    try:
        status = path.stat()
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(status.st_mode):
        return not stat.S_ISDIR(status.st_mode)
    return _is_descriptor(status, 1) or _is_descriptor(status, 2)


def is_standard_output(path: Path) -> bool:
    """Say whether what is written to this path comes out of standard output."""
    if path == STANDARD_OUTPUT:
        return True
    try:
        return _is_descriptor(path.stat(), 1)
    except (OSError, ValueError):
        return False


def _is_descriptor(status: os.stat_result, number: int) -> bool:
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == _null_device():
        return False  # what goes there is nobody's
    try:
        return os.path.samestat(status, os.fstat(number))
    except OSError:
        return False


def _null_device() -> int:
    try:
        return Path(os.devnull).stat().st_rdev
    except OSError:
        return -1


def open_stream(path: Path) -> BinaryIO:
    """Open what `is_stream`; nothing is created or replaced. Raises OSError, with `path` as its file name."""
    try:
        if is_standard_output(path):
            sys.stdout.flush()
            return os.fdopen(os.dup(1), "wb")
        descriptor = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,9})", str(path))
        if descriptor:  # its place in a file counts, so the name is not opened anew
            return os.fdopen(os.dup(int(descriptor[1])), "wb")
        return os.fdopen(os.open(path, os.O_WRONLY), "wb")
    except (AttributeError, ValueError) as error:  # it is closed
        raise OSError(errno.EBADF, "standard output is closed", str(path)) from error


class AtomicFile:
    """A file that is written under a temporary name and takes its own name in one step, when it is done.

    path: the name it will have; the folder is made if it is missing. A file of that name is replaced; of a
        link, the file that it leads to. What `is_stream` gets the bytes when the file is done.
    temporary: the name to write to: in the same folder, hidden, plain ASCII, with the same suffix; of a
        stream, in the system's folder for temporary files.

    Every method raises OSError, with `path` as its file name, if the file system refuses.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stream = is_stream(path)
        self._target = path if self._stream or not path.is_symlink() else Path(os.path.realpath(path))
        suffix = path.suffix if path.suffix.isascii() else ""
        folder = self._target.parent
        if self._stream:
            import tempfile  # with its own imports it would delay every start

            folder = Path(tempfile.gettempdir())
        self.temporary = folder / f".{os.getpid():x}-{os.urandom(8).hex()}.part{suffix}"
        with self.writing():
            folder.mkdir(parents=True, exist_ok=True)
            if self._target.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self.temporary.open("xb").close()  # never a file that is there, nor one behind a link

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Use around whatever writes to `temporary`: if that fails, it is removed; the error names `path`."""
        try:
            yield
        except BaseException as error:
            self.discard()
            if isinstance(error, BrokenPipeError):
                raise
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror or str(error), str(self.path)) from error
            raise

    def commit(self) -> None:
        """Give the file its name, or the stream its bytes."""
        with self.writing():
            if not self._stream:
                self.temporary.replace(self._target)
                return
            with self.temporary.open("rb") as source, open_stream(self.path) as sink:
                while part := source.read(1 << 20):
                    sink.write(part)
        self.discard()

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            self.temporary.unlink()


def own_folder(path: Path) -> Path:
    """Give the path of a folder within the output's. Raises OSError if it is a link to somewhere else."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    return path


def own_file(path: Path) -> Path:
    """Give the path of a file in the output's folder, whose name the user has not typed.

    Raises OSError if a link, or something that is no file, has that name.
    """
    if own_folder(path).exists() and not path.is_file():
        raise OSError(errno.EEXIST, "it is there and is no file", str(path))
    return path


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give, for as long as the block lasts, a name to write a whole file to; then it takes its own name.

    If the block raises anything, or the file cannot be written, it is removed and a file that had the name
    stays as it was. Raises OSError as AtomicFile does.
    """
    file = AtomicFile(path)
    with file.writing():
        yield file.temporary
    file.commit()


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a whole file at once. Raises OSError if that fails; then nothing is left behind."""
    with new_file(path) as temporary:
        temporary.write_bytes(data)
