"""Give OpenCV 5.0's good convolution tile to more layers: `python faster_tiles.py OPENCV_SOURCE`.

With AVX2, dnn computes a 3×3 convolution in tiles of 6 pixels × 16 output channels, whose sums fill 12 of the
16 registers, but only for stride 1 and at least 64 input channels; a 1×1 convolution likewise from 64 on. All
others take tiles of 10 pixels × 8 channels, where each number of the input, once read, serves half as many
multiplications. A YOLOv5 halves the picture five times by 3×3 convolutions of stride 2, and its first stages
have 16 to 64 channels.

Two changes, in one file: the 3×3 function takes any stride (an output pixel x starts at x·stride − pad,
not at x − pad), and the limit falls to 16 input channels. Each output is the same sum in the same order.

What isn't found as it stands in 5.0.0 is an error, and nothing is written. A second call changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

FILE = Path("modules/dnn/src/layers/cpu_kernels/conv2_kernels.simd.hpp")
DONE = "// Any stride, from two blocks of input channels on: faster_tiles.py\n"

KERNEL = ("static void conv32fC8_3x3s1_kpair(", "#endif // CV_SIMD256 && __AVX2__")
"""Where the function begins and ends."""

STRIDES = [
    (
        "const int padY = cs.pads[1], padX = cs.pads[2];",
        "const int Sy = cs.strides[1], Sx = cs.strides[2], padY = cs.pads[1], padX = cs.pads[2];",
    ),
    ("int yi_base = yj - padY;", "int yi_base = yj*Sy - padY;"),
    ("int xi_base = xj - padX;", "int xi_base = xj*Sx - padX;"),
    ("inp_pos[j] = inp_yx_base + j * C0;", "inp_pos[j] = inp_yx_base + j * Sx * C0;"),
    ("yi_arr[j] = yj - padY;", "yi_arr[j] = yj*Sy - padY;"),
    ("xi_arr[j] = xj + j - padX;", "xi_arr[j] = (xj + j)*Sx - padX;"),
    ("yi_arr[j] = yj_ - padY;", "yi_arr[j] = yj_*Sy - padY;"),
    ("xi_arr[j] = xj_ - padX;", "xi_arr[j] = xj_*Sx - padX;"),
    ("int yi_s = yj - padY;", "int yi_s = yj*Sy - padY;"),
    ("int xi_s = xj - padX;", "int xi_s = xj*Sx - padX;"),
]

DISPATCHER = ("static void conv32fC8(const void* inp__", "const MatShape& inpshape = cs.inpshape;")

CHOICES = [
    (
        "if ((Kblk & 1) == 0 && (K_ % 8) == 0 && cblocks >= 8) {",
        "if ((Kblk & 1) == 0 && (K_ % 8) == 0 && cblocks >= (cs.ngroups == 1 ? 2 : 8)) {",
    ),
    (
        "if (ksize == 9 && cs.strides[1] == 1 && cs.strides[2] == 1 &&\n",
        "if (ksize == 9 && cs.strides[0] == 1 &&\n",
    ),
    (
        "(K_ % 8) == 0 && cblocks >= 8 && cs.ngroups == 1) {",
        "(K_ % 8) == 0 && cblocks >= 2 && cs.ngroups == 1) {",
    ),
    (
        "        return conv32fC8_3x3s1(inp__",
        "        if (cs.strides[1] == 1 && cs.strides[2] == 1)\n            return conv32fC8_3x3s1(inp__",
    ),
]


class UnknownSourceError(ValueError):
    """The source isn't the one that this script knows."""


def faster(source: str) -> str:
    """Give the file's text with all changes. Raises UnknownSourceError."""
    if source.startswith(DONE):
        return source
    return DONE + _changed(_changed(source, KERNEL, STRIDES), DISPATCHER, CHOICES)


def _changed(source: str, part: tuple[str, str], changes: list[tuple[str, str]]) -> str:
    """Make changes between two lines, each of them at exactly one place."""
    begin = source.find(part[0])
    end = source.find(part[1], begin)
    if begin < 0 or end < 0:
        raise UnknownSourceError(f"it has no {part[0]!r}")
    inside = source[begin:end]
    for old, new in changes:
        if inside.count(old) != 1:
            raise UnknownSourceError(f"it has {old.strip()!r} {inside.count(old)} times, not once")
        inside = inside.replace(old, new)
    return source[:begin] + inside + source[end:]


def main() -> None:
    """Change the file in the source folder that is named."""
    if len(sys.argv) != 2:
        sys.exit("usage: faster_tiles.py OPENCV_SOURCE")
    path = Path(sys.argv[1]) / FILE
    try:
        source = path.read_text(encoding="utf-8")
        changed = faster(source)
    except OSError as error:
        sys.exit(f"error: {path} cannot be read: {error.strerror}")
    except UnknownSourceError as error:
        sys.exit(f"error: {path} is not that of OpenCV 5.0.0: {error}")
    if changed != source:
        path.write_text(changed, encoding="utf-8")


if __name__ == "__main__":
    main()
