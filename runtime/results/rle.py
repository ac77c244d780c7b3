"""Masks as COCO writes them: run lengths down the columns, in a short text.

https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c documents the format: the lengths of runs
of 0 and 1 in turn, beginning with 0, column by column. From the fourth on, each is written as its difference
from the one before the last; then in groups of five bits, lowest first, a sixth bit telling that more follow,
each group a letter from "0" on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..program import MAX_PIXELS


def encode(mask: np.ndarray, left: int, top: int, image_hw: tuple[int, int]) -> dict[str, Any]:
    """Write a mask as COCO's compressed RLE.

    mask: bool (h, w), a part of the image whose upper left corner is (left, top); all else is 0.
    Returns {"size": [height, width], "counts": text}.
    """
    height, width = image_hw
    rows, columns = mask.shape
    padded = np.zeros(
        (columns, rows + 2), np.int8
    )  # a column of the mask is a row here, with a 0 at each end
    padded[:, 1:-1] = mask.T
    steps = np.diff(padded, axis=1)
    column, row = np.nonzero(steps)  # a run begins at one, ends before the next: column by column, in pairs
    edges = (column + left) * height + row + top
    # Runs that go on from the foot of one column to the head of the next are one run.
    starts, ends = edges[::2], edges[1::2]
    if len(starts):
        apart = starts[1:] != ends[:-1]
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    bounds = np.stack((starts, ends), axis=1).reshape(-1)
    counts = np.diff(np.concatenate(([0], bounds, [height * width])))
    if len(counts) > 1 and counts[-1] == 0:
        counts = counts[:-1]
    return {"size": [height, width], "counts": _to_text(counts.tolist())}


def decode(rle: dict[str, Any]) -> np.ndarray:
    """Read COCO's RLE, compressed or as a list of counts. Returns bool (height, width).

    Raises InputError if the runs don't fill the mask exactly, or it has more than MAX_PIXELS.
    """
    height, width = map(int, rle["size"])
    if height < 0 or width < 0 or height * width > MAX_PIXELS:
        raise InputError(f"a mask of {height} × {width} pixels: at most {MAX_PIXELS} are read")
    counts = rle["counts"]
    if not isinstance(counts, list):
        counts = _from_text(counts if isinstance(counts, str) else counts.decode("ascii"))
    if sum(counts) != height * width or min(counts, default=0) < 0:
        raise InputError(f"the runs of a mask must fill its {height} × {width} pixels")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T


def _to_text(counts: list[int]) -> str:
    letters = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            group = value & 0x1F
            value >>= 5  # keeps the sign
            more = value != (-1 if group & 0x10 else 0)
            letters.append(chr(48 + (group | 0x20 if more else group)))
            if not more:
                break
    return "".join(letters)


def _from_text(text: str) -> list[int]:
    counts: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        while True:
            if position >= len(text):
                raise InputError("the text of a mask's runs ends too early")
            group = ord(text[position]) - 48
            position += 1
            value |= (group & 0x1F) << shift
            shift += 5
            if not group & 0x20:
                if group & 0x10:
                    value -= 1 << shift
                break
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts
