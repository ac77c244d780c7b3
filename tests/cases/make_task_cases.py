"""Make the golden cases of what tasks add: `python tests/cases/make_task_cases.py [--check]`.

As in `make_cases.py`, which see, the answers come from plain loops over plain numbers.
"""

from __future__ import annotations

import math
import random
import struct
import sys
from collections.abc import Callable, Iterator

from make_cases import Case, as_bgr, candidates_of, f32, heads_of, make, resize, sha256, sigmoid, whole

# ---- boxes from distances


def anchor_free_candidates(case: Case) -> Case:
    """The definition, cell by cell."""
    reg_max, conf_thres = case["reg_max"], case["conf_thres"]
    found: Case = {"xyxy": [], "scores": [], "class_ids": []}
    for head, stride in zip(case["heads"], case["strides"], strict=True):
        channels, ny, nx = head["shape"]
        for row in range(ny):
            for column in range(nx):
                at = [float(head["data"][(k * ny + row) * nx + column]) for k in range(channels)]
                sides = []
                for side in range(4):
                    powers = [math.exp(bin_) for bin_ in at[side * reg_max : (side + 1) * reg_max]]
                    sides.append(sum(k * power for k, power in enumerate(powers)) / sum(powers))
                left, top, right, bottom = sides
                box = [column + 0.5 - left, row + 0.5 - top, column + 0.5 + right, row + 0.5 + bottom]
                scores = [sigmoid(logit) for logit in at[4 * reg_max :]]
                best = max(range(len(scores)), key=lambda c, scores=scores: (scores[c], -c))  # type: ignore[misc]
                for class_id in range(len(scores)) if case["multi_label"] else [best]:
                    assert abs(scores[class_id] - conf_thres) > 1e-5 or conf_thres in (0, 1)
                    if scores[class_id] > conf_thres:
                        found["xyxy"].append([round(edge * stride, 6) for edge in box])
                        found["scores"].append(round(scores[class_id], 9))
                        found["class_ids"].append(class_id)
    return found


def anchor_free_case(
    name: str,
    shapes: list[tuple[int, int]],
    strides: list[int],
    classes: int,
    reg_max: int = 4,
    conf_thres: float = 0.25,
    multi_label: bool = False,
    not_a_number: bool = False,
) -> Case:
    dice = random.Random(name)
    heads = []
    for ny, nx in shapes:
        data = [round(dice.uniform(-5, 5) * 8) / 8 for _ in range(4 * reg_max * ny * nx)]
        data += [round(dice.uniform(-5, 3) * 8 / 3) * 3 / 8 for _ in range(classes * ny * nx)]
        heads.append({"shape": [4 * reg_max + classes, ny, nx], "data": data})
    case: Case = {
        "name": name,
        "heads": heads,
        "strides": strides,
        "reg_max": reg_max,
        "conf_thres": conf_thres,
        "multi_label": multi_label,
    }
    if not_a_number:
        heads[0]["data"][-1] = "NaN"  # type: ignore[index]
        return {**case, "error": "ModelError"}
    return {**case, "candidates": anchor_free_candidates(case)}


def anchor_free_cases() -> Iterator[Case]:
    three = [(4, 6), (2, 3), (1, 2)]
    yield anchor_free_case("three heads, three classes", three, [8, 16, 32], 3)
    yield anchor_free_case("every class that is likely", three, [8, 16, 32], 3, multi_label=True)
    yield anchor_free_case("one class, sixteen bins", [(3, 3)], [8], 1, 16)
    yield anchor_free_case("one bin: boxes without a size", [(2, 3)], [16], 2, 1)
    yield anchor_free_case("more cells than fit into a block", [(12, 15)], [8], 2, 2)
    yield anchor_free_case("a threshold of 0", [(2, 3)], [8], 2, conf_thres=0.0)
    yield anchor_free_case("a threshold of 1", [(2, 3)], [8], 2, conf_thres=1.0)
    yield anchor_free_case("a class that is not a number", [(2, 2)], [8], 2, not_a_number=True)


# ---- what is extra


def task_case(name: str, task: str, count: int, classes: int, multi_label: bool = False) -> Case:
    """Decode with the task: mask coefficients or keypoints, as they travel through NMS."""
    dice = random.Random(name)
    shapes, strides = [(2, 3, 4), (1, 2, 2)], [8, 16]
    anchors = [[[dice.randint(3, 60) / 2, dice.randint(3, 60) / 2] for _ in range(na)] for na, _, _ in shapes]
    extra = count if task == "segment" else 2 * count
    first = 5 + classes if task == "segment" else 5
    layout = {"classes": [5, 5 + classes], "extra": [5 + classes, 5 + classes + extra]}
    if task == "keypoints":
        layout = {"classes": [5 + extra, 5 + extra + classes], "extra": [5, 5 + extra]}
    several = multi_label or (task == "keypoints" and classes > 1)
    case: Case = {
        "heads": heads_of(len(name), shapes, classes, extra),
        "anchors": anchors,
        "strides": strides,
        "layout": layout,
        "conf_thres": 0.25,
        "multi_label": several,
    }
    size = 5 + classes + extra
    # Which anchor of which cell a candidate came from is told by extra values of its own: its place.
    places = []
    for head, pairs, stride in zip(case["heads"], anchors, strides, strict=True):
        _, ny, nx = head["shape"]
        for a, anchor in enumerate(pairs):
            for row in range(ny):
                for column in range(nx):
                    at = [head["data"][((a * size + k) * ny + row) * nx + column] for k in range(size)]
                    places.append((at, anchor, row, column, stride))
    found = candidates_of(case)
    for i, raw in enumerate(found["extra"]):
        at, anchor, row, column, stride = next(
            place for place in places if place[0][first : first + extra] == raw
        )
        if task == "segment":
            found["extra"][i] = [round(value * sigmoid(at[4]), 6) for value in raw]
        else:
            cell = [column * stride, row * stride]
            found["extra"][i] = [value * anchor[k % 2] + cell[k % 2] for k, value in enumerate(raw)]
    metadata = {"names": [f"c{i}" for i in range(classes)], "anchors": anchors, "strides": strides}
    metadata["masks" if task == "segment" else "keypoints"] = count  # type: ignore[assignment]
    return {
        "name": name,
        "task": task,
        "metadata": metadata,
        "heads": case["heads"],
        "conf_thres": 0.25,
        "multi_label": multi_label,
        "candidates": found,
    }


def task_cases() -> Iterator[Case]:
    yield task_case("mask coefficients are multiplied by the objectness", "segment", 4, 3)
    yield task_case("mask coefficients, every likely class", "segment", 3, 2, True)
    yield task_case("five points", "keypoints", 5, 1)
    yield task_case("two points, two classes: each that is likely", "keypoints", 2, 2)


# ---- masks


def runs(pixels: list[list[int]]) -> list[int]:
    """Give the lengths of runs of 0 and 1 in turn, beginning with 0, down the columns: COCO's `counts`."""
    height, width = len(pixels), len(pixels[0])
    counts, value = [0], 0
    for x in range(width):
        for y in range(height):
            if pixels[y][x] != value:
                counts.append(0)
                value = pixels[y][x]
            counts[-1] += 1
    return counts


def blend(position: float, length: int) -> list[tuple[int, float]]:
    """Give the two cells that a position lies between, and their weights; past the ends it stays there."""
    first = math.floor(position)
    share = position - first
    return [
        (min(max(first, 0), length - 1), 1 - share),
        (min(max(first + 1, 0), length - 1), share),
    ]


def canvas_mask(case: Case) -> tuple[list[list[int]], list[int]]:
    """The definition, with whole maps; gives also the reach of the mask: x1, y1, x2, y2 on the canvas."""
    nm, mh, mw = case["prototypes"]["shape"]
    data, (height, width) = case["prototypes"]["data"], case["canvas_hw"]
    scale_x, scale_y = width / mw, height / mh
    x1, y1, x2, y2 = (edge / scale for edge, scale in zip(case["xyxy"], [scale_x, scale_y] * 2, strict=True))
    cells = [[0.0] * mw for _ in range(mh)]
    inside = [
        (row, column) for row in range(mh) for column in range(mw) if x1 <= column < x2 and y1 <= row < y2
    ]
    for row, column in inside:
        total = sum(case["coefficients"][k] * data[(k * mh + row) * mw + column] for k in range(nm))
        cells[row][column] = sigmoid(total)
    pixels = [[0] * width for _ in range(height)]
    for y in range(height):
        for x in range(width):
            value = sum(
                wy * wx * cells[row][column]
                for row, wy in blend((y + 0.5) / scale_y - 0.5, mh)
                for column, wx in blend((x + 0.5) / scale_x - 0.5, mw)
            )
            assert abs(value - 0.5) > 1e-5, "too close to tell in float32"
            pixels[y][x] = int(value > 0.5)
    if not inside:
        return pixels, [0, 0, 0, 0]
    rows, columns = [row for row, _ in inside], [column for _, column in inside]
    reach = [
        whole(max(min(columns) - 1, 0) * scale_x),
        whole(max(min(rows) - 1, 0) * scale_y),
        whole(min(max(columns) + 2, mw) * scale_x),
        whole(min(max(rows) + 2, mh) * scale_y),
    ]
    return pixels, reach


