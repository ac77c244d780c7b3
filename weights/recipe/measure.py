"""How good the model is, beside zxing-cpp and OpenCV on the same pictures: tables for weights/README.md."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from runtime.evaluation.figures import iou
from samples.read_codes import views

from . import NAMES, clean, readers, writer
from .accuracy import Detect, average_precision, file_detector
from .dataset import HELD_OUT_SEED, Scenes, generate
from .network import DEFAULT_INPUT, IMGSZ
from .readers import Found, cut_out, texts_in, touch

CONF = 0.25
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
SIZES = (0, 32, 64, 128, 256, 10**6)
"""Bounds of a code's size, the root of its area, in pixels of the network's input."""
SMALL_SIZES = (12, 16, 20, 24, 32, 40)
"""Bounds of a small code's shorter side in pixels of the network's input."""


class Outcome(NamedTuple):
    """What became of one photograph of one code."""

    size: float
    """Of the code in the network's input; 0 where zxing-cpp does not tell where it is."""
    zxing: bool
    """zxing-cpp reads it in the whole picture."""
    opencv: bool
    """OpenCV reads it in the whole picture."""
    found: bool
    """A box of the right class lies where it was read, and reads the same when it is cut out."""
    cut: bool
    """A code of the right class is read in some box, whether or not the whole picture reads."""


def photographs(folder: Path) -> list[Path]:
    """The pictures of a folder and the folders in it."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))


def half(paths: list[Path], which: str) -> list[Path]:
    """The pictures, in the order of their names, of a half: "first" to choose on, "second" to report."""
    middle = len(paths) // 2
    return {"first": paths[:middle], "second": paths[middle:], "all": paths}[which]


def load(path: Path) -> np.ndarray:
    """A picture as BGR."""
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"cannot read the picture {path}")
    return image


def is_found(image: np.ndarray, truth: Found, boxes: np.ndarray) -> bool:
    """Whether one of `boxes` (n, 4) overlaps the code that was read, and its crop reads the same."""
    return any(
        touch(tuple(box), truth.box) and truth.text in texts_in(cut_out(image, tuple(box)), truth.class_id)
        for box in boxes.tolist()
    )


def outcome(image: np.ndarray, class_id: int, detect: Detect) -> Outcome:
    """What the model and the others make of a photograph of one code."""
    truths = [found for found in readers.zxing(image) if found.class_id == class_id]
    others = [found for found in readers.opencv(image, {class_id}) if found.text]
    boxes, _, class_ids = detect(image, CONF)
    boxes = boxes[class_ids == class_id]
    zoom = DEFAULT_INPUT / max(image.shape[:2])
    sizes = [max(b[2] - b[0], b[3] - b[1]) for b in (truth.box for truth in truths)]
    return Outcome(
        max(sizes, default=0.0) * zoom,
        bool(truths),
        bool(others),
        any(is_found(image, truth, boxes) for truth in truths),
        any(
            found.class_id == class_id
            for box in boxes
            for view in views(image, box)
            for found in readers.zxing(view)
        ),
    )


def print_photographs(detect: Detect, root: Path, which: str) -> None:
    """The table by folder, the recall by size, and the names of the photographs missed."""
    rows: list[tuple[str, Outcome]] = []
    missed = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        class_id = next((c for start, c in FOLDER_CLASSES.items() if folder.name.startswith(start)), None)
        if class_id is None:
            raise SystemExit(f"{folder}: its name should start with one of {', '.join(FOLDER_CLASSES)}")
        for path in tqdm(half(photographs(folder), which), folder.name, leave=False):
            rows.append((folder.name, outcome(load(path), class_id, detect)))
            if rows[-1][1].zxing and not rows[-1][1].found:
                missed.append(f"{folder.name}/{path.name}")
    print(
        "| photographs | count | zxing-cpp reads | of these found | recall | box, then zxing-cpp "
        "| OpenCV reads |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in [*dict.fromkeys(name for name, _ in rows), "all"]:
        mine = np.array([each for key, each in rows if name in (key, "all")])
        count, (_, read, opencv, found, cut) = len(mine), mine.sum(0)
        share = found / max(read, 1)
        print(f"| {name} | {count} | {read:.0f} | {found:.0f} | {share:.1%} | {cut:.0f} | {opencv:.0f} |")
    print("not found:", ", ".join(missed) or "none", end="\n\n")
    print_by_size([(each.size, each.found) for _, each in rows if each.zxing], "photographed codes")


def print_by_size(hits: list[tuple[float, bool]], what: str) -> None:
    """How many of (size, found) were found, by size in the network's input."""
    for low, high in itertools.pairwise(SIZES):
        inside = [found for size, found in hits if low <= size < high]
        if inside:
            bounds = f"{low} to {high - 1}" if high < SIZES[-1] else f"{low} and more"
            print(f"{what} of {bounds} pixels of the input: {sum(inside)} of {len(inside)} found")


