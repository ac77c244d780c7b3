"""Make the golden cases of tiles: `python tests/cases/make_tile_cases.py [--check]`.

Windows come from their definition, by trying one count of tiles after the other. What is found in them
is made of things whose places are known, so the right answers are known without merging anything.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import count, product
from typing import Any

from make_cases import Case, f32, make

Box = Sequence[float]

# ---- windows


def starts(length: int, side: int) -> list[int]:
    """The definition: the fewest that, evenly laid, overlap by a quarter; rounded, halves to even."""
    if length <= side:
        return [0]
    for gaps in count(1):
        step = Fraction(length - side, gaps)
        if side - step >= Fraction(side, 4):
            return [round(i * step) for i in range(gaps + 1)]
    raise AssertionError


def windows_of(image_hw: list[int], side: int) -> list[list[int]]:
    height, width = image_hw
    tiles = [
        [left, top, min(left + side, width), min(top + side, height)]
        for top, left in product(starts(height, side), starts(width, side))
    ]
    return [[0, 0, width, height], *(tiles if max(image_hw) > side else [])]


def window_cases() -> Iterator[Case]:
    for name, image_hw, side in (
        ("smaller than a tile", [60, 90], 100),
        ("as large as a tile", [100, 100], 100),
        ("a pixel wider than a tile", [100, 101], 100),
        ("two by two", [150, 150], 100),
        ("two that overlap by just a quarter", [64, 175], 100),
        ("three that overlap by hardly more", [64, 176], 100),
        ("starts halfway between two pixels", [33, 83], 32),
        ("a row", [40, 1000], 64),
        ("a column", [1000, 64], 64),
        ("a single pixel high", [1, 333], 32),
        ("a photograph", [750, 1000], 320),
        ("a large photograph", [3000, 4000], 640),
    ):
        yield {"name": name, "image_hw": image_hw, "side": side, "windows": windows_of(image_hw, side)}


# ---- one answer

HW = [60, 180]
ROW = [[0, 0, 180, 60], [0, 0, 100, 60], [80, 0, 180, 60]]  # the whole, and two tiles


def found(*rows: tuple[Box, float, int], **more: Any) -> Case:
    """What was found in a window, or in the image: boxes, scores and class ids."""
    return {
        "xyxy": [list(box) for box, _, _ in rows],
        "scores": [f32(score) for _, score, _ in rows],
        "class_ids": [class_id for _, _, class_id in rows],
        **more,
    }


def merge_case(
    name: str,
    parts: list[Case],
    merged: Case,
    image_hw: list[int] = HW,
    windows: list[list[int]] = ROW,
    iou_thres: float = 0.45,
    max_det: int = 1000,
    agnostic: bool = False,
) -> Case:
    assert len(parts) == len(windows)
    return {
        "name": name,
        "image_hw": image_hw,
        "windows": windows,
        "parts": parts,
        "iou_thres": iou_thres,
        "max_det": max_det,
        "agnostic": agnostic,
        "merged": merged,
    }


def merge_cases() -> Iterator[Case]:
    none = found()
    box = [85, 20, 95, 40]  # which both tiles see
    yield merge_case("nothing", [none] * 3, none)
    yield merge_case(
        "one window is the whole image",
        [found((box, 0.5, 0), ([100, 20, 180, 40], 0.4, 0))],
        found((box, 0.5, 0), ([100, 20, 180, 40], 0.4, 0)),
        windows=ROW[:1],
    )
    yield merge_case(
        "seen whole by all: the best one",
        [found((box, 0.5, 0)), found((box, 0.7, 0)), found(([5, 20, 15, 40], 0.6, 0))],
        found((box, 0.7, 0)),
    )
    yield merge_case(
        "equal scores: the first one's place",
        [found(([84, 20, 95, 40], 0.5, 0)), found((box, 0.5, 0)), none],
        found(([84, 20, 95, 40], 0.5, 0)),
    )
    yield merge_case(
        "whole boxes of two classes",
        [none, found((box, 0.7, 0)), found(([5, 20, 15, 40], 0.6, 1))],
        found((box, 0.7, 0), (box, 0.6, 1)),
    )
    yield merge_case(
        "whole boxes of two classes, agnostic",
        [none, found((box, 0.7, 0)), found(([5, 20, 15, 40], 0.6, 1))],
        found((box, 0.7, 0)),
        agnostic=True,
    )
    large = [20, 20, 150, 40]
    left, right = [20, 20, 100, 40], [0, 20, 70, 40]  # what the tiles see of it
    yield merge_case(
        "pieces give way to the whole, though they score better",
        [found((large, 0.5, 0)), found((left, 0.9, 0)), found((right, 0.8, 0))],
        found((large, 0.5, 0)),
    )
    yield merge_case(
        "pieces of another class do not",
        [found((large, 0.5, 0)), found((left, 0.9, 1)), found((right, 0.8, 1))],
        found((large, 0.9, 1), (large, 0.5, 0)),
    )
    yield merge_case(
        "agnostic, they do",
        [found((large, 0.5, 0)), found((left, 0.9, 1)), found((right, 0.8, 1))],
        found((large, 0.5, 0)),
        agnostic=True,
    )
    yield merge_case(
        "two pieces become one",
        [none, found((left, 0.6, 0)), found((right, 0.8, 0))],
        found((large, 0.8, 0)),
    )
    yield merge_case(
        "two pieces of different classes stay two",
        [none, found((left, 0.6, 0)), found((right, 0.8, 1))],
        found(([80, 20, 150, 40], 0.8, 1), (left, 0.6, 0)),
    )
    yield merge_case(
        "agnostic, they become one of the better class",
        [none, found((left, 0.6, 0)), found((right, 0.8, 1))],
        found((large, 0.8, 1)),
        agnostic=True,
    )
    yield merge_case(
        "one above the other stay two",
        [none, found((left, 0.6, 0)), found(([0, 42, 70, 55], 0.8, 0))],
        found(([80, 42, 150, 55], 0.8, 0), (left, 0.6, 0)),
    )
    yield merge_case(
        "three in a row become one",
        [
            none,
            found(([10, 20, 100, 40], 0.6, 0)),
            found(([0, 20, 100, 40], 0.9, 0)),
            found(([0, 20, 60, 40], 0.7, 0)),
        ],
        found(([10, 20, 220, 40], 0.9, 0)),
        [60, 260],
        [[0, 0, 260, 60], [0, 0, 100, 60], [80, 0, 180, 60], [160, 0, 260, 60]],
    )
    # 1.5 pixels from a tile's edge on, a box is whole. Of what both see, what stays in the way is a piece.
    yield merge_case(
        "so near to the edge that it is a piece",
        [none, found(([70, 20, 98.5625, 40], 0.6, 0)), found(([1.4375, 20, 18, 40], 0.5, 0))],
        found(([70, 20, 98.5625, 40], 0.6, 0)),
        iou_thres=0.75,
    )
    yield merge_case(
        "whole boxes, not as near",
        [none, found(([70, 20, 98.4375, 40], 0.6, 0)), found(([1.5625, 20, 18, 40], 0.5, 0))],
        found(([70, 20, 98.4375, 40], 0.6, 0), ([81.5625, 20, 98, 40], 0.5, 0)),
        iou_thres=0.75,
    )
    yield merge_case(
        "the image's own edges cut nothing off",
        [none, found(([0, 0, 50, 60], 0.6, 0)), found(([60, 0, 100, 60], 0.5, 0))],
        found(([0, 0, 50, 60], 0.6, 0), ([140, 0, 180, 60], 0.5, 0)),
    )
    # Where both see, 20 of 20 by 20 pixels: 13 by 20 in common are more than 0.6 of it, 11 by 20 are not.
    yield merge_case(
        "two thirds in common are the same",
        [none, found(([60, 20, 100, 40], 0.6, 0)), found(([0, 27, 50, 47], 0.5, 0))],
        found(([60, 20, 130, 47], 0.6, 0)),
    )
    yield merge_case(
        "a good half in common is not",
        [none, found(([60, 20, 100, 40], 0.6, 0)), found(([0, 29, 50, 49], 0.5, 0))],
        found(([60, 20, 100, 40], 0.6, 0), ([80, 29, 130, 49], 0.5, 0)),
    )
    yield merge_case(
        "the most in common decides",
        [
            found(([40, 20, 140, 40], 0.3, 0)),
            found(([40, 29, 100, 49], 0.9, 0)),
            found(([0, 27, 60, 47], 0.8, 0)),
        ],
        found(([40, 27, 140, 49], 0.9, 0), ([40, 20, 140, 40], 0.3, 0)),
    )
    rows = [([10 * i, 10, 10 * i + 8, 20], 0.9 - i / 16, 0) for i in range(5)]
    yield merge_case(
        "at most three",
        [none, found(*rows), found((right, 0.85, 0))],
        found(rows[0], ([80, 20, 150, 40], 0.85, 0), rows[1]),
        max_det=3,
    )
    yield merge_case(
        "equal scores: whole ones first",
        [none, found((left, 0.5, 0)), found(([40, 42, 70, 55], 0.5, 0))],
        found(([120, 42, 150, 55], 0.5, 0), (left, 0.5, 0)),
    )
    points = [[[90, 22], [99.5, 38]], [[1, 21.25], [70, 39]]]
    yield merge_case(
        "keypoints are the best piece's",
        [
            found(keypoints=[]),
            found((left, 0.6, 0), keypoints=points[:1]),
            found((right, 0.8, 0), keypoints=points[1:]),
        ],
        found((large, 0.8, 0), keypoints=[[[81, 21.25], [150, 39]]]),
    )
    yield merge_case(
        "a mask is the union of the pieces'",
        [
            found(masks=[]),
            found((left, 0.6, 0), ([5, 2, 9, 9], 0.4, 0), masks=[[20, 20, 100, 38], [5, 2, 9, 9]]),
            found((right, 0.8, 0), masks=[[0, 22, 70, 40]]),
        ],
        found(
            (large, 0.8, 0),
            ([5, 2, 9, 9], 0.4, 0),
            masks=[[[20, 20, 100, 38], [80, 22, 150, 40]], [[5, 2, 9, 9]]],
        ),
    )
    yield merge_case(
        "a piece's mask may be nothing",
        [
            found(masks=[]),
            found((left, 0.6, 0), masks=[[0, 0, 0, 0]]),
            found((right, 0.8, 0), masks=[[0, 22, 70, 40]]),
        ],
        found((large, 0.8, 0), masks=[[[80, 22, 150, 40]]]),
    )
    for seed, side in enumerate((100, 160, 250, 333)):
        yield crowd(seed, side)


def crowd(seed: int, side: int) -> Case:
    """Things far apart, each window finding what is in it, cut at its edges: all of them, whole, once.

    The score is that of the best window that sees it whole; of the best piece only where none does.
    """
    dice = random.Random(seed)
    size = 720
    windows = windows_of([size, size], side)
    things = []
    for x, y in product(range(0, size, 180), repeat=2):
        w, h = dice.randint(64, 1000) / 8, dice.randint(64, 1000) / 8
        left, top = x + dice.randint(0, int(8 * (170 - w))) / 8, y + dice.randint(0, int(8 * (170 - h))) / 8
        things.append([left, top, left + w, top + h])
    scores = iter(dice.sample(range(3000, 10000), 3000))
    parts: list[list[tuple[Box, float, int]]] = [[] for _ in windows]
    merged = []
    for thing in things:
        x1, y1, x2, y2 = thing
        class_id = dice.randrange(3)
        views = []  # of the thing: whether whole, and the score
        for window, part in zip(windows, parts, strict=True):
            left, top, right, bottom = window
            if window == windows[0] and max(x2 - x1, y2 - y1) < 60:
                continue  # too small to be seen in the whole picture
            x3, y3, x4, y4 = max(x1, left), max(y1, top), min(x2, right), min(y2, bottom)
            if x4 - x3 < 4 or y4 - y3 < 4:
                continue
            near = 0.015 * (right - left)
            distances = [x3 - left if left else near, y3 - top if top else near]
            distances += [right - x4 if right < size else near, bottom - y4 if bottom < size else near]
            score = next(scores) / 10000
            part.append(([x3 - left, y3 - top, x4 - left, y4 - top], score, class_id))
            views.append((min(distances) >= near, score))
        assert views
        merged.append((thing, max(views)[1], class_id))
    merged.sort(key=lambda row: -row[1])
    cut = [found(*sorted(part, key=lambda row: -row[1])) for part in parts]
    return merge_case(f"a crowd in tiles of {side}", cut, found(*merged), [size, size], windows)


def tile_cases() -> Iterator[Case]:
    yield from window_cases()
    yield from merge_cases()


if __name__ == "__main__":
    sys.exit(make({"tiles.json": tile_cases}, "python tests/cases/make_tile_cases.py"))
