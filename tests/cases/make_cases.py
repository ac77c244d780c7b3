"""Make the golden cases in this folder: `python tests/cases/make_cases.py [--check]`.

The answers come from here, not from the code under test: plain loops over plain numbers, written from the
formulas, slow, with nothing but the standard library. What is float32 in the twins is rounded after every
operation (`f32`), so answers are exact where the README of this folder says so. With `--check` nothing is
written; the exit code is 1 if a file differs from what would be.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
import random
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
Case = dict[str, Any]


def f32(value: float) -> float:
    """Round to float32. After one +, −, · or / of float32 values in double: what float32 itself gives."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def whole(value: float) -> int:
    """Round to the nearest whole number, halves to the even one."""
    return round(value)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- pictures: by a formula, so that no file is needed


def pixel(x: int, y: int, c: int) -> int:
    return (7 * x + 13 * y + 31 * c + (x * y) % 17) % 256


def picture(height: int, width: int) -> list[list[list[int]]]:
    """Give rows of pixels of B, G, R."""
    return [[[pixel(x, y, c) for c in range(3)] for x in range(width)] for y in range(height)]


def as_bgr(height: int, width: int, channels: int) -> list[list[list[int]]]:
    """Give a picture of so many channels as BGR: alpha and the low byte of 16 bits are left out."""
    return [
        [[pixel(x, y, c if channels > 1 else 0) for c in range(3)] for x in range(width)]
        for y in range(height)
    ]


# ---- letterbox


def resize_axis(source: int, target: int) -> list[tuple[int, int, int, int]]:
    """For each target pixel: the two source pixels it lies between, and their weights, in 2048ths."""
    taps = []
    for i in range(target):
        position = f32((i + 0.5) * (1 / (target / source)) - 0.5)
        first = math.floor(position)
        weight = f32(position - first)
        near, far = (min(max(pixel, 0), source - 1) for pixel in (first, first + 1))
        taps.append((near, far, whole(f32(1 - weight) * 2048), whole(weight * 2048)))
    return taps


def resize(image: list[list[list[int]]], height: int, width: int) -> list[list[list[int]]]:
    """Scale bytes as cv2.INTER_LINEAR does, in whole numbers; to exactly half, by means of 2 × 2 pixels."""
    rows, columns = len(image), len(image[0])
    if rows == 2 * height and columns == 2 * width:
        return [
            [
                [
                    (sum(image[2 * y + j][2 * x + i][c] for i in (0, 1) for j in (0, 1)) + 2) // 4
                    for c in range(3)
                ]
                for x in range(width)
            ]
            for y in range(height)
        ]
    across, down = resize_axis(columns, width), resize_axis(rows, height)
    wide = [
        [[row[x0][c] * w0 + row[x1][c] * w1 for c in range(3)] for x0, x1, w0, w1 in across] for row in image
    ]
    return [
        [
            [
                ((w0 * (wide[y0][x][c] >> 4) >> 16) + (w1 * (wide[y1][x][c] >> 4) >> 16) + 2) >> 2
                for c in range(3)
            ]
            for x in range(width)
        ]
        for y0, y1, w0, w1 in down
    ]


