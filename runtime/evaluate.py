"""The command `python -m runtime.evaluate`: how good a model is, and whether two results agree."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from .command.options import (
    add_box_options,
    add_model_options,
    add_tiles_option,
    detector_maker,
    new_parser,
    say_size,
)
from .command.pipeline import in_order
from .command.run import run
from .command.workers import detectors_for
from .errors import InputError
from .escape import escape
from .evaluation.annotations import read_coco, read_yolo
from .evaluation.classes import class_accuracy, read_class_folders
from .evaluation.data import Boxes, Dataset, Results, coco_rows, to_boxes
from .evaluation.report import report, report_agreement, report_classes
from .evaluation.results_file import collect, dataset_of, read_rows
from .inputs.image_file import read_image
from .outputs.atomic import write_atomic
from .outputs.tables import rounded
from .predictors.classifier import Classifier
from .predictors.detector import STAGES, Detector
from .results.classification import Classification
from .results.detections import Detections

EXAMPLES = """
examples:
  python -m runtime.evaluate --weights yolov5n.onnx --images val2017 --annotations instances_val2017.json
  python -m runtime.evaluate --weights mine.onnx --images images/val --annotations labels/val
  python -m runtime.evaluate --weights fruit.onnx --images fruit         a classifier, on fruit/val/NAME/
  python -m runtime.evaluate --results found.json --annotations instances.json   what another program found
  python -m runtime.evaluate --results found.json --against other.json           only compare

Masks and keypoints are measured as well where the model finds them and the annotations have them.
Detections are read, and compared, in COCO's results format or as `runtime.detect --json` writes them.

exit codes: 0 all done; 1 some images could not be read, or less than 99.9 % of the boxes agree with those of
--against; 2 nothing done: wrong usage, files or model; 130 interrupted.
"""
NO_BOXES = Boxes(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64))
UNKNOWN = np.iinfo(np.int64).min  # the category of a class that is not annotated


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; exits with code 2 and a message if it is wrong."""
    parser = new_parser(
        "evaluate", "Measure a model on images whose true boxes are known, as COCO does it.", EXAMPLES
    )
    add = parser.add_argument
    add("--annotations", type=Path, metavar="PATH", help="true boxes: COCO JSON, or folder of YOLO labels")
    add("--images", type=Path, metavar="DIR", help="folder of the images; of a classifier, of class folders")
    add("--results", type=Path, metavar="FILE", help="take the detections from this file, don't detect")
    add("--against", type=Path, metavar="FILE", help="compare the detections with those in this file")
    add("--json", type=Path, metavar="FILE", help="write the detections in COCO's results format")
    add(
        "--output",
        type=Path,
        default=Path("runs", "evaluate"),
        metavar="DIR",
        help="folder for the two pictures, precision over recall and confusions (default: runs/evaluate)",
    )
    model = parser.add_argument_group("model", "The defaults are the setting in which YOLOv5 is evaluated.")
    add_model_options(model)
    add_tiles_option(model)
    add_box_options(model, conf_thres=0.001, iou_thres=0.6, max_det=300)

    options = parser.parse_args(argv)
    if not options.results and not options.images:
        parser.error("give --images and --annotations, or --results")
    options.classes = not options.results and not options.annotations
    if options.classes and not options.weights:
        parser.error("give --annotations, too, or the --weights of a classifier")
    if not options.classes and not options.annotations and not options.against:
        parser.error("without --annotations there is nothing to do but to compare: give --against, too")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(parse, evaluate, argv)


def evaluate(options: argparse.Namespace) -> int:
    """Do what the options say; returns the exit code."""
    if options.threads:
        cv2.setNumThreads(options.threads)
    if options.classes:
        classifier = Classifier(options.weights, device=options.device, imgsz=options.imgsz)
        say_size(options.imgsz, classifier)
        return evaluate_classes(classifier, options.images)
    make = detector_maker(options, multi_label=True)
    # First of all: whoever gives a file that is no model learns that, not which package is missing.
    detector = None if options.results else make()
    if options.annotations:
        _need("pycocotools", "matplotlib", "tqdm")
    rows = read_rows(options.results) if options.results else []
    others = read_rows(options.against) if options.against else []
    read = partial(_read_dataset, options.annotations, options.images)
    unread = 0
    if detector is None:
        dataset = read(None) if options.annotations else dataset_of([*rows, *others])
        results = collect(rows, dataset)
    else:
        say_size(options.imgsz, detector)
        dataset = read(detector.info.names, detector.info.task.k)
        with detectors_for(detector, make, len(dataset.files)) as detectors:
            results, unread = _detect(detectors, dataset, options.images)
    if options.json:
        _write_json(results, options.json)
    if options.annotations:
        report(dataset, results, options.output)
    agree = report_agreement(results, collect(others, dataset), dataset) if options.against else True
    return 0 if agree and not unread else 1