def image_mask(
    canvas: list[list[int]], reach: list[int], placement: Case, image_hw: list[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """Bring a mask to the image, pixel by pixel; gives also where it is nearly a half, and may be either.

    Between its pixels the canvas is blended. Outside of the mask's reach it is 0; but where that touches the
    image's edge, within a pixel, the mask goes on past it as it is there.
    """
    scale = placement["scale"]

    def sides(start: int, end: int, pad: float, length: int) -> tuple[int, int]:
        first, last = start < pad + 1, end > length * scale + pad - 1
        return (start if first else -(10**6)), (end - 1 if last else 10**6)

    height, width = image_hw
    low_x, high_x = sides(reach[0], reach[2], placement["pad_x"], width)
    low_y, high_y = sides(reach[1], reach[3], placement["pad_y"], height)

    def at(x: int, y: int) -> int:
        x, y = min(max(x, low_x), high_x), min(max(y, low_y), high_y)
        inside = reach[0] <= x < reach[2] and reach[1] <= y < reach[3]
        return canvas[y][x] if inside else 0

    pixels, either = [], []
    for j in range(height):
        y = (j + 0.5) * scale + placement["pad_y"] - 0.5
        row, row_either = [], []
        for i in range(width):
            x = (i + 0.5) * scale + placement["pad_x"] - 0.5
            left, top = math.floor(x), math.floor(y)
            right, down = x - left, y - top
            value = (1 - down) * ((1 - right) * at(left, top) + right * at(left + 1, top))
            value += down * ((1 - right) * at(left, top + 1) + right * at(left + 1, top + 1))
            row.append(int(value > 0.5))
            row_either.append(int(abs(value - 0.5) < 0.1))  # positions are rounded to 32nds of a pixel
        pixels.append(row)
        either.append(row_either)
    return pixels, either


def masks_case(
    name: str,
    prototypes: tuple[int, int, int],
    canvas_hw: tuple[int, int],
    xyxy: list[float],
    image_hw: tuple[int, int],
) -> Case:
    nm, mh, mw = prototypes
    scale = min(canvas_hw[0] / image_hw[0], canvas_hw[1] / image_hw[1])
    pads = [(canvas_hw[i] - image_hw[i] * scale) / 2 for i in (1, 0)]
    for seed in range(100):  # until nothing is too close to a half to tell
        dice = random.Random(f"{name} {seed}")
        waves = [(dice.uniform(0.2, 0.9), dice.uniform(0.2, 0.9), dice.uniform(0, 6)) for _ in range(nm)]
        data = [
            round(3 * math.sin(a * x + b * y + c) * 64) / 64
            for a, b, c in waves
            for y in range(mh)
            for x in range(mw)
        ]
        case: Case = {
            "name": name,
            "prototypes": {"shape": [nm, mh, mw], "data": data},
            "coefficients": [round(dice.uniform(-2, 2) * 64) / 64 for _ in range(nm)],
            "xyxy": [f32(edge) for edge in xyxy],
            "canvas_hw": list(canvas_hw),
            "placement": {"scale": scale, "pad_x": pads[0], "pad_y": pads[1]},
            "image_hw": list(image_hw),
        }
        try:
            canvas, reach = canvas_mask(case)
        except AssertionError:
            continue
        pixels, either = image_mask(canvas, reach, case["placement"], list(image_hw))
        return {**case, "canvas_counts": runs(canvas), "counts": runs(pixels), "either_counts": runs(either)}
    raise AssertionError("no seed will do")


def masks_cases() -> Iterator[Case]:
    protos = (3, 12, 16)
    yield masks_case("a box in the middle", protos, (48, 64), [10.5, 9.2, 50.1, 40.7], (48, 64))
    yield masks_case("a box that is the whole canvas", protos, (48, 64), [0, 0, 64, 48], (96, 128))
    yield masks_case("a box that reaches out of the canvas", protos, (48, 64), [-7, 20, 30, 70], (48, 64))
    yield masks_case("a box outside", protos, (48, 64), [70, 10, 90, 30], (48, 64))
    yield masks_case("a box within one cell", protos, (48, 64), [21, 21, 22, 22], (48, 64))
    yield masks_case("padded left and right, enlarged", protos, (48, 64), [5, 2, 60, 47], (90, 70))
    yield masks_case("padded above and below, made smaller", protos, (48, 64), [3, 3, 62, 44], (20, 37))
    yield masks_case("prototypes at half the canvas", (2, 20, 20), (40, 40), [4, 6, 33, 39], (61, 53))
    yield masks_case("one prototype", (1, 8, 8), (32, 32), [2, 2, 31, 31], (32, 32))


# ---- run lengths


def rle_text(counts: list[int]) -> str:
    """Write counts as COCO's maskApi.c documents it: signed numbers in groups of five bits, lowest first."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        bits = 5
        while not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            bits += 5
        for k in range(bits // 5):
            group = value % 2**bits // 32**k % 32
            text += chr(48 + group + (32 if k + 1 < bits // 5 else 0))
    return text


def rle_case(name: str, window: list[str], left: int, top: int, image_hw: tuple[int, int]) -> Case:
    height, width = image_hw
    pixels = [[0] * width for _ in range(height)]
    for y, row in enumerate(window):
        for x, value in enumerate(row):
            pixels[top + y][left + x] = int(value)
    return {
        "name": name,
        "window": window,
        "left": left,
        "top": top,
        "image_hw": list(image_hw),
        "counts": rle_text(runs(pixels)),
    }


def rle_cases() -> Iterator[Case]:
    yield rle_case("nothing", [], 0, 0, (3, 4))
    yield rle_case("all of it", ["1111"] * 3, 0, 0, (3, 4))
    yield rle_case("one pixel", ["1"], 2, 1, (3, 4))
    yield rle_case("the first pixel", ["1"], 0, 0, (3, 4))
    yield rle_case("the last pixel", ["1"], 3, 2, (3, 4))
    yield rle_case("a window without a pixel", ["000", "000"], 1, 1, (9, 9))
    yield rle_case("from foot to head of the next column", ["01", "11", "10"], 1, 0, (3, 4))
    yield rle_case("holes", ["11111", "10101", "11111"], 2, 3, (20, 30))
    yield rle_case("long runs", ["11"] * 900, 3, 7, (1000, 60))
    dice = random.Random(5)
    noise = ["".join(dice.choice("01") for _ in range(23)) for _ in range(17)]
    yield rle_case("noise", noise, 5, 2, (40, 50))


# ---- a classifier's input

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def normalised(value: float, c: int) -> float:
    """One float32 colour, 0 to 1, less its mean, over its standard deviation."""
    return f32(f32(value - f32(MEAN[c])) / f32(STD[c]))


def crop_case(name: str, size: tuple[int, int], imgsz: int, crop: str) -> Case:
    h, w = size
    image = as_bgr(h, w, 3)
    case: Case = {
        "name": name,
        "image": {"height": h, "width": w, "channels": 3, "bits": 8},
        "imgsz": imgsz,
        "crop": crop,
        "mean": MEAN,
        "std": STD,
    }
    shape = [1, 3, imgsz, imgsz]
    if crop == "square":
        side = min(h, w)
        top, left = (h - side) // 2, (w - side) // 2
        square = [row[left : left + side] for row in image[top : top + side]]
        scaled = square if side == imgsz else resize(square, imgsz, imgsz)
        values = [
            normalised(f32(scaled[y][x][2 - c] / 255), c)
            for c in range(3)
            for y in range(imgsz)
            for x in range(imgsz)
        ]
        return {**case, "blob": {"shape": shape, "sha256": sha256(struct.pack(f"<{len(values)}f", *values))}}
    new_h, new_w = (imgsz, imgsz * w // h) if h <= w else (imgsz * h // w, imgsz)
    top, left = whole((new_h - imgsz) / 2), whole((new_w - imgsz) / 2)
    data = []
    for c in range(3):
        for y in range(imgsz):
            for x in range(imgsz):
                value = sum(
                    wy * wx * image[row][column][2 - c] / 255
                    for row, wy in blend((top + y + 0.5) * h / new_h - 0.5, h)
                    for column, wx in blend((left + x + 0.5) * w / new_w - 0.5, w)
                )
                data.append(round((value - MEAN[c]) / STD[c], 6))
    return {**case, "blob": {"shape": shape, "data": data}}


def crop_cases() -> Iterator[Case]:
    for crop in ("square", "shorter-side"):
        yield crop_case(f"{crop}: wide", (40, 61), 16, crop)
        yield crop_case(f"{crop}: high", (61, 40), 16, crop)
        yield crop_case(f"{crop}: enlarged", (9, 7), 12, crop)
        yield crop_case(f"{crop}: of the size already", (12, 12), 12, crop)
        yield crop_case(f"{crop}: the side as it is", (12, 19), 12, crop)
        yield crop_case(f"{crop}: a line", (1, 30000), 16, crop)
        yield crop_case(f"{crop}: a line upright", (30000, 1), 16, crop)


FILES: dict[str, Callable[[], Iterator[Case]]] = {
    "anchor_free.json": anchor_free_cases,
    "tasks.json": task_cases,
    "masks.json": masks_cases,
    "rle.json": rle_cases,
    "crop.json": crop_cases,
}

if __name__ == "__main__":
    sys.exit(make(FILES, "python tests/cases/make_task_cases.py"))
