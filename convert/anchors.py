"""The command `python -m convert anchors`: anchors for one's own labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime.command.run import run
from runtime.errors import InputError
from runtime.escape import escape
from runtime.evaluation.annotations import read_coco, read_yolo
from runtime.evaluation.data import Dataset

from . import __version__
from .autoanchor import THRESHOLD, Fit, box_sizes, find_anchors, fit
from .errors import ConvertError

DESCRIPTION = f"""\
Compute anchors for one's own labels, by k-means and mutation as YOLOv5's autoanchor does it, and tell how
well they fit: the best possible recall is the share of boxes for which some anchor's width and height are off
by less than a factor of {THRESHOLD:g}. YOLOv5 keeps its own anchors where that is above 0.98.
"""

EXAMPLES = """
examples:
  python -m convert anchors data/labels/train
  python -m convert anchors instances.json --images val2017 --imgsz 1280 -n 12
  python -m convert anchors data/labels/train --checkpoint best.pt     how well do its anchors fit?

exit codes: 0 done; 2 bad usage or input.
"""

MAX_ANCHORS = 100


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m convert anchors",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("labels", type=Path, metavar="LABELS", help="a folder of YOLO label files, or a COCO JSON file")
    add(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the images (default: `images` in the place of the last `labels` in the path)",
    )
    add("--imgsz", type=int, default=640, metavar="N", help="the longer side in training (default: 640)")
    add("-n", type=int, default=9, metavar="N", help="how many anchors (default: 9)")
    add("--checkpoint", type=Path, metavar="FILE.pt", help="tell how well this one's anchors fit, too")
    add("--version", action="version", version=f"yolov5-dnn {__version__}")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, _work, argv)


def _work(options: argparse.Namespace) -> int:
    """Print the anchors; returns 0. Raises InputError, or ConvertError for the checkpoint."""
    if not 32 <= options.imgsz <= 8192:
        raise InputError(f"--imgsz must be from 32 to 8192, not {options.imgsz}")
    if not 1 <= options.n <= MAX_ANCHORS:
        raise InputError(f"-n must be from 1 to {MAX_ANCHORS}, not {options.n}")
    images = options.images or _beside(options.labels)
    if not images.is_dir():
        raise InputError(f"{images}: there is no such folder of images; give it with --images")
    dataset = _read(options.labels, images)
    sizes = box_sizes(dataset, images, options.imgsz)
    print(
        f"{len(sizes)} boxes in {len(dataset.files)} images, whose longer side becomes {options.imgsz} pixels"
    )
    if options.checkpoint is not None:
        levels = _anchors_of(options.checkpoint)
        show(f"{escape(options.checkpoint.name)}:", levels, fit(sizes, np.concatenate(levels)))
    anchors = np.rint(find_anchors(sizes, options.n))
    levels = np.split(anchors, 3) if options.n % 3 == 0 else [anchors]
    show("new anchors, as a YOLOv5 yaml wants them:", levels, fit(sizes, anchors))
    return 0


def _beside(labels: Path) -> Path:
    """Find the images where YOLOv5 keeps them: a/labels/b goes with a/images/b."""
    parts = list(labels.absolute().parts)
    if "labels" not in parts:
        raise InputError(f"{labels}: where are the images? Give their folder with --images")
    parts[len(parts) - 1 - parts[::-1].index("labels")] = "images"
    return Path(*parts)


def _read(labels: Path, images: Path) -> Dataset:
    if not labels.exists():
        raise InputError(f"{labels}: there is no such file or folder of labels")
    return read_yolo(labels, images, None) if labels.is_dir() else read_coco(labels).present(images)


def _anchors_of(checkpoint: Path) -> list[np.ndarray]:
    """Read a checkpoint's anchors, by level."""
    from . import load_checkpoint  # PyTorch takes seconds to import

    anchors = load_checkpoint(checkpoint).anchors
    if not anchors:
        raise ConvertError(f"{checkpoint}: its network has no anchors")
    return anchors


def show(title: str, levels: Sequence[np.ndarray], found: Fit) -> None:
    """Print anchors as they stand in a YOLOv5 yaml, and how they fit."""
    print(f"\n{title}\nanchors:")
    for level in levels:
        print(f"  - [{', '.join(f'{w:g},{h:g}' for w, h in level)}]")
    print(f"best possible recall {found.recall:.4f}, {found.anchors:.2f} anchors fit a box on average")
