"""Give OpenCV 5.0's source the convolutions of this folder: `python apply.py OPENCV_SOURCE`.

Copies `kernels/` beside dnn's other kernels and applies `patches/`, one after the other. A patch must fit
line by line: what isn't OpenCV 5.0.0 is an error, and nothing is written. The originals are kept in the
source folder and taken again by a next call, so that it may have other patches; it writes only what differs,
for make's sake.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
KERNELS = Path("modules/dnn/src/layers/cpu_kernels/conv2_tiles")
ORIGINALS = "originals-of-what-was-patched"
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class MismatchError(ValueError):
    """A patch and the file that it is for don't go together."""


def hunks(patch: str) -> dict[str, list[tuple[int, list[str], list[str]]]]:
    """Read a unified diff: for every file the first line, the old lines and the new ones of each change.

    Lines count from 0 and keep their ends. Raises MismatchError where a change isn't as long as it says.
    """
    files: dict[str, list[tuple[int, list[str], list[str]]]] = {}
    changes: list[tuple[int, list[str], list[str]]] = []
    lines = iter(patch.splitlines(keepends=True))
    for line in lines:
        if line.startswith("+++ b/"):
            changes = files.setdefault(line[6:].rstrip("\n"), [])
        match = HUNK.match(line)
        if not match:
            continue
        start, removed, _, added = (int(number) if number else 1 for number in match.groups())
        old: list[str] = []
        new: list[str] = []
        while len(old) < removed or len(new) < added:
            line = next(lines, "")
            if line[:1] not in (" ", "-", "+"):
                raise MismatchError(f"its change at line {start} ends too early")
            if line[0] != "+":
                old.append(line[1:])
            if line[0] != "-":
                new.append(line[1:])
        if len(old) != removed or len(new) != added:
            raise MismatchError(f"its change at line {start} is not as long as it says")
        changes.append((max(start - 1, 0), old, new))
    return files


def patched(text: str, changes: list[tuple[int, list[str], list[str]]]) -> str:
    """Give a file's text with the changes of one patch. Raises MismatchError where a line differs."""
    lines = text.splitlines(keepends=True)
    moved = 0
    for start, old, new in changes:
        at = start + moved
        if lines[at : at + len(old)] != old:
            raise MismatchError(f"line {start + 1} and those after it are not what they should be")
        lines[at : at + len(old)] = new
        moved += len(new) - len(old)
    return "".join(lines)


def apply(root: Path, patches: list[Path], kernels: list[Path]) -> None:
    """Patch a source folder, add the kernels. Raises MismatchError, and OSError; then nothing is written."""
    originals: dict[str, str] = {}
    texts: dict[str, str] = {}
    for patch in patches:
        for name, changes in hunks(patch.read_text(encoding="utf-8")).items():
            if name not in texts:
                kept, file = root / ORIGINALS / name, root / name
                exists = kept.exists() or changes[0][1]
                texts[name] = (kept if kept.exists() else file).read_text(encoding="utf-8") if exists else ""
                originals[name] = texts[name]
            try:
                texts[name] = patched(texts[name], changes)
            except MismatchError as error:
                raise MismatchError(
                    f"{root / name} is not that of OpenCV 5.0.0 ({patch.name}): {error}"
                ) from None
    for kernel in kernels:
        texts[(KERNELS / kernel.name).as_posix()] = kernel.read_text(encoding="utf-8")
    for name, text in originals.items():
        _write(root / ORIGINALS / name, text)
    for name, text in texts.items():
        _write(root / name, text)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> None:
    """Patch the source folder that is named."""
    if len(sys.argv) != 2:
        sys.exit("usage: apply.py OPENCV_SOURCE")
    try:
        apply(
            Path(sys.argv[1]),
            sorted((HERE / "patches").glob("*.patch")),
            sorted((HERE / "kernels").glob("*.hpp")),
        )
    except OSError as error:
        sys.exit(f"error: {error.filename or sys.argv[1]} cannot be changed: {error.strerror}")
    except MismatchError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