def print_false(detect: Detect, paths: list[Path], name: str) -> None:
    """What is found in pictures without codes."""
    wrong = np.zeros(3, int)
    for path in tqdm(paths, name, leave=False):
        image = load(path)
        wrong += (len(detect(image, CONF)[1]), len(readers.zxing(image)), len(readers.opencv(image)))
    rates = wrong / max(len(paths), 1)
    print(
        f"\n{len(paths)} pictures of {name}, which hold no code: false detections of the model {wrong[0]}",
        end="",
    )
    print(f" ({rates[0]:.3f} a picture), of zxing-cpp {wrong[1]}, of OpenCV {wrong[2]}")


def print_scenes(detect: Detect, scenes: Scenes, count: int) -> None:
    """Average precision on scenes, and who meets how many of the labels, by class and size."""
    overall, at_half, by_class = average_precision(detect, scenes, count)
    print(f"\nheld-out scenes: {count}, mAP50-95 {overall:.3f}, mAP50 {at_half:.3f}")
    print("AP50: " + ", ".join(f"{name} {value:.3f}" for name, value in by_class.items()), end="\n\n")
    rows = []
    for index in tqdm(range(count), "scenes", leave=False):
        image, labels = scenes[index]
        image = np.ascontiguousarray(image)
        boxes, _, class_ids = detect(image, CONF)
        others = readers.zxing(image), readers.opencv(image)
        for class_id, *box in labels.tolist():
            met = [bool(meet(np.array([[class_id, *box]]), boxes, class_ids).any())]
            met += [
                any(f.class_id == class_id and touch(f.box, tuple(box)) for f in found) for found in others
            ]
            zoom = DEFAULT_INPUT / max(image.shape[:2])
            rows.append((class_id, float(np.sqrt((box[2] - box[0]) * (box[3] - box[1]))) * zoom, *met))
    table = np.array(rows)
    print("| codes in the scenes | count | found | zxing-cpp reads | OpenCV finds |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for class_id, name in enumerate([*NAMES, "all"]):
        mine = table[(table[:, 0] == class_id) | (name == "all")]
        found = " | ".join(f"{value:.0f}" for value in mine[:, 2:].sum(0))
        print(f"| {name} | {len(mine)} | {found} |")
    print()
    print_by_size([(size, bool(found)) for _, size, found, *_ in rows], "codes in the scenes")


def meet(labels: np.ndarray, boxes: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """Whether label and detection are of one class and overlap by an IoU of 0.5, (n, m) bool."""
    return np.asarray((iou(labels[:, 1:], boxes) >= 0.5) & (labels[:, :1] == class_ids))


def print_small(detect: Detect, count: int) -> None:
    """How many small codes are found on pages of a seed never trained on, by their shorter side."""
    rows, wrong = [], 0
    for index in tqdm(range(count), "pages", leave=False):
        rng = np.random.default_rng([HELD_OUT_SEED, 1, index])
        image, labels = clean.page(rng, (DEFAULT_INPUT, DEFAULT_INPUT), small=True)
        boxes, _, class_ids = detect(image, CONF)
        fits = meet(labels, boxes, class_ids)
        zoom = DEFAULT_INPUT / max(image.shape[:2])
        sides = (labels[:, 3:] - labels[:, 1:3]).min(1) * zoom
        rows += list(zip(labels[:, 0], sides, np.asarray(fits.any(1)), strict=True))
        wrong += len(boxes) - int(fits.any(0).sum())
    table = np.array(rows)
    pairs = list(itertools.pairwise(SMALL_SIZES))
    print(f"\n| codes on {count} pages, shorter side | {' | '.join(f'{a} to {b - 1}' for a, b in pairs)} |")
    print("| --- |" + " ---: |" * len(pairs))
    for class_id, name in enumerate([*NAMES, "all"]):
        mine = table[(table[:, 0] == class_id) | (name == "all")]
        inside = [mine[(low <= mine[:, 1]) & (mine[:, 1] < high), 2] for low, high in pairs]
        print(f"| {name} | {' | '.join(f'{each.sum():.0f} of {len(each)}' for each in inside)} |")
    print(f"\n{wrong} other detections on them")


def print_sheets(detect: Detect, scenes: Scenes, count: int, across: int) -> None:
    """Codes met in large pictures, of `across` × `across` scenes each, and what else is found."""
    each, codes, met, wrong = across * across, 0, 0, 0
    for start in tqdm(range(0, count - each + 1, each), "sheets", leave=False):
        rows, labels = [], []
        for row in range(across):
            parts = [scenes[start + row * across + column] for column in range(across)]
            rows.append(np.hstack([image for image, _ in parts]))
            for column, (image, found) in enumerate(parts):
                labels.append(found + np.array([0, column, row, column, row]) * image.shape[0])
        truth = np.concatenate(labels)
        boxes, _, class_ids = detect(np.vstack(rows), CONF)
        fits = meet(truth, boxes, class_ids)
        codes += len(truth)
        met += int(fits.any(1).sum())
        wrong += len(boxes) - int(fits.any(0).sum())
    print(
        f"\n{count // each} pictures of {across} × {across} scenes: {met} of {codes} codes found, "
        f"{wrong} other detections"
    )


def main() -> None:
    """Measure the embedded model, or another one with the same classes, on what is given."""
    parser = argparse.ArgumentParser(
        prog="python -m weights.recipe.measure",
        description=main.__doc__,
        epilog="A photograph that zxing-cpp reads is found if a detection of the right class (confidence "
        f"{CONF}) overlaps the place where it was read, and, cut out with a margin of "
        f"{readers.MARGIN * 100:.0f} %%, reads the same. What is read in the views that "
        "samples/read_codes.py takes of a box counts as read from a box, whether or not the whole reads.",
    )
    parser.add_argument("--model", type=Path, help="model file (default: the embedded one)")
    parser.add_argument("--imgsz", type=int, help="size to scale pictures to (default: the model's own)")
    parser.add_argument("--photographs", type=Path, help="folder with a folder of photographs per symbology")
    parser.add_argument("--without-codes", type=Path, nargs="*", default=[], help="folders of other pictures")
    parser.add_argument(
        "--half",
        choices=["first", "second", "all"],
        default="second",
        help="of each folder's pictures by name: the first were used to choose (default: second)",
    )
    parser.add_argument(
        "--scenes", type=Path, help="folder for the held-out scenes, which are made if missing"
    )
    parser.add_argument("--count", type=int, default=400, help="how many held-out scenes (default: 400)")
    parser.add_argument(
        "--across", type=int, help="look at pictures of so many × so many scenes instead of at single ones"
    )
    parser.add_argument("--tiles", type=int, help="look at tiles of so many pixels, too")
    parser.add_argument(
        "--files", type=int, metavar="N", help="also at each Nth of the files that recipe/writer.py makes"
    )
    parser.add_argument(
        "--pages", type=int, metavar="N", help="also at N pages with small codes, drawn by recipe/clean.py"
    )
    args = parser.parse_args()
    if not (args.photographs or args.without_codes or args.scenes or args.files or args.pages):
        parser.error("nothing to measure on: give --photographs, --without-codes, --scenes, --files, --pages")
    detect = file_detector(args.model, args.imgsz, args.tiles)
    if args.photographs:
        print_photographs(detect, args.photographs, args.half)
    for folder in args.without_codes:
        print_false(detect, half(photographs(folder), args.half), folder.name)
    if args.files:
        print()
        writer.print_table(detect, args.files)
    if args.pages:
        print_small(detect, args.pages)
    if args.scenes:
        scenes = generate(args.scenes, args.count, IMGSZ, HELD_OUT_SEED)
        if args.across:
            print_sheets(detect, scenes, args.count, args.across)
        else:
            print_scenes(detect, scenes, args.count)


if __name__ == "__main__":
    main()
