"""Pack an installed OpenCV's Python module and libraries into a wheel: `wheel.py PREFIX FOLDER`.

It is called opencv-python, as that is what this project and others ask for, and 5.0.0.93+own, which is no
release of it. The libraries lie beside the module, which finds them there by its RPATH.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import sysconfig
import zipfile
from pathlib import Path

NAME, VERSION = "opencv_python", "5.0.0.93+own"
METADATA = f"""Metadata-Version: 2.1
Name: opencv-python
Version: {VERSION}
Summary: OpenCV 5.0.0 with other convolutions, built by cpp/opencv/build.sh
License: Apache-2.0
Requires-Dist: numpy>=2
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: wheel.py\nRoot-Is-Purelib: false\n"


def contents(prefix: Path) -> dict[str, bytes]:
    """Gather the wheel's files by their paths in it. Raises FileNotFoundError if the module isn't there."""
    package = prefix / "python" / "cv2"
    module = next(package.glob("python-*/cv2*.so"), None)
    if module is None:
        raise FileNotFoundError(f"there is no cv2 module in {package}")
    files = {
        f"cv2/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    for library in sorted([*prefix.glob("lib*/libopencv_*.so.*"), *prefix.glob("lib*/libonnxruntime.so.*")]):
        if library.name.count(".") == 2:  # libopencv_core.so.500, as the others ask for it
            files[f"cv2/{module.parent.name}/{library.name}"] = library.read_bytes()
    licences = sorted(prefix.glob("share/licenses/**/*"))
    files |= {f"cv2/licenses/{path.name}": path.read_bytes() for path in licences if path.is_file()}
    return files


def pack(files: dict[str, bytes], folder: Path) -> Path:
    """Write the wheel into a folder, with a record of its files; gives its path."""
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tag = f"{python}-{python}-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    about = f"{NAME}-{VERSION}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": METADATA.encode(),
        f"{about}/WHEEL": f"{WHEEL}Tag: {tag}\n".encode(),
    }
    record = "".join(f"{name},{_hash(content)},{len(content)}\n" for name, content in files.items())
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}-{VERSION}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def main() -> None:
    """Pack what lies in the folder that is named first into the one that is named second."""
    if len(sys.argv) != 3:
        sys.exit("usage: wheel.py PREFIX FOLDER")
    try:
        print(pack(contents(Path(sys.argv[1])), Path(sys.argv[2])))
    except OSError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
