"""Files that appear under their name only when they are complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class AtomicFile:
    """A file that is written under a temporary name and takes its own name in one step, when it is done.

    path: the name it will have; the folder is made if it is missing. A file of that name is replaced.
    temporary: the name to write to: in the same folder, hidden, plain ASCII, with the same suffix.

    Every method raises OSError, with `path` as its file name, if the file system refuses.
    """

    def __init__(self, path: Path):
        self.path = path
        suffix = path.suffix if path.suffix.isascii() else ""
        self.temporary = path.parent / f".{os.getpid():x}-{os.urandom(8).hex()}.part{suffix}"
        with self.writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(0, "it is a folder")
            self.temporary.open("xb").close()  # never a file that is there, nor one behind a link

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Use around whatever writes to `temporary`: if that fails, it is removed; the error names `path`."""
        try:
            yield
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror or str(error), str(self.path)) from error
            raise

    def commit(self) -> None:
        """Give the file its name."""
        with self.writing():
            self.temporary.replace(self.path)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            self.temporary.unlink()


def own_folder(path: Path) -> Path:
    """Give the path of a folder within the output's. Raises OSError if it is a link to somewhere else."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
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