def letterbox_case(
    name: str,
    size: tuple[int, int],
    imgsz: tuple[int, int],
    multiple: int | None,
    fold: int = 1,
    channels: int = 3,
    bits: int = 8,
) -> Case:
    h, w = size
    fit = min(imgsz[0] / h, imgsz[1] / w)
    new_h, new_w = max(whole(h * fit), 1), max(whole(w * fit), 1)
    height, width = imgsz
    if multiple:
        height, width = (
            next(n for n in range(multiple, 99999, multiple) if n >= new) for new in (new_h, new_w)
        )
    image = as_bgr(h, w, channels)
    inside = image if (new_h, new_w) == (h, w) else resize(image, new_h, new_w)
    top, left = whole((height - new_h) / 2 - 0.1), whole((width - new_w) / 2 - 0.1)
    canvas = [[[114, 114, 114] for _ in range(width)] for _ in range(height)]
    for y in range(new_h):
        for x in range(new_w):
            canvas[top + y][left + x] = inside[y][x]

    # Of a square of fold × fold pixels, column by column, each pixel's R, G, B are channels of the blob.
    blob = [
        canvas[fold * y + dy][fold * x + dx][c]
        for dx in range(fold)
        for dy in range(fold)
        for c in (2, 1, 0)
        for y in range(height // fold)
        for x in range(width // fold)
    ]
    scale = min(height / h, width / w)
    pad_x, pad_y = (width - w * scale) / 2, (height - h * scale) / 2
    box = [width / 4 + 0.3, height / 4, width / 2, height / 2 + 0.7]
    boxes = [[f32(edge) for edge in each] for each in ([0, 0, width, height], box, [-9.5, -9, 3, 4])]

    def back(value: float, pad: float, most: int) -> float:
        return min(max(f32(f32(value - f32(pad)) / f32(scale)), 0.0), float(most))

    return {
        "name": name,
        "image": {"height": h, "width": w, "channels": channels, "bits": bits},
        "imgsz": list(imgsz),
        "multiple": multiple,
        "fold": fold,
        "canvas": {
            "shape": [height, width, 3],
            "sha256": sha256(bytes(v for row in canvas for p in row for v in p)),
        },
        "placement": {"scale": scale, "pad_x": pad_x, "pad_y": pad_y},
        "blob": {
            "shape": [1, 3 * fold * fold, height // fold, width // fold],
            "sha256": sha256(b"".join(struct.pack("<f", value / 255) for value in blob)),
        },
        "xyxy": boxes,
        "unletterboxed": [
            [back(box[0], pad_x, w), back(box[1], pad_y, h), back(box[2], pad_x, w), back(box[3], pad_y, h)]
            for box in boxes
        ],
    }


def letterbox_cases() -> Iterator[Case]:
    yield letterbox_case("a copy: the image has the size already", (64, 96), (96, 96), 32)
    yield letterbox_case("enlarged, padded to the full size", (45, 80), (128, 128), None)
    yield letterbox_case("enlarged, rectangular", (45, 80), (128, 128), 32)
    yield letterbox_case("made smaller", (150, 113), (96, 128), 32)
    yield letterbox_case("made smaller to exactly half", (96, 128), (64, 64), 16)
    yield letterbox_case("an odd row of padding goes below", (61, 64), (64, 64), None)
    yield letterbox_case("the shorter side's scale is the canvas's", (97, 131), (64, 96), 32)
    yield letterbox_case("a single pixel", (1, 1), (64, 64), 32)
    yield letterbox_case("hardly higher than a line", (3, 700), (64, 64), 32)
    yield letterbox_case("hardly wider than a line", (700, 3), (64, 64), 64)
    yield letterbox_case("folded", (50, 40), (64, 64), 32, fold=2)
    yield letterbox_case("grey", (40, 60), (64, 64), 32, channels=1)
    yield letterbox_case("with alpha", (40, 60), (64, 64), 32, channels=4)
    yield letterbox_case("16 bits", (40, 60), (64, 64), 32, bits=16)
    yield letterbox_case("16 bits, grey", (40, 60), (60, 60), 20, channels=1, bits=16)


# ---- decode


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def heads_of(
    seed: int, shapes: list[tuple[int, int, int]], classes: int, extra: int, wild: bool = False
) -> list[Case]:
    """Make head maps of random logits, in steps of 1/64 for boxes and of 3/8 for scores: there are ties."""
    dice = random.Random(seed)
    heads = []
    for na, ny, nx in shapes:
        size = 5 + classes + extra
        data = []
        for channel in range(na * size):
            box = channel % size < 4
            reach = (40 if wild else 3) if box else 6
            step = 64 if box else 8 / 3
            data += [round(dice.uniform(-reach, reach) * step) / step for _ in range(ny * nx)]
        heads.append({"shape": [na * size, ny, nx], "data": data})
    return heads


def candidates_of(case: Case) -> Case:
    """The definition, anchor by anchor and cell by cell."""
    conf_thres = case["conf_thres"]
    first_class, end_class = case["layout"]["classes"]
    first_extra, end_extra = case["layout"]["extra"]
    size = max(end_class, end_extra)
    found: Case = {"xyxy": [], "scores": [], "class_ids": [], "extra": []}
    for head, anchors, stride in zip(case["heads"], case["anchors"], case["strides"], strict=True):
        channels, ny, nx = head["shape"]
        assert channels == len(anchors) * size
        for a, (anchor_w, anchor_h) in enumerate(anchors):
            for row in range(ny):
                for column in range(nx):

                    def at(
                        k: int, a: int = a, row: int = row, column: int = column, head: Case = head
                    ) -> float:
                        _, ny, nx = head["shape"]
                        return float(head["data"][((a * size + k) * ny + row) * nx + column])

                    objectness = sigmoid(at(4))
                    assert abs(objectness - conf_thres) > 1e-5, "too close to tell in float32"
                    logits = [at(k) for k in range(first_class, end_class)]
                    wanted = (
                        range(len(logits))
                        if case["multi_label"]
                        else [
                            max(
                                range(len(logits)),
                                key=lambda c, logits=logits: (logits[c], -c),  # type: ignore[misc]
                            )
                        ]
                    )
                    for c in wanted:
                        score = objectness * sigmoid(logits[c])
                        assert abs(score - conf_thres) > 1e-5 or conf_thres in (0, 1)
                        if not (objectness > conf_thres and score > conf_thres):
                            continue
                        x = (2 * sigmoid(at(0)) - 0.5 + column) * stride
                        y = (2 * sigmoid(at(1)) - 0.5 + row) * stride
                        w, h = (2 * sigmoid(at(2))) ** 2 * anchor_w, (2 * sigmoid(at(3))) ** 2 * anchor_h
                        found["xyxy"].append(
                            [round(v, 6) for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2)]
                        )
                        found["scores"].append(round(score, 9))
                        found["class_ids"].append(c)
                        found["extra"].append([at(k) for k in range(first_extra, end_extra)])
    return found


def decode_case(
    name: str,
    shapes: list[tuple[int, int, int]],
    strides: list[int],
    classes: int,
    conf_thres: float = 0.25,
    multi_label: bool = False,
    extra: int = 0,
    extra_first: bool = False,
    wild: bool = False,
) -> Case:
    dice = random.Random(name)
    anchors = [[[dice.randint(3, 60) / 2, dice.randint(3, 60) / 2] for _ in range(na)] for na, _, _ in shapes]
    layout = {"classes": [5, 5 + classes], "extra": [5 + classes, 5 + classes + extra]}
    if extra_first:
        layout = {"classes": [5 + extra, 5 + extra + classes], "extra": [5, 5 + extra]}
    case = {
        "name": name,
        "heads": heads_of(len(name), shapes, classes, extra, wild),
        "anchors": anchors,
        "strides": strides,
        "layout": layout,
        "conf_thres": conf_thres,
        "multi_label": multi_label,
    }
    return {**case, "candidates": candidates_of(case)}


def decode_refusal(name: str, change: Callable[[Case], None]) -> Case:
    case = decode_case(name, [(2, 2, 2)], [8], 2)
    del case["candidates"]
    change(case)
    return {**case, "error": "ModelError"}


def decode_cases() -> Iterator[Case]:
    three = [(2, 4, 6), (2, 2, 3), (2, 1, 2)]
    yield decode_case("three heads, three classes", three, [8, 16, 32], 3)
    yield decode_case("every class that is likely", three, [8, 16, 32], 3, 0.06, True)
    yield decode_case("one class", [(3, 3, 3)], [8], 1)
    yield decode_case("coarse to fine, different numbers of anchors", [(1, 1, 2), (4, 2, 4)], [32, 16], 2)
    yield decode_case(
        "four heads of many classes", [(1, 4, 4), (1, 2, 2), (1, 1, 1), (1, 1, 1)], [8, 16, 32, 64], 20
    )
    yield decode_case("mask coefficients after the classes", three, [8, 16, 32], 2, extra=4)
    yield decode_case("mask coefficients, every likely class", [(2, 3, 3)], [16], 3, 0.06, True, extra=4)
    yield decode_case("keypoints before the classes", [(3, 2, 3)], [16], 2, extra=10, extra_first=True)
    yield decode_case("far out in the sigmoid's tails", [(2, 3, 4)], [8], 2, wild=True)
    yield decode_case("a threshold of 0", [(1, 2, 3)], [8], 2, 0.0)
    yield decode_case("a threshold of 0, every class", [(1, 2, 3)], [8], 2, 0.0, True)
    yield decode_case("a threshold of 1", [(1, 2, 3)], [8], 2, 1.0)

    def spoil(case: Case) -> None:
        case["heads"][0]["data"][4 * 4 + 3] = "NaN"

    yield decode_refusal("an objectness that is not a number", spoil)
    yield decode_refusal("more strides than heads", lambda case: case["strides"].append(16))
    yield decode_refusal("more anchors than heads", lambda case: case["anchors"].append([[1, 2]]))
    yield decode_refusal(
        "anchors that do not divide the channels", lambda case: case["anchors"][0].append([1, 2])
    )
    yield decode_refusal(
        "channels that are not the layout's", lambda case: case["layout"].update(classes=[5, 8], extra=[8, 8])
    )


# ---- nms


def iou32(a: list[float], b: list[float]) -> float:
    """Intersection over union, rounded to float32 after each operation. NaN of two boxes without area."""
    width = max(f32(min(a[2], b[2]) - max(a[0], b[0])), 0.0)
    height = max(f32(min(a[3], b[3]) - max(a[1], b[1])), 0.0)
    intersection = f32(width * height)
    area_a, area_b = (f32(f32(box[2] - box[0]) * f32(box[3] - box[1])) for box in (a, b))
    union = f32(f32(area_a + area_b) - intersection)
    return f32(intersection / union) if union else math.nan


def nms_case(
    name: str,
    xyxy: Any,
    scores: Any,
    class_ids: Any,
    iou_thres: float = 0.45,
    max_det: int = 1000,
    agnostic: bool = False,
) -> Case:
    """The definition: a box stays if none of those that stay and come before it overlaps too much."""
    xyxy, scores = [[f32(edge) for edge in box] for box in xyxy], [f32(score) for score in scores]
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        rivals = [j for j in kept if agnostic or class_ids[i] == class_ids[j]]
        if not any(iou32(xyxy[j], xyxy[i]) > iou_thres for j in rivals):
            kept.append(i)
    return {
        "name": name,
        "xyxy": xyxy,
        "scores": scores,
        "class_ids": list(class_ids),
        "iou_thres": iou_thres,
        "max_det": max_det,
        "agnostic": agnostic,
        "kept": kept[:max_det],
    }


def crowd(seed: int, count: int, classes: int, levels: int) -> tuple[Any, Any, Any]:
    dice = random.Random(seed)
    boxes = []
    for _ in range(count):
        x, y = dice.randrange(800) / 8, dice.randrange(800) / 8
        boxes.append([x, y, x + dice.randrange(8, 480) / 8, y + dice.randrange(8, 480) / 8])
    scores = [dice.randrange(1, levels) / levels for _ in boxes]
    return boxes, scores, [dice.randrange(classes) for _ in boxes]


def nms_cases() -> Iterator[Case]:
    boxes = [[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [0, 0, 10, 10]]
    four = (boxes, [0.5, 0.875, 0.75, 0.625], [0, 0, 0, 1])
    yield nms_case("the best of a class stays", *four, 0.5)
    yield nms_case("classes suppress each other", *four, 0.5, agnostic=True)
    yield nms_case("all may overlap", *four, 0.9)
    yield nms_case("at most two", *four, 0.5, max_det=2)
    yield nms_case("nothing", [], [], [])
    half = ([[0, 0, 2, 2], [0, 0, 2, 1]], [0.9, 0.8], [0, 0])
    yield nms_case("an overlap of exactly the threshold is allowed", *half, 0.5)
    yield nms_case("a little more is not", *half, 0.4999)
    three_fifths = ([[0, 0, 5, 1], [0, 0, 3, 1]], [0.9, 0.8], [0, 0])
    yield nms_case("3/5 is more than 0.6 in float32", *three_fifths, 0.6)
    yield nms_case("7/10 is less than 0.7 in float32", [[0, 0, 10, 1], [0, 0, 7, 1]], [0.9, 0.8], [0, 0], 0.7)
    chain = ([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], [0.9, 0.8, 0.7], [0, 0, 0])
    yield nms_case("what is suppressed suppresses nothing", *chain, 0.3)
    yield nms_case("boxes without area suppress nothing", [[1, 1, 1, 1]] * 3, [0.5, 0.6, 0.7], [0, 0, 0], 0.0)
    row = [[20 * i, 0, 20 * i + 10, 10] for i in range(20)]
    yield nms_case("equal scores keep their order", row, [0.5] * 20, [0] * 20)
    yield nms_case(
        "equal scores, equal boxes: the first stays", [[0, 0, 9, 9]] * 5, [0.5] * 5, [2, 1, 2, 1, 1]
    )
    for number, iou_thres in enumerate((0.0, 0.2, 0.45, 0.6, 1.0)):
        yield nms_case(f"a crowd with ties, IoU {iou_thres}", *crowd(number, 60, 3, 16), iou_thres)
    yield nms_case("a crowd, agnostic", *crowd(9, 80, 4, 1000), 0.45, agnostic=True)
    yield nms_case("a crowd, at most seven", *crowd(10, 80, 2, 1000), 0.45, max_det=7)


# ---- draw


def colour(class_id: int) -> list[int]:
    """B, G, R of a class, by the six sectors of HSV, in exact fractions."""
    hue = (Fraction("0.57") + Fraction("0.618034") * class_id) % 1
    saturation, value = [("0.85", "1"), ("0.6", "1"), ("0.9", "0.75")][class_id % 3]
    s, v = Fraction(saturation), Fraction(value)
    sector, f = int(hue * 6), hue * 6 - int(hue * 6)
    p, q, t = v * (1 - s), v * (1 - s * f), v * (1 - s * (1 - f))
    red, green, blue = [(v, t, p), (q, v, p), (p, v, t), (p, q, v), (t, p, v), (v, p, q)][sector]
    channels = [255 * blue, 255 * green, 255 * red]
    for channel in channels:
        assert abs(channel - math.floor(channel) - Fraction(1, 2)) > Fraction(1, 10**6)
    return [int(channel + Fraction(1, 2)) for channel in channels]


def black_or_white(bgr: list[int]) -> list[int]:
    blue, green, red = bgr
    return [0, 0, 0] if 299 * red + 587 * green + 114 * blue > 127500 else [255, 255, 255]


def thickness(height: int, width: int) -> tuple[int, int]:
    """Width of lines and height of letters."""
    mean = Fraction(height + width, 2)
    return max(2, whole(mean / 300)), max(12, whole(mean / 50))  # type: ignore[arg-type]


def picture_case(
    name: str,
    size: tuple[int, int],
    rows: list[tuple[list[float], float, int]],
    also: list[list[int]] | None = None,
    **options: Any,
) -> Case:
    """Tell the colour of some pixels: on boxes' edges, rims and labels that nothing hides, and far off."""
    height, width = size
    line, letters = thickness(height, width)
    line = options.get("line_thickness", line)
    boxes = [[whole(edge) for edge in box] for box, _, _ in rows]
    pixels = list(also or [])
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        bgr = colour(rows[i][2])
        rim = black_or_white(bgr)
        middle_x, middle_y = (x1 + x2) // 2, (y1 + y2) // 2
        outer = (line + 3) // 2  # the outermost pixel of a line that is wider by two
        spots = [(x1, middle_y, bgr), (x2, middle_y, bgr), (middle_x, y2, bgr)]
        spots += [(x1 - outer, middle_y, rim), (x1 + outer, middle_y, rim), (x2 + outer, middle_y, rim)]
        if y1 > 2 * letters and not options.get("hide_labels"):
            spots.append((max(x1 - line // 2, 0), y1 - line // 2 - 1, bgr))  # the label's, on top of the box
        for x, y, expected in spots:
            hidden = any(
                bx1 - line - 2 <= x <= bx2 + line + 200 and by1 - 2 * letters <= y <= by2 + line + 2
                for j, (bx1, by1, bx2, by2) in enumerate(boxes)
                if j < i
            )
            if not hidden and 0 <= x < width and 0 <= y < height:
                pixels.append([x, y, *expected])
    for y in range(0, height, 7):
        for x in range(0, width, 11):
            if len(pixels) < 60 and all(
                (bx1 + line + 2 < x < bx2 - line - 2 and by1 + 2 * letters < y < by2 - line - 2 * letters)
                or x < bx1 - line - 2
                or x > bx2 + line + 200
                or y < by1 - 2 * letters - line
                or y > by2 + line + 2 * letters
                for bx1, by1, bx2, by2 in boxes
            ):
                pixels.append([x, y, *(pixel(x, y, c) for c in range(3))])
    return {
        "name": name,
        "image": {"height": height, "width": width, "channels": 3, "bits": 8},
        "xyxy": [box for box, _, _ in rows],
        "scores": [score for _, score, _ in rows],
        "class_ids": [class_id for _, _, class_id in rows],
        "names": [f"c{i}" for i in range(max((row[2] for row in rows), default=0) + 1)],
        **options,
        "pixels": pixels,
    }


def draw_cases() -> Iterator[Case]:
    ids = [*range(24), 79, 364, 1000]
    yield {"name": "class_colour", "class_ids": ids, "colours": [colour(i) for i in ids]}
    colours = [colour(i) for i in range(24)] + [[255, 255, 255], [0, 0, 0], [200, 0, 0], [0, 0, 255]]
    yield {
        "name": "text_colour",
        "backgrounds": colours,
        "colours": [black_or_white(each) for each in colours],
    }
    sizes = [[32, 32], [480, 640], [1080, 1920], [3000, 4000], [750, 1000], [1350, 1350], [8000, 1]]
    both = [thickness(*size) for size in sizes]
    yield {
        "name": "line_width and text_size",
        "sizes": sizes,
        "line_widths": [b[0] for b in both],
        "text_sizes": [b[1] for b in both],
    }
    one = [([50.0, 100.0, 200.0, 250.0], 0.875, 0)]
    yield picture_case("nothing", (40, 60), [])
    yield picture_case("one box", (300, 400), one)
    yield picture_case("edges are rounded to pixels", (300, 400), [([50.4, 99.6, 200.3, 249.8], 0.875, 2)])
    yield picture_case(
        "the best lies on top", (300, 400), [([60, 80, 160, 200], 0.75, 3), ([60, 80, 160, 200], 0.5, 1)]
    )
    yield picture_case(
        "three boxes, wide lines",
        (1500, 1700),
        [
            ([100, 200, 400, 500], 0.9, 1),
            ([800, 300, 1500, 1400], 0.8, 4),
            ([150, 900, 600, 1300], 0.3, 8),
        ],
    )
    yield picture_case("lines of seven pixels", (300, 400), one, line_thickness=7)
    above = [[x, 95, *(pixel(x, 95, c) for c in range(3))] for x in range(52, 80, 3)]
    yield picture_case("without labels", (300, 400), one, also=above, hide_labels=True)
    # A box at the top has its label below: its upper left corner is a line's half outside of the box's own.
    top = [([80.0, 0.0, 180.0, 120.0], 0.5, 5)]
    yield picture_case("no room above", (300, 400), top, also=[[79, 122, *colour(5)]])


# ---- labels


def place_labels(boxes: list[list[int]], sizes: list[list[int]], image: list[int]) -> list[list[int] | None]:
    """The definition, pixel by pixel: what a label hides is counted."""
    height, width = image
    taken: set[tuple[int, int]] = set()
    places: list[list[int] | None] = []

    def fit(value: int, most: int) -> int:
        return 0 if value < 0 or most < 0 else most if value > most else value

    for (x1, y1, x2, y2), (w, h) in zip(boxes, sizes, strict=True):
        above, below = y1 - h, y2
        upper, lower = fit(y1, height - h), fit(y2 - h, height - h)
        left, right, middle = (fit(x, width - w) for x in (x1, x2 - w, math.floor((x1 + x2 - w) / 2)))
        wanted = [(left, above), (left, below), (left, upper), (left, lower)]
        for y in (above, below, upper, lower):
            wanted += [(right, y), (middle, y)]
        wanted += [(x2, y1), (x1 - w, y1), (x2, y2 - h), (x1 - w, y2 - h)]
        best = None
        for x, y in wanted:
            pixels = {(x + i, y + j) for i in range(w) for j in range(h)}
            if x < 0 or y < 0 or x + w > width or y + h > height or pixels & taken:
                continue
            hidden = 0
            for bx1, by1, bx2, by2 in boxes:
                count = sum(bx1 <= px < bx2 and by1 <= py < by2 for px, py in pixels)
                hidden += math.floor(Fraction(50 * count, max((bx2 - bx1) * (by2 - by1), 1)))
            if best is None or hidden < best[0]:
                best = hidden, [x, y], pixels
        places.append(best[1] if best else None)
        if best:
            taken |= best[2]
    return places


def labels_case(name: str, image: list[int], boxes: list[list[int]], sizes: list[list[int]]) -> Case:
    return {
        "name": name,
        "image_hw": image,
        "boxes": boxes,
        "sizes": sizes,
        "places": place_labels(boxes, sizes, image),
    }


def labels_crowd(seed: int, count: int, image: list[int]) -> Case:
    """Boxes of all sizes, some of which reach out of the image, and labels of some widths."""
    dice = random.Random(seed)
    height, width = image
    boxes = []
    for _ in range(count):
        x, y = dice.randrange(-8, width), dice.randrange(-8, height)
        boxes.append([x, y, x + dice.randrange(0, width), y + dice.randrange(0, height)])
    sizes = [[dice.choice((9, 14, 21)), 6] for _ in boxes]
    return labels_case(f"a crowd of {count}", image, boxes, sizes)


def labels_cases() -> Iterator[Case]:
    image, size = [60, 90], [20, 8]
    yield labels_case("nothing", image, [], [])
    yield labels_case("above its box", image, [[30, 20, 60, 50]], [size])
    yield labels_case("below, where there is no room above", image, [[30, 5, 60, 40]], [size])
    yield labels_case("within, where there is none outside", image, [[30, 5, 60, 57]], [size])
    yield labels_case("moved into the image", image, [[80, 20, 88, 50]], [size])
    yield labels_case("no wider than the image", image, [[30, 20, 60, 50]], [[91, 8]])
    yield labels_case("as wide as the image", image, [[30, 20, 60, 50]], [[90, 8]])
    yield labels_case("a box outside", image, [[-40, -30, -10, -5], [100, 70, 130, 90]], [size, size])
    yield labels_case("two at one place", image, [[30, 20, 60, 50]] * 2, [size, size])
    yield labels_case("ten at one place", image, [[30, 20, 60, 50]] * 10, [size] * 10)
    yield labels_case("a small box is not hidden", image, [[30, 30, 60, 50], [31, 24, 36, 29]], [size, size])
    yield labels_case(
        "of a large box a little may be hidden",
        [200, 200],
        [[20, 60, 80, 90], [0, 0, 200, 200]],
        [size, size],
    )
    yield labels_case("boxes without area", image, [[40, 30, 40, 30], [40, 30, 40, 40]], [size, size])
    for seed, count in enumerate((3, 8, 20, 40)):
        yield labels_crowd(seed, count, [70, 110])


# ---- model files


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def node(op_type: str, target: str = "out0", domain: str = "", domain_first: bool = False) -> bytes:
    parts = [
        text(1, "images"),
        text(2, target),
        text(4, op_type),
        *([text(7, domain)] if domain else []),
    ]
    return b"".join([parts[-1], *parts[:-1]] if domain_first else parts)


def graph(*nodes: bytes) -> bytes:
    """A graph with the input `images` and the output `out0`, float32 of four free sides."""
    free = text(2, text(1, number(1, 1) + text(2, text(1, b"") * 4)))
    ends = text(11, text(1, "images") + free) + text(12, text(1, "out0") + free)
    return text(7, b"".join(text(1, each) for each in nodes) + text(2, "g") + ends)


GRAPH = graph(node("Relu"))
PROPS = {
    "names": ["red", "blue"],
    "strides": [8, 16],
    "anchors": [[[16, 12]], [[40.5, 20]]],
    "imgsz": [64, 96],
    "task": "detect",
    "dynamic": True,
}


def props(**changes: Any) -> bytes:
    """metadata_props: JSON of PROPS with changes; text is taken as it is, None leaves the key out."""
    entries = []
    for key, value in {**PROPS, **changes}.items():
        if value is not None:
            entries.append(
                text(14, text(1, key) + text(2, value if isinstance(value, bytes) else json.dumps(value)))
            )
    return b"".join(entries)


def good(name: str, file: bytes, buffer: bytes | None = None, head: Case | None = None, **info: Any) -> Case:
    """A file that is taken; `head` is what only some tasks know, by the metadata's names."""
    expected = {
        "names": PROPS["names"],
        "strides": [8, 16],
        "anchors": [[[16, 12]], [[40.5, 20]]],
        "imgsz": [64, 96],
        "task": "detect",
        "dynamic": True,
        "fold": 1,
        "size_multiple": 16,
        "producer": "",
    }
    return {
        "name": name,
        "file": base64.b64encode(file).decode(),
        "buffer_sha256": sha256(file if buffer is None else buffer),
        "info": {**expected, **info},
        **({"head": head} if head else {}),
    }


def bad(name: str, file: bytes, error: str) -> Case:
    return {"name": name, "file": base64.b64encode(file).decode(), "error": error}


def swish_file(hide: bool) -> bytes:
    """Nodes of which two lose their domain: field 15 in place of 7 hides it."""

    def swish(target: str, domain_first: bool) -> bytes:
        whole_node = node("Swish", target, "yolov5_dnn", domain_first)
        return whole_node.replace(b"\x3a\x0ayolov5_dnn", b"\x7a\x0ayolov5_dnn") if hide else whole_node

    nodes = [
        swish("a", False),
        swish("b", True),
        node("Swish", "c"),
        node("Relu", "d", "ai.onnx"),
        node("Relu"),
    ]
    return number(1, 8) + graph(*nodes) + props()


def model_file_cases() -> Iterator[Case]:
    plain = number(1, 8) + text(2, "pytorch") + text(3, "2.13.0") + GRAPH
    yield good("all there", plain + props(), producer="pytorch 2.13.0")
    yield good("Swish nodes lose their domain and nothing else changes", swish_file(False), swish_file(True))
    bare = props(imgsz=None, task=None, dynamic=None)
    yield good("names, strides and anchors are enough", GRAPH + bare, imgsz=[640, 640], dynamic=False)
    yield good("metadata before the graph", props() + GRAPH)
    unknown = number(99, 2**63) + varint(98 << 3 | 1) + bytes(8) + varint(97 << 3 | 5) + bytes(4)
    unknown += text(96, b"\xff\xfe")
    yield good(
        "unknown fields are skipped",
        unknown + GRAPH + props(),
    )
    yield good(
        "names in any script and escape",
        GRAPH + props(names=b'["\\u4eba \\ud83d\\ude00", "a\\"\\\\\\/\\n", "\xe4\xba\xba"]'),
        names=["人 😀", 'a"\\/\n', "人"],
    )
    yield good(
        "anchors in a row, fractions and exponents",
        GRAPH + props(anchors=b"[[1.5, 2e1, 0.25, 4], [[3, 4], [5.25, 6]]]"),
        anchors=[[[1.5, 20], [0.25, 4]], [[3, 4], [5.25, 6]]],
    )
    yield good("folded input", GRAPH + props(fold=2), fold=2)
    yield good(
        "sizes are multiples of more than the coarsest stride",
        GRAPH + props(size_multiple=32),
        size_multiple=32,
    )
    source = {"file": "a.pt", "sha256": "0" * 64}
    yield good("a source is no business of the network", GRAPH + props(source=source))
    yield good("segmentation", GRAPH + props(task="segment", masks=16), head={"masks": 16}, task="segment")
    yield good(
        "keypoints", GRAPH + props(task="keypoints", keypoints=5), head={"keypoints": 5}, task="keypoints"
    )
    yield good(
        "a network without anchors", GRAPH + props(anchors=None, reg_max=16), head={"reg_max": 16}, anchors=[]
    )
    colours = {"mean": [0.5, 0.25, 0.75], "std": [0.25, 0.5, 0.125]}
    yield good(
        "classification",
        GRAPH
        + props(task="classify", crop="square", anchors=None, strides=None, size_multiple=32, **colours),
        head={"crop": "square", **colours},
        task="classify",
        strides=[],
        anchors=[],
        size_multiple=32,
    )
    yield good("what another task needs is not looked at", GRAPH + props(masks="many", keypoints=-1))

    yield bad("empty", b"", "holds no graph")
    yield bad("a web page", b"<html>404</html>", "not an ONNX model")
    yield bad("a checkpoint", b"PK\x03\x04 and so on", "PyTorch checkpoint")
    yield bad("an old checkpoint", b"\x80\x02 and so on", "PyTorch checkpoint")
    yield bad("an endless number", b"\xff" * 11, "longer than ten bytes")
    yield bad(
        "a length past the end", b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "in the midst of the field"
    )
    yield bad("field number 0", bytes(2), "field number is 0")
    yield bad("a group", b"\x0b" + GRAPH, "wire type 3")
    yield bad("cut in the graph", GRAPH[:-3], "in the midst of the field")
    yield bad(
        "a key twice", GRAPH + props() + text(14, text(1, "imgsz") + text(2, "[64, 96]")), "'imgsz' twice"
    )
    yield bad("no metadata", GRAPH, "lacks the metadata names, anchors, strides")
    for key in ("names", "anchors", "strides"):
        yield bad(f"without {key}", GRAPH + props(**{key: None}), f"lacks the metadata {key}")
    for label, value in {
        "nothing": b"",
        "half a list": b"[1,",
        "a comma too many": b"[1,]",
        "a word": b"person",
        "single quotes": b"'a'",
        "a control character": b'["\x01"]',
        "two values": b"[1] 2",
        "a leading zero": b"[01]",
        "no digits behind the point": b"[1.]",
        "three thousand lists": b"[" * 3000,
    }.items():
        yield bad(f"names that are not JSON: {label}", GRAPH + props(names=value), "names is not JSON")
    refused: dict[str, list[Any]] = {
        "names": [[], "red", [1, 2], {"0": "red"}],
        "strides": [
            *([[], 8, [8], [8, 16, 32], [8, 0], [8, -16], [8, 16.5], [8, 100000]]),
            *([[8, "16"], [8, True], [8, None]]),
        ],
        "anchors": [
            *([[], {}, [[], []], [[16, 12, 1], [[40, 20]]], [[[16, -1]], [[40, 20]]]]),
            *([[[16, 1e300]], [[40, 20]]], [[["16", 12]], [[40, 20]]], [[[True, 12]], [[40, 20]]]),
        ],
        "imgsz": [64, [64], [64, 64, 64], [64, 60], [0, 64], [64, 81920]],
        "task": ["levitate", 1],
        "dynamic": [1, "true"],
        "fold": [0, 3, [2]],
        "size_multiple": [0, 24, 1.5, "32", 128],
    }
    for key, values in refused.items():
        for value in values:
            yield bad(f"{key} {json.dumps(value)}", GRAPH + props(**{key: value}), "has unusable metadata")
    yield bad("segmentation without masks", GRAPH + props(task="segment"), "lacks the metadata masks;")
    yield bad("faces without keypoints", GRAPH + props(task="keypoints"), "lacks the metadata keypoints;")
    classify = {"task": "classify", "crop": "square", **colours}
    for key in ("crop", "mean", "std"):
        yield bad(
            f"a classifier without {key}",
            GRAPH + props(**{**classify, key: None}),
            f"lacks the metadata {key};",
        )
    of_tasks: list[tuple[dict[str, Any], str, list[Any]]] = [
        ({"task": "segment"}, "masks", [0, 1.5, "32", 100000]),
        ({"task": "keypoints"}, "keypoints", [0, -5, [5]]),
        ({"anchors": None}, "reg_max", [0, 2000, "16"]),
        (classify, "crop", ["round", 1, None]),
        (classify, "mean", [[0.5, 0.5], 0.5, ["0.5", 0.5, 0.5], [None, 0.5, 0.5]]),
        (classify, "std", [[0, 0.5, 0.5], [0.5, 0.5, -1], {}, ["0.5", "0.5", "0.5"], [True, 0.5, 0.5]]),
    ]
    for base, key, values in of_tasks:
        for value in values:
            file = GRAPH + props(**{**base, key: json.dumps(value).encode()})
            yield bad(f"{key} {json.dumps(value)}", file, "has unusable metadata")


FILES: dict[str, Callable[[], Iterator[Case]]] = {
    "letterbox.json": letterbox_cases,
    "decode.json": decode_cases,
    "nms.json": nms_cases,
    "labels.json": labels_cases,
    "draw.json": draw_cases,
    "model_file.json": model_file_cases,
}


def content(cases: list[Case]) -> bytes:
    """One case a line, so that differences can be read."""
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, allow_nan=False) for case in cases)
    return f"[\n{lines}\n]\n".encode()


def make(files: dict[str, Callable[[], Iterator[Case]]], command: str) -> int:
    """Write files of cases, or compare them with what would be written."""
    parser = argparse.ArgumentParser(description="Make golden cases.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    check = parser.parse_args().check
    stale = []
    for name, cases in files.items():
        path = FOLDER / name
        data = content(list(cases()))
        if check and (not path.is_file() or path.read_bytes() != data):
            stale.append(name)
        if not check:
            path.write_bytes(data)
    if stale:
        print(f"out of date: {', '.join(stale)}; run {command}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(make(FILES, "python tests/cases/make_cases.py"))