def _need(*modules: str) -> None:
    """Make sure that the optional packages are there. Raises InputError."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(f'evaluating needs {module}: pip install "yolov5-dnn[eval]"') from error


def _read_dataset(
    annotations: Path, images: Path | None, names: Sequence[str] | None, keypoints: int = 0
) -> Dataset:
    """Read the annotations, of those images that are there if a folder of images is given."""
    if annotations.is_dir():
        if not images:
            raise InputError("label files need --images, too: they count in shares of the images' sizes")
        return read_yolo(annotations, images, names, keypoints)
    dataset = read_coco(annotations)
    if not images:
        return dataset
    present = dataset.present(images)
    if not present.files:
        raise InputError(f"no image of {annotations} is in {images}")
    if len(present.files) < len(dataset.files):
        text = f"only {len(present.files)} of {len(dataset.files)} annotated images are in {images}"
        print(escape(text, 1000))
    return present


def _detect(detectors: Sequence[Detector], dataset: Dataset, folder: Path) -> tuple[Results, int]:
    """Run detectors over a dataset. Returns the results and how many images could not be read."""
    from tqdm import tqdm

    names = detectors[0].info.names
    categories = [dataset.category_of(class_id, name) for class_id, name in enumerate(names)]
    unknown = [name for name, category in zip(names, categories, strict=True) if category is None]
    if len(unknown) == len(names):
        annotated = ", ".join(list(dataset.categories.values())[:10])
        raise InputError(f"the model finds {', '.join(names[:10])}, but annotated are {annotated}")
    if unknown:
        print(escape(f"not annotated, so left out: {', '.join(unknown)}", 1000))

    category_ids = np.array([UNKNOWN if category is None else category for category in categories])
    results, unread = {}, 0
    spent = dict.fromkeys(STAGES, 0.0)

    def look_at(detector: Detector, file: str) -> Detections | InputError:
        try:
            return detector(read_image(folder / file, channels=detector.info.channels))
        except InputError as error:
            return error

    outcomes = in_order([partial(look_at, each) for each in detectors], dataset.files.values())
    progress = tqdm(outcomes, "detecting", len(dataset.files), unit="image", disable=None)
    for image_id, found in zip(dataset.files, progress, strict=True):
        if isinstance(found, InputError):
            tqdm.write(f"error: {found}", file=sys.stderr)
            results[image_id], unread = NO_BOXES, unread + 1
            continue
        mine = category_ids[found.class_ids]
        known = mine != UNKNOWN
        results[image_id] = to_boxes(found[known], mine[known])
        for stage, milliseconds in found.timings.items():
            spent[stage] += milliseconds
    read = len(results) - unread
    if read:
        line = "  ".join(f"{stage} {total / read:.1f}" for stage, total in spent.items())
        print(f"{read} images; milliseconds an image: {line}")
    return results, unread


def _write_json(results: Results, path: Path) -> None:
    """Write detections in COCO's results format."""
    found = [rounded(row) for row in coco_rows(results)]
    write_atomic(path, json.dumps(found).encode())


def evaluate_classes(classifier: Classifier, folder: Path) -> int:
    """Measure a classifier on a folder of class folders; returns the exit code."""
    pictures = read_class_folders(folder, classifier.names)
    unread = 0

    def outcomes() -> Iterator[tuple[int, Classification]]:
        nonlocal unread
        for path, class_id in pictures:
            try:
                yield class_id, classifier(read_image(path))
            except InputError as error:
                print(f"error: {error}", file=sys.stderr)
                unread += 1

    classes = class_accuracy(outcomes(), classifier.names)
    report_classes(classes)
    return 1 if unread else 0


if __name__ == "__main__":
    sys.exit(main())
