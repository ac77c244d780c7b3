"""Give OpenCV 5.0's convolutions better tiles: `python faster_tiles.py OPENCV_SOURCE`.

With AVX2, dnn computes a 3×3 convolution in tiles of 6 pixels × 16 output channels, whose sums fill 12 of the
16 registers, but only for stride 1, at least 64 input channels, and a multiple of 8 output channels; a 1×1
convolution likewise. All others take tiles of 10 pixels × 8 channels, where each number of the input, once
read, serves half as many multiplications. A YOLOv5 halves the picture five times by 3×3 convolutions of
stride 2, its first stages have 16 to 64 channels, and its heads 255. For AVX-512 dnn has no tile at all.

`conv2_pair.hpp`, which this puts beside that file, has such tiles for any stride, for 16 input channels and
more, any number of output channels, and AVX-512; and the file is compiled for AVX-512, too.

What isn't found as it stands in 5.0.0 is an error, and nothing is written. A second call changes nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

TILES = Path(__file__).with_name("conv2_pair.hpp")
FOLDER = Path("modules/dnn/src/layers/cpu_kernels")
CONVOLUTION = """\
static void conv32fC8(const void* inp__, const void* residual__, void* out__,
                      const ConvState& cs, const void* weights__,
                      const float* scale__, const float* bias__)
{
"""
ASKED_FIRST = f"""\
#include "{TILES.name}"

{CONVOLUTION}\
#if CV_SIMD256 && defined(__AVX2__)
    if (convInPairs(inp__, residual__, out__, cs, weights__, scale__, bias__))
        return;
#endif
"""
PROCESSORS = 'ocv_add_dispatched_file("layers/cpu_kernels/conv2_kernels" AVX AVX2 NEON NEON_FP16)'
CHANGES = {  # file: what stands there once, and what shall stand there
    FOLDER / "conv2_kernels.simd.hpp": (CONVOLUTION, ASKED_FIRST),
    Path("modules/dnn/CMakeLists.txt"): (PROCESSORS, PROCESSORS.replace(" AVX2 ", " AVX2 AVX512_SKX ")),
}


class UnknownSourceError(ValueError):
    """The source isn't the one that this script knows."""


def changed(source: str, old: str, new: str) -> str:
    """Give a file's text with `new` in the place of `old`. Raises UnknownSourceError."""
    if new in source:
        return source
    if source.count(old) != 1:
        raise UnknownSourceError(f"it has {source.count(old)} times {old.partition('(')[0]!r}, not once")
    return source.replace(old, new)


def main() -> None:
    """Change the files in the source folder that is named, and put the tiles beside one of them."""
    if len(sys.argv) != 2:
        sys.exit("usage: faster_tiles.py OPENCV_SOURCE")
    root = Path(sys.argv[1])
    path, texts = root, {}
    try:
        for file, (old, new) in CHANGES.items():
            path = root / file
            texts[path] = changed(path.read_text(encoding="utf-8"), old, new)
        shutil.copyfile(TILES, root / FOLDER / TILES.name)
        for path, text in texts.items():
            if path.read_text(encoding="utf-8") != text:  # or make would compile it again
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.exit(f"error: {path} cannot be changed: {error.strerror}")
    except UnknownSourceError as error:
        sys.exit(f"error: {path} is not that of OpenCV 5.0.0: {error}")


if __name__ == "__main__":
    main()
