"""How good the model is, as a table: on photographs, on pictures without codes, on scenes it never saw."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

from .accuracy import Detect, average_precision, box_iou, file_detector
from .dataset import HELD_OUT_SEED, Scenes, generate
from .network import IMGSZ

CONF = 0.25
MARGIN = 0.15
"""A detection's crop is this much larger on every side, of its width and height."""
FOLDER_CLASSES = {
    "qrcode": 0,
    "datamatrix": 1,
    "aztec": 2,
    "pdf417": 3,
    "ean": 4,
    "upc": 4,
    "itf": 4,
    "code": 4,
}
"""What a folder's name starts with, and the class id of the codes in it."""


def photographs(folder: Path) -> list[Path]:
    """The pictures of a folder and the folders in it."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))


def load(path: Path) -> np.ndarray:
    """A picture as BGR."""
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"cannot read the picture {path}")
    return image


def extent(result: zxingcpp.Barcode) -> tuple[float, float, float, float]:
    """Where zxing-cpp read the code: x1, y1, x2, y2. A line (as of a 1-D code) becomes one pixel thick."""
    corner = result.position
    points = [corner.top_left, corner.top_right, corner.bottom_right, corner.bottom_left]
    xs, ys = [p.x for p in points], [p.y for p in points]
    return min(xs), min(ys), max(max(xs), min(xs) + 1), max(max(ys), min(ys) + 1)


def is_found(image: np.ndarray, truth: zxingcpp.Barcode, boxes: np.ndarray) -> bool:
    """Whether one of `boxes` (n, 4) overlaps the code that was read, and its crop reads the same."""
    h, w = image.shape[:2]
    tx1, ty1, tx2, ty2 = extent(truth)
    for x1, y1, x2, y2 in boxes.tolist():
        if min(x2, tx2) <= max(x1, tx1) or min(y2, ty2) <= max(y1, ty1):
            continue
        dx, dy = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
        rows = slice(max(0, int(y1 - dy)), min(h, int(y2 + dy) + 1))
        columns = slice(max(0, int(x1 - dx)), min(w, int(x2 + dx) + 1))
        crop = np.ascontiguousarray(image[rows, columns])
        if any(result.text == truth.text for result in zxingcpp.read_barcodes(crop)):
            return True
    return False


def recall(detect: Detect, folder: Path, missed: list[Path]) -> tuple[int, int]:
    """(readable, found) photographs of a folder; those not found are added to `missed`."""
    class_id = next((c for start, c in FOLDER_CLASSES.items() if folder.name.startswith(start)), None)
    if class_id is None:
        raise SystemExit(f"{folder}: its name should start with one of {', '.join(FOLDER_CLASSES)}")
    found = readable = 0
    for path in photographs(folder):
        image = load(path)
        truths = zxingcpp.read_barcodes(image)
        if not truths:
            continue
        readable += 1
        boxes, _, class_ids = detect(image, CONF)
        if any(is_found(image, truth, boxes[class_ids == class_id]) for truth in truths):
            found += 1
        else:
            missed.append(path)
    return readable, found


def print_recall(detect: Detect, root: Path) -> None:
    """The table of recall by folder, and the names of the photographs missed."""
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    missed: list[Path] = []
    counts = np.array(
        [recall(detect, folder, missed) for folder in tqdm(folders, "photographs", leave=False)]
    )
    print("| photographs | readable | found | recall |\n| --- | ---: | ---: | ---: |")
    names = [folder.name for folder in folders] + ["all"]
    for name, (readable, found) in zip(names, [*counts, counts.sum(0)], strict=True):
        print(f"| {name} | {readable} | {found} | {found / max(readable, 1):.1%} |")
    print("not found:", ", ".join(f"{p.parent.name}/{p.name}" for p in missed) or "none")


def print_recall_by_size(detect: Detect, scenes: Scenes, count: int) -> None:
    """How many labels a detection of the right class meets with IoU 0.5, by the label's size in the scene."""
    sizes, hits = [], []
    for index in range(count):
        image, labels = scenes[index]
        boxes, _, class_ids = detect(image, CONF)
        for class_id, *box in labels:
            sizes.append(float(np.sqrt((box[2] - box[0]) * (box[3] - box[1]))))
            same = boxes[class_ids == class_id]
            hits.append(bool(len(same)) and bool(box_iou(np.array([box]), same).max() >= 0.5))
    bounds = (0, 24, 48, 96, 192, IMGSZ + 1)
    for low, high in itertools.pairwise(bounds):
        inside = [hit for size, hit in zip(sizes, hits, strict=True) if low <= size < high]
        print(
            f"codes of {low} to {high - 1} pixels: {sum(inside)} of {len(inside)} found at confidence {CONF}"
        )


def main() -> None:
    """Measure the embedded model, or another one with the same classes, on what is given."""
    parser = argparse.ArgumentParser(
        prog="python -m weights.recipe.measure",
        description=main.__doc__,
        epilog="A photograph counts if zxing-cpp reads it. It is found if a detection of the right class "
        f"(confidence {CONF}) overlaps the place where it was read, and its crop with "
        f"{MARGIN * 100:.0f} % margin reads the same.",
    )
    parser.add_argument("--model", type=Path, help="model file (default: the embedded one)")
    parser.add_argument("--imgsz", type=int, help="size to scale pictures to (default: the model's own)")
    parser.add_argument("--photographs", type=Path, help="folder with a folder of photographs per symbology")
    parser.add_argument("--without-codes", type=Path, help="folder of pictures without codes")
    parser.add_argument(
        "--scenes", type=Path, help="folder for the held-out scenes, which are made if missing"
    )
    parser.add_argument("--count", type=int, default=400, help="how many held-out scenes (default: 400)")
    args = parser.parse_args()
    if not (args.photographs or args.without_codes or args.scenes):
        parser.error("nothing to measure on: give --photographs, --without-codes or --scenes")
    detect = file_detector(args.model, args.imgsz)
    if args.photographs:
        print_recall(detect, args.photographs)
    if args.without_codes:
        paths = photographs(args.without_codes)
        count = sum(len(detect(load(path), CONF)[1]) for path in tqdm(paths, "without codes", leave=False))
        rate = count / max(len(paths), 1)
        print(f"\nfalse detections: {count} in {len(paths)} pictures, {rate:.3f} per picture")
    if args.scenes:
        scenes = generate(args.scenes, args.count, IMGSZ, HELD_OUT_SEED)
        overall, at_half, by_class = average_precision(detect, scenes, args.count)
        print(f"\nheld-out scenes: {len(scenes)}, mAP50-95 {overall:.3f}, mAP50 {at_half:.3f}")
        print("AP50: " + ", ".join(f"{name} {value:.3f}" for name, value in by_class.items()))
        print_recall_by_size(detect, scenes, args.count)


if __name__ == "__main__":
    main()
